//! Who sends by a socket, and whose memory it sends without copying it: noted when it is
//! sent, as a copy within the kernel is made while anybody may be running.

use aya_ebpf::helpers::bpf_get_smp_processor_id;
use zc_common::{
    counter::Counter,
    fallback::{Fallback, Reason},
    flow::{Direction, Route},
    slot::{Lost, Sender, Slot, State},
};

use crate::{
    charge,
    maps::{OWNERS, SLOT_OF, SLOTS},
    memory,
    sites::{self, Context},
    threads,
};

/// Notes the running process as owner of what `handle` (a `struct ubuf_info` or
/// `struct sock`) stands for, the route it sends by, and whether by reference.
#[inline(always)]
pub fn note(handle: u64, route: u8, promised: bool) {
    if handle == 0 {
        return;
    }
    let Some(slot) = threads::running() else { return };
    // SAFETY: `slot` points into `SLOTS`.
    let (ids, start) = unsafe { ((*slot).ids, (*slot).process_start) };
    let (route, promised) = (u64::from(route), u64::from(promised));
    let owner = Sender { tgid: ids >> 32, start, route, promised };
    // SAFETY: an entry that another CPU replaces meanwhile is whole in each word.
    if OWNERS.get_ptr(handle).is_some_and(|known| unsafe { *known } == owner) {
        return;
    }
    // When the map is full its oldest entry makes room: then the copy has no owner,
    // which is counted.
    let _ = OWNERS.insert(handle, owner, 0);
}

/// Charges a copy within the kernel of what `handle` stands for to whoever sent it. Where
/// a socket is not known yet (`handle` is 0: a packet that is received) it is nobody's.
#[inline(always)]
pub fn charge(context: Context, handle: u64, bytes: u64, reason: Reason) {
    let (slot, owner) = find(handle);
    let Some(slot) = slot else { return };
    let (route, promised) =
        owner.map_or((Route::Other as u8, false), |o| (o.route as u8, o.promised != 0));
    add_copy(slot, route, Direction::InKernel, bytes);
    sites::copied_for(slot, context, route, Direction::InKernel, bytes);
    if promised && let Some(fallback) = Fallback::of(route, reason) {
        add(slot, Counter::fallback(fallback), bytes);
    }
    tell(slot);
}

/// Charges a copy by a route of its own to the owner of a socket; to nobody where there is
/// no socket (`handle` is 0).
#[inline(always)]
pub fn charge_by(context: Context, route: Route, direction: Direction, handle: u64, bytes: u64) {
    let (slot, _) = find(handle);
    if let Some(slot) = slot {
        add_copy(slot, route as u8, direction, bytes);
        sites::copied_for(slot, context, route as u8, direction, bytes);
        tell(slot);
    }
}

/// Tells the daemon that a slot was charged while its owner need not have run.
#[inline(always)]
fn tell(slot: *mut Slot) {
    // SAFETY: `slot` points into `SLOTS`; the word is added to atomically.
    memory::add_long(unsafe { &mut (*slot).foreign }, 1);
}

/// The slot to charge for what `handle` stands for, and who sent it, if that is known.
#[inline(always)]
fn find(handle: u64) -> (Option<*mut Slot>, Option<Sender>) {
    let owner = OWNERS.get_ptr(handle);
    // SAFETY: as in `note`.
    let owner = owner.map(|owner| unsafe { *owner });
    let slot = owner.and_then(slot_of);
    if slot.is_none() && handle != 0 {
        charge::lost(Lost::NoOwner);
    }
    (slot.or_else(nobody), owner)
}

/// The slot of charges that belong to no thread: this CPU's reserved one.
#[inline(always)]
fn nobody() -> Option<*mut Slot> {
    // SAFETY: no precondition.
    SLOTS.get_ptr_mut(unsafe { bpf_get_smp_processor_id() })
}

#[inline(always)]
fn add_copy(slot: *mut Slot, route: u8, direction: Direction, bytes: u64) {
    if let Some((bytes_of, copies_of)) =
        Counter::measured_at(charge::opaque(route) as usize, direction)
    {
        add(slot, bytes_of, bytes);
        add(slot, copies_of, 1);
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
