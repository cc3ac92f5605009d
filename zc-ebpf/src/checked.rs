//! Copies known only by the check of their size: what no function that is hooked saw.
//!
//! Where nothing else was seen of a system call, the checks during it are its copies. They
//! tell what was asked for, not what was done, so of a call that moves bytes no more is
//! taken than it returned; the rest are its arguments and results.

use zc_common::{
    counter::{Checked, Counter},
    flow::{
        Direction, Route,
        table::{self, POSITIONS},
    },
    site::Known,
    slot::Slot,
};

use crate::{
    charge,
    sites::{self, Stacks},
};

#[unsafe(no_mangle)]
static FLOW_CHECKED: [u8; POSITIONS] = table::CHECKED;

/// Bytes checked during one system call, by position in [`Checked::ALL`].
pub type Sizes = [u64; Checked::COUNT];

/// Notes a check during the call under way.
#[inline(always)]
pub fn note(slot: *mut Slot, checked: Checked, bytes: u64) {
    // SAFETY: `slot` points into `SLOTS`; the words are their owner's own.
    unsafe {
        if (*slot).naming == 0 {
            (*slot).checked[checked as usize] += bytes;
        }
    }
}

/// Notes that the kernel begins or ends to read a path.
#[inline(always)]
pub fn name(slot: *mut Slot, naming: bool) {
    // SAFETY: as above.
    unsafe { (*slot).naming = u64::from(naming) };
}

/// Takes what was checked since the last call; the next one begins with nothing.
#[inline(always)]
pub fn take(slot: *mut Slot) -> Sizes {
    // SAFETY: as above.
    unsafe {
        let sizes = (*slot).checked;
        if sizes[0] | sizes[1] | (*slot).naming != 0 {
            (*slot).checked = [0; Checked::COUNT];
            (*slot).naming = 0;
        }
        sizes
    }
}

/// In which direction the flow at a position copies once, as [`table::CHECKED`] has it.
#[inline(always)]
pub fn way(flow: u8) -> u8 {
    charge::look_up(&FLOW_CHECKED, flow)
}

/// Charges the copies of a call of which nothing was seen, that moved `bytes` by the flow
/// at a position, or none; how many of these are known to be copied.
#[inline(always)]
pub fn charge(slot: *mut Slot, flow: u8, bytes: u64, sizes: Sizes, stacks: Stacks) -> u64 {
    let way = way(flow);
    let mut seen = 0;
    for (checked, size) in [(Checked::ToUser, sizes[0]), (Checked::FromUser, sizes[1])] {
        let payload = way == checked as u8 && size >= bytes;
        let rest = if payload { size - bytes } else { size };
        if payload {
            seen = bytes;
            copied(slot, charge::route_at(flow), checked, bytes, stacks);
        }
        copied(slot, Route::Other as u8, checked, rest, stacks);
    }
    seen
}

#[inline(always)]
fn copied(slot: *mut Slot, route: u8, checked: Checked, bytes: u64, stacks: Stacks) {
    if bytes != 0 {
        let direction = match checked {
            Checked::ToUser => Direction::ToUser,
            Checked::FromUser => Direction::FromUser,
        };
        charge::copied_aside(slot, route, direction, bytes);
        charge::add(slot, Counter::checked(checked), bytes);
        if sites::are_kept() {
            sites::returned(stacks, Known::Measured, route, direction as u8, bytes);
        }
    }
}
