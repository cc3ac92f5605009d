//! Calls under way of functions hooked by kprobes: their arguments are kept from entry
//! to return, each under the place of its return address.
//!
//! The kernel's stack grows downwards, so a call at or above the place of another one that
//! was entered before it shows that this has returned unseen (a kretprobe follows only so
//! many calls at a time, and either program may be skipped). What was seen in half is told
//! so on every kernel, and not charged. No such function runs on the stack of an interrupt.

use zc_common::slot::{Frame, Lost, Slot};

use crate::{
    charge::{lost, lost_times},
    threads,
};

/// The calls under way of the running thread.
struct Frames {
    slot: *mut Slot,
    depth: usize,
}

impl Frames {
    #[inline(always)]
    fn own() -> Option<Self> {
        let slot = threads::owned()?;
        // SAFETY: `slot` points into `SLOTS`; these words are its owner's own.
        Some(Self { slot, depth: unsafe { (*slot).depth } as usize })
    }

    #[inline(always)]
    fn at(&mut self, position: usize) -> Option<&mut Frame> {
        // SAFETY: as above.
        unsafe { (*self.slot).frames.get_mut(position) }
    }

    /// Drops the calls that returned unseen: those of which `gone` is true, innermost
    /// first. One round for each frame there can be.
    #[inline(always)]
    fn drop_while(&mut self, gone: impl Fn(&Frame) -> bool) {
        for position in (0..Slot::FRAMES).rev() {
            if self.depth == position + 1 && self.at(position).is_some_and(|frame| gone(frame)) {
                self.depth = position;
                self.seen_in_half();
            }
        }
    }

    /// A socket function around it does not know what was sent by reference, either.
    #[inline(always)]
    fn seen_in_half(&self) {
        // SAFETY: as above.
        unsafe { (*self.slot).within = Slot::UNSEEN };
        lost(Lost::HalfSeen);
    }

    /// Writes the depth back.
    #[inline(always)]
    fn done(self) {
        // SAFETY: as above.
        unsafe { (*self.slot).depth = self.depth as u64 };
    }
}

/// A function is entered. Without a slot or with no room its return finds nothing.
#[inline(always)]
pub fn enter(frame: Frame) {
    let Some(mut frames) = Frames::own() else { return };
    frames.drop_while(|held| held.stack <= frame.stack);
    if let Some(place) = frames.at(frames.depth) {
        *place = frame;
        frames.depth += 1;
    }
    frames.done();
}

/// A function returns to the address at `stack`: what was kept of it.
#[inline(always)]
pub fn leave(stack: u64, function: u64) -> Option<Frame> {
    let Some(mut frames) = Frames::own() else {
        lost(Lost::HalfSeen);
        return None;
    };
    frames.drop_while(|held| held.stack < stack);
    let last = frames.depth.wrapping_sub(1);
    let held = frames.at(last).filter(|held| held.stack == stack).map(|held| *held);
    if held.is_some() {
        frames.depth = last;
    }
    let kept = held.filter(|held| held.function == function);
    if kept.is_none() {
        frames.seen_in_half();
    }
    frames.done();
    kept
}

/// A system call returned: nothing is under way any more.
#[inline(always)]
pub fn close(slot: *mut Slot) {
    // SAFETY: `slot` points into `SLOTS`; the word is its owner's own.
    let depth = unsafe { &mut (*slot).depth };
    if *depth != 0 {
        lost_times(Lost::HalfSeen, *depth);
        *depth = 0;
    }
}
