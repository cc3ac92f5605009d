//! The only writers of tallies and of losses.

use zc_common::{
    counter::Counter,
    fallback::{Fallback, Reason},
    flow::{
        Direction, Flow,
        table::{self, POSITIONS},
    },
    site::Known,
    slot::{Lost, Slot},
    syscall::Io,
};

use crate::{
    aside, checked, rings,
    sites::{self, Stacks},
    threads::cpu,
};

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

/// What probes saw of the bytes of a call.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Evidence {
    /// Bytes copied.
    pub seen: u64,
    /// Bytes passed on by reference.
    pub linked: u64,
}

impl Evidence {
    /// The sum of both.
    #[inline(always)]
    pub const fn and(self, other: Self) -> Self {
        Self { seen: self.seen + other.seen, linked: self.linked + other.linked }
    }

    /// Whether nothing was seen.
    #[inline(always)]
    pub const fn is_nothing(self) -> bool {
        self.seen | self.linked == 0
    }
}

/// Whether anything was noted since the last call returned.
#[inline(always)]
pub fn is_noted(slot: *mut Slot) -> bool {
    // SAFETY: `slot` points into `SLOTS`; the words are its owner's own.
    unsafe {
        let checked = (*slot).checked[0] | (*slot).checked[1];
        (*slot).seen | (*slot).linked | checked | (*slot).naming != 0
    }
}

/// What was seen since the last call.
#[inline(always)]
pub fn evidence(slot: *mut Slot) -> Evidence {
    // SAFETY: `slot` points into `SLOTS`; the words are its owner's own.
    unsafe { Evidence { seen: (*slot).seen, linked: (*slot).linked } }
}

/// Charges the copies pending of a call of a given shape; whether they are all that is known
/// of it, so that there is nothing left to settle.
#[inline(always)]
pub fn pending(slot: *mut Slot, io: u8, returned: u64) -> bool {
    if io == Io::Read as u8 {
        pending_by(slot, Flow::ReadFileSeen, Direction::ToUser, returned)
    } else if io == Io::Write as u8 {
        pending_by(slot, Flow::WriteFileSeen, Direction::FromUser, returned)
    } else {
        false
    }
}

#[inline(always)]
fn pending_by(slot: *mut Slot, flow: Flow, direction: Direction, returned: u64) -> bool {
    // SAFETY: `slot` points into `SLOTS`; the words are its owner's own.
    let pending = unsafe { (*slot).pending };
    if pending == 0 {
        return false;
    }
    let bytes = pending & ((1 << Slot::PENDING_COPIES) - 1);
    // SAFETY: as above.
    unsafe { (*slot).pending = 0 };
    let (bytes_of, copies_of) = Counter::measured(flow.row().route, direction);
    add(slot, bytes_of, bytes);
    add(slot, copies_of, pending >> Slot::PENDING_COPIES);
    if bytes != returned || is_noted(slot) {
        // SAFETY: as above.
        unsafe { (*slot).seen += bytes };
        return false;
    }
    add(slot, Counter::bytes(flow), bytes);
    add(slot, Counter::calls(flow), 1);
    true
}

/// Takes what was seen since the last call; the next one begins with nothing.
#[inline(always)]
pub fn take_evidence(slot: *mut Slot) -> Evidence {
    let evidence = evidence(slot);
    // SAFETY: as above.
    unsafe {
        (*slot).seen = 0;
        (*slot).linked = 0;
        (*slot).within = 0;
    }
    evidence
}

#[unsafe(no_mangle)]
static FLOW_SEEN: [u8; POSITIONS] = table::SEEN;
#[unsafe(no_mangle)]
static FLOW_ROUTE: [u8; POSITIONS] = table::ROUTE;
#[unsafe(no_mangle)]
static FLOW_HANDS: [u8; POSITIONS] = table::HANDS;

