//! The only writers of tallies and of losses.

use zc_common::{
    counter::Counter,
    flow::{Direction, Flow},
    slot::{Lost, Slot},
};

use crate::threads::cpu;

/// Adds `amount` to one counter of `slot`.
#[inline(always)]
pub fn add(slot: *mut Slot, counter: Counter, amount: u64) {
    // SAFETY: `slot` points into `SLOTS`, and only the owner's own context adds
    // to this word: it has one writer.
    let tally = unsafe { &mut (*slot).tally };
    if let Some(word) = tally.get_mut(counter.index()) {
        *word += amount;
    }
}

/// Charges one call that moved `bytes` by `flow`.
#[inline(always)]
pub fn moved(slot: *mut Slot, flow: Flow, bytes: u64) {
    // Through memory, so that the compiler forgets that it knows the bound and
    // keeps the check that the verifier asks for.
    let position = flow as u8;
    // SAFETY: a local.
    let position = unsafe { (&raw const position).read_volatile() };
    let Some((bytes_of, calls_of)) = Counter::flow_at(position as usize) else { return };
    add(slot, bytes_of, bytes);
    add(slot, calls_of, 1);
}

/// Charges one copy of `bytes` by the route at a position of [`Route::ALL`].
///
/// [`Route::ALL`]: zc_common::flow::Route::ALL
#[inline(always)]
pub fn copied(slot: *mut Slot, route: u8, direction: Direction, bytes: u64) {
    copied_aside(slot, route, direction, bytes);
    // SAFETY: as in `add`.
    unsafe { (*slot).seen += bytes };
}

/// The same, for a copy that is not of what the system call under way moves.
#[inline(always)]
pub fn copied_aside(slot: *mut Slot, route: u8, direction: Direction, bytes: u64) {
    // As in `moved`.
    // SAFETY: a local.
    let route = unsafe { (&raw const route).read_volatile() };
    let Some((bytes_of, copies_of)) = Counter::measured_at(route as usize, direction) else {
        return;
    };
    add(slot, bytes_of, bytes);
    add(slot, copies_of, 1);
}

/// Counts one thing that was missed.
#[inline(always)]
pub fn lost(reason: Lost) {
    let cpu = cpu();
    // SAFETY: this CPU's own element.
    let words = unsafe { &mut (*cpu).lost };
    words[reason.index()] += 1;
}
