//! Whose memory it is that a socket sends without copying it: noted when it is sent,
//! as a copy that is made after all is made while anybody may be running.

use aya_ebpf::helpers::bpf_get_smp_processor_id;
use zc_common::{
    counter::Counter,
    fallback::{Fallback, Reason},
    flow::Direction,
    slot::{Lost, Sender, Slot, State},
};

use crate::{
    charge,
    maps::{OWNERS, SLOT_OF, SLOTS},
    memory, threads,
};

/// Notes the running process as owner of what `handle` (a `struct ubuf_info`) stands
/// for, and the route it was sent by.
#[inline(always)]
pub fn note(handle: u64, route: u8) {
    if handle == 0 {
        return;
    }
    let Some(slot) = threads::running() else { return };
    // SAFETY: `slot` points into `SLOTS`.
    let (ids, start) = unsafe { ((*slot).ids, (*slot).process_start) };
    let owner = Sender { tgid: ids >> 32, start, route: u64::from(route) };
    // When the map is full its oldest entry makes room: then the copy has no owner,
    // which is counted.
    let _ = OWNERS.insert(handle, owner, 0);
}

/// Charges a copy in the kernel to whoever sent what `handle` stands for.
#[inline(always)]
pub fn charge(handle: u64, bytes: u64) {
    let owner = OWNERS.get_ptr(handle);
    // SAFETY: an entry that another CPU replaces meanwhile is whole in each word.
    let owner = owner.map(|owner| unsafe { *owner });
    let slot = owner.and_then(slot_of);
    let route = owner.map_or(zc_common::flow::Route::Other as u64, |owner| owner.route);
    let slot = slot.or_else(|| {
        charge::lost(Lost::NoOwner);
        // SAFETY: no precondition.
        SLOTS.get_ptr_mut(unsafe { bpf_get_smp_processor_id() })
    });
    if let (Some(slot), Some((bytes_of, copies_of))) =
        (slot, Counter::measured_at(route as usize, Direction::InKernel))
    {
        add(slot, bytes_of, bytes);
        add(slot, copies_of, 1);
        if let Some(fallback) = Fallback::of(route as u8, Reason::Receiver) {
            add(slot, Counter::fallback(fallback), bytes);
        }
    }
}

/// The slot of the leader of the owning process, if it is still there.
#[inline(always)]
fn slot_of(owner: Sender) -> Option<*mut Slot> {
    let entry = SLOT_OF.get_ptr_mut(owner.tgid as u32)?;
    // SAFETY: as in `threads::find`.
    let slot = SLOTS.get_ptr_mut(unsafe { entry.read_volatile() })?;
    // SAFETY: `slot` points into `SLOTS`.
    let (state, ids, start) = unsafe { ((*slot).state, (*slot).ids, (*slot).process_start) };
    let same = ids >> 32 == owner.tgid && start == owner.start;
    (same && state as u32 == State::Live as u32).then_some(slot)
}

/// Adds to a counter that more than its owner may add to.
#[inline(always)]
fn add(slot: *mut Slot, counter: Counter, amount: u64) {
    // SAFETY: `slot` points into `SLOTS`; the words are added to atomically.
    let tally = unsafe { &mut (*slot).tally };
    if let Some(word) = tally.get_mut(counter.index()) {
        memory::add_long(word, amount);
    }
}
