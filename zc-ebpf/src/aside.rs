//! What is seen in calls that are not hooked: nothing is settled as they return, so it is
//! charged as it is seen, and kept from the call after.
//!
//! A request of an io_uring may be done where such a call returns to its process, or where
//! an interrupt does. Its completion, told of at the same place, takes what was seen there.

use zc_common::{
    counter::{Checked, Counter},
    flow::{Direction, Route},
    slot::{Lost, Slot},
};

use crate::{
    charge::{self, Evidence},
    task::Current,
    threads,
};

/// Keeps what is seen at the place where the running thread is.
#[inline(never)]
#[unsafe(export_name = "keep_aside")]
pub fn keep(seen: u64, linked: u64) -> u64 {
    let current = Current::take();
    let Some(slot) = threads::of(current) else { return 0 };
    let place = current.place();
    // SAFETY: `slot` points into `SLOTS`; the words are its owner's own.
    unsafe {
        if (*slot).aside_of != place {
            (*slot).aside_of = place;
            (*slot).aside = [0; 2];
        }
        (*slot).aside[0] += seen;
        (*slot).aside[1] += linked;
    }
    if current.is_in_compat_call() {
        charge::lost(Lost::Compat);
    }
    0
}

/// What was seen at this very place; the next one begins with nothing.
#[inline(always)]
pub fn take(slot: *mut Slot) -> Evidence {
    // SAFETY: as above.
    let [seen, linked] = unsafe { (*slot).aside };
    if seen | linked == 0 {
        return Evidence::default();
    }
    // SAFETY: as above.
    let same = unsafe {
        (*slot).aside = [0; 2];
        (*slot).aside_of == Current::take().place()
    };
    if same { Evidence { seen, linked } } else { Evidence::default() }
}

/// Charges a copy that is known by the check of its size alone: an argument or a result of
/// the call. Whether it was: not if other copies were seen in the same call, nor where a path
/// is read, nor in a thread that has an io_uring, of whose requests it may be.
#[inline(never)]
#[unsafe(export_name = "charge_argument")]
pub fn argument(checked: u64, bytes: u64) -> u64 {
    let current = Current::take();
    let Some(slot) = threads::of(current) else { return 0 };
    // SAFETY: as above.
    let (naming, [seen, linked], of) = unsafe { ((*slot).naming, (*slot).aside, (*slot).aside_of) };
    if naming != 0 || seen | linked != 0 && of == current.place() {
        return 0;
    }
    if current.has_ring() {
        charge::lost(Lost::RingArgument);
        return 0;
    }
    let (checked, direction) = if checked == Checked::ToUser as u64 {
        (Checked::ToUser, Direction::ToUser)
    } else {
        (Checked::FromUser, Direction::FromUser)
    };
    charge::copied_aside(slot, Route::Other as u8, direction, bytes);
    charge::add(slot, Counter::checked(checked), bytes);
    if current.is_in_compat_call() {
        charge::lost(Lost::Compat);
    }
    1
}
