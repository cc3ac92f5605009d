//! What workers of an io_uring see of the requests that they do: the thread that submitted
//! a request may be the one to complete it, so it is kept by request.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use zc_common::slot::{Handed, Lost, Slot};

use crate::{
    charge::{Evidence, lost},
    maps::HANDED,
};

/// The thread begins to do a request.
#[inline(always)]
pub fn begin(slot: *mut Slot, request: u64) {
    // SAFETY: `slot` points into `SLOTS`; the word is its owner's own.
    unsafe { (*slot).request = request };
    // Left of another request at the same address, that was completed unseen.
    let _ = HANDED.remove(request);
}

/// Keeps what was seen, if the thread is a worker.
#[inline(always)]
pub fn keep(slot: *mut Slot, seen: u64, linked: u64) {
    // SAFETY: as above.
    let request = unsafe { (*slot).request };
    if request != 0 {
        keep_of(request, seen, linked);
    }
}

/// The same by numbers: verified by itself, not in each program that sees a copy.
#[inline(never)]
#[unsafe(export_name = "keep_of_request")]
fn keep_of(request: u64, seen: u64, linked: u64) -> u64 {
    if let Some(kept) = HANDED.get_ptr_mut(request) {
        // SAFETY: one thread does a request.
        unsafe {
            (*kept).seen += seen;
            (*kept).linked += linked;
        }
    } else {
        // SAFETY: no precondition.
        let handed = Handed { seen, linked, since: unsafe { bpf_ktime_get_ns() } };
        if HANDED.insert(request, handed, 0).is_err() {
            lost(Lost::RequestRoom);
        }
    }
    0
}

/// What a worker saw of a request that is complete, if one did it.
#[inline(always)]
pub fn take(request: u64) -> Option<Evidence> {
    let kept = HANDED.get_ptr(request)?;
    // SAFETY: nobody does the request any more.
    let Handed { seen, linked, .. } = unsafe { *kept };
    let _ = HANDED.remove(request);
    Some(Evidence { seen, linked })
}
