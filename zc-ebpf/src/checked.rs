//! Copies known only by the check of their size: what no function that is hooked saw.
//!
//! Where nothing else was seen of a system call, the checks during it are its copies. They
//! tell what was asked for, not what was done, so of a call that moves bytes no more is
//! taken than it returned; the rest are its arguments and results.

use zc_common::{
    counter::{Checked, Counter},
    flow::{
        Direction, Flow, Route,
        table::{self, POSITIONS},
    },
    slot::Slot,
};

use crate::{
    charge::{self, Evidence},
    threads,
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

/// Charges the copies of a call of which nothing was seen, that moved bytes by a flow or
/// did not: what is known of them then.
#[inline(always)]
pub fn settle(moved: Option<(Flow, u64)>, sizes: Sizes) -> Evidence {
    if sizes[0] | sizes[1] == 0 {
        return Evidence::default();
    }
    let (flow, bytes) = moved.map_or((NO_FLOW, 0), |(flow, bytes)| (flow as u64, bytes));
    Evidence { seen: charge_checked(flow, bytes, sizes[0], sizes[1]), linked: 0 }
}

/// A position of no flow.
const NO_FLOW: u64 = POSITIONS as u64 - 1;

/// The same by numbers, and what of `bytes` is known to be copied: verified by itself, as
/// it would be too much within a program that decodes calls.
#[inline(never)]
#[unsafe(export_name = "charge_checked")]
fn charge_checked(flow: u64, bytes: u64, to_user: u64, from_user: u64) -> u64 {
    let Some(slot) = threads::running() else { return 0 };
    let flow = flow as u8;
    let way = charge::look_up(&FLOW_CHECKED, flow);
    let mut seen = 0;
    for (checked, size) in [(Checked::ToUser, to_user), (Checked::FromUser, from_user)] {
        let payload = way == checked as u8 && size >= bytes;
        let rest = if payload { size - bytes } else { size };
        if payload {
            seen = bytes;
            copied(slot, charge::route_at(flow), checked, bytes);
        }
        copied(slot, Route::Other as u8, checked, rest);
    }
    seen
}

#[inline(always)]
fn copied(slot: *mut Slot, route: u8, checked: Checked, bytes: u64) {
    if bytes != 0 {
        let direction = match checked {
            Checked::ToUser => Direction::ToUser,
            Checked::FromUser => Direction::FromUser,
        };
        charge::copied_aside(slot, route, direction, bytes);
        charge::add(slot, Counter::checked(checked), bytes);
    }
}