/// Looks a flow up. The read is volatile: see `sys_exit`.
#[inline(always)]
pub fn look_up(table: &'static [u8; POSITIONS], flow: u8) -> u8 {
    let row = &raw const table[flow as usize];
    // SAFETY: any byte is a position of the table.
    unsafe { row.read_volatile() }
}

/// The route of the flow at a position, as a position in
/// [`Route::ALL`](zc_common::flow::Route::ALL).
#[inline(always)]
pub fn route_at(flow: u8) -> u8 {
    look_up(&FLOW_ROUTE, flow)
}

/// Charges one call that moved `bytes` by the flow at a position, as far as probes saw
/// how; `stacks` are those it returns to.
#[inline(always)]
pub fn call(slot: *mut Slot, flow: u8, bytes: u64, evidence: Evidence, stacks: Stacks) {
    let Evidence { seen, linked } = evidence;
    let (flow, cut) = (opaque(flow), flow == Flow::RecvUnknown as u8);
    let hands = look_up(&FLOW_HANDS, flow);
    let by_reference = match hands {
        table::MOVED => bytes.saturating_sub(seen),
        table::UNSURE => linked.min(bytes),
        _ => 0,
    };
    if by_reference != 0
        && let Some(counter) = Counter::references_at(look_up(&FLOW_ROUTE, flow) as usize)
    {
        add(slot, counter, by_reference);
    }
    let known = seen + linked;
    // Of a receive that was cut short, the rest was thrown away.
    if known != 0 && known < bytes && (hands == table::COPIED || hands == table::UNSURE && !cut) {
        lost(Lost::PartlySeen);
    }
    if sites::are_kept() && known == 0 && hands == table::COPIED {
        sites::returned(stacks, Known::Inferred, route_at(flow), checked::way(flow), bytes);
    }
    let flow = if known == 0 { flow } else { look_up(&FLOW_SEEN, flow) };
    let Some((bytes_of, calls_of)) = Counter::flow_at(flow as usize) else { return };
    add(slot, bytes_of, bytes);
    add(slot, calls_of, 1);
}

/// The same number, through memory, so that the compiler forgets what it knows of its
/// bound and keeps the checks that the verifier asks for.
#[inline(always)]
pub fn opaque(number: u8) -> u8 {
    // SAFETY: a local.
    unsafe { (&raw const number).read_volatile() }
}

/// Keeps what was seen for whoever settles the call under way.
#[inline(always)]
pub fn keep(slot: *mut Slot, settled: bool, seen: u64, linked: u64) {
    if !settled {
        aside::keep(seen, linked);
        return;
    }
    // SAFETY: as in `add`.
    unsafe {
        (*slot).seen += seen;
        (*slot).linked += linked;
    }
    rings::keep(slot, seen, linked);
}

/// Charges one copy of `bytes` by the route at a position of [`Route::ALL`], and keeps
/// nothing of it.
///
/// [`Route::ALL`]: zc_common::flow::Route::ALL
#[inline(always)]
pub fn copied_aside(slot: *mut Slot, route: u8, direction: Direction, bytes: u64) {
    let Some((bytes_of, copies_of)) = Counter::measured_at(opaque(route) as usize, direction)
    else {
        return;
    };
    add(slot, bytes_of, bytes);
    add(slot, copies_of, 1);
}

/// Charges bytes that a promise of zero-copy not kept had copied, if the route is one
/// that makes such a promise.
#[inline(always)]
pub fn fell_back(slot: *mut Slot, route: u8, reason: Reason, bytes: u64) {
    if let Some(fallback) = Fallback::of(route, reason) {
        add(slot, Counter::fallback(fallback), bytes);
    }
}

/// Counts one thing that was missed.
#[inline(always)]
pub fn lost(reason: Lost) {
    lost_times(reason, 1);
}

/// Counts things that were missed.
#[inline(always)]
pub fn lost_times(reason: Lost, times: u64) {
    let cpu = cpu();
    // SAFETY: this CPU's own element.
    let words = unsafe { &mut (*cpu).lost };
    words[reason.index()] += times;
}
