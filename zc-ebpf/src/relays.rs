//! Relays: what a call brings into a process' memory, and whether another one takes the same
//! bytes out of there.
//!
//! What comes in is remembered by where it begins, with fingerprints of some windows of it,
//! which lie elsewhere each time. When a call has put out what begins there, the same windows
//! are looked at again. What is put out in part is remembered on from where the rest begins,
//! so each byte is put out once at most. Functions have names: see `main.rs`.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::{
        bpf_get_current_pid_tgid,
        generated::{
            bpf_get_current_comm, bpf_get_prandom_u32, bpf_ktime_get_ns, bpf_probe_read_user,
        },
    },
};
use zc_common::{
    relay::{Brought, CERTAIN, Fate, Place, Relay, Sums, Unseen, WINDOW, WINDOWS, window},
    site::CallSite,
};

use crate::{
    maps::{BROUGHT, RELAYS},
    memory,
    settings::{TASK_GROUP_LEADER, TASK_REAL_PARENT, TASK_START_BOOTTIME, TASK_TGID},
    task::current_address,
};

/// What was put out later than this after it was taken in is not held against it, in
/// nanoseconds.
const SOON: u64 = 1_000_000_000;

/// What became of bytes that were put out, in one word: none if it is 0.
#[derive(Clone, Copy)]
pub struct Found(u64);

impl Found {
    const NONE: Self = Self(0);

    #[inline(always)]
    fn new(bytes: u64, fate: Fate, certainty: u64, kind: u64) -> Self {
        Self(bytes & 0xffff_ffff | (fate as u64) << 32 | certainty << 40 | kind << 56)
    }

    #[inline(always)]
    pub fn bytes(self) -> u64 {
        self.0 & 0xffff_ffff
    }

    /// From what kind of descriptor they were taken in.
    #[inline(always)]
    pub fn kind(self) -> u64 {
        self.0 >> 56
    }
}

/// Remembers what was taken in.
#[inline(never)]
#[unsafe(export_name = "relay_take_in")]
pub fn take_in(at: u64, length: u64, kind: u64) -> u64 {
    if length < WINDOW {
        unseen(Unseen::Short);
        return 0;
    }
    let prints = [0; WINDOWS];
    let (random, now) = random_and_now();
    let phase = random.checked_rem(length + WINDOW - 1).unwrap_or(0);
    let mut brought =
        Brought { start: at, end: at + length, from: at, when: now, kind, phase, prints };
    for index in 0..WINDOWS {
        brought.prints[index] = fingerprint(at + window_of(index as u64, length, phase));
    }
    // Another one makes room for it.
    let _ = BROUGHT.insert(place(at), brought, 0);
    0
}

/// What became of the bytes that were put out from here, as a [`Found`]: as many as were taken
/// in together.
#[inline(never)]
#[unsafe(export_name = "relay_put_out")]
fn put_out(at: u64, left: u64) -> u64 {
    let held = place(at);
    let Some(brought) = BROUGHT.get_ptr_mut(held) else { return Found::NONE.0 };
    // SAFETY: it points into the map; a race with another thread on the same memory is one in
    // the program that is watched, too.
    let (start, end, from, when, kind, phase) = unsafe {
        let brought = &*brought;
        (brought.start, brought.end, brought.from, brought.when, brought.kind, brought.phase)
    };
    if at < from || at >= end {
        return Found::NONE.0;
    }
    if random_and_now().1 - when > SOON {
        unseen(Unseen::Late);
        let _ = BROUGHT.remove(held);
        return Found::NONE.0;
    }
    let to = if left < end - at { at + left } else { end };
    // Without a branch: the verifier follows each way through the loop.
    let (mut looked, mut all) = (0, 0);
    for index in 0..WINDOWS {
        // SAFETY: as above.
        let before = unsafe { (&raw const (*brought).prints[index]).read_volatile() };
        let place = start + window_of(index as u64, end - start, phase);
        let seen = compare(place, at, to, before);
        looked += seen & LOOKED;
        all |= seen;
    }
    let bytes = to - at;
    let fate = if looked == 0 {
        Fate::Unsampled
    } else if all & DIFFERS != 0 {
        Fate::Changed
    } else if at == start && to == end {
        Fate::Whole
    } else {
        Fate::Part
    };
    if to < end {
        // SAFETY: as above.
        unsafe { (&raw mut (*brought).from).write_volatile(to) };
    }
    let rest = place(to);
    if to < end && rest.page != held.page {
        // SAFETY: as above.
        let brought = unsafe { &*brought };
        let _ = BROUGHT.insert(rest, brought, 0);
    }
    if to == end || rest.page != held.page {
        let _ = BROUGHT.remove(held);
    }
    let looked = if looked < bytes { looked } else { bytes };
    Found::new(bytes, fate, (looked * CERTAIN).checked_div(bytes).unwrap_or(0), kind).0
}

/// Bytes that were looked at, in what [`compare`] returns.
const LOOKED: u64 = WINDOW;
/// Set in it if they are not what they were.
const DIFFERS: u64 = 1;

/// Holds a window against what it was before, if all of it was put out.
#[inline(never)]
#[unsafe(export_name = "relay_compare")]
fn compare(place: u64, at: u64, to: u64, before: u64) -> u64 {
    if place < at || place + WINDOW > to {
        return 0;
    }
    let now = fingerprint(place);
    if before == 0 || now == 0 {
        unseen(Unseen::Memory);
        return 0;
    }
    if before == now { LOOKED } else { LOOKED | DIFFERS }
}

/// [`window`], verified by itself.
#[inline(never)]
#[unsafe(export_name = "relay_window")]
fn window_of(index: u64, length: u64, phase: u64) -> u64 {
    window(index, length, phase)
}

/// The same as [`put_out`], if anything was.
#[inline(always)]
pub fn find(at: u64, left: u64) -> Option<Found> {
    let found = Found(put_out(at, left));
    (found.bytes() != 0).then_some(found)
}

#[inline(always)]
fn random_and_now() -> (u64, u64) {
    // SAFETY: no precondition.
    unsafe { (u64::from(bpf_get_prandom_u32()), bpf_ktime_get_ns()) }
}

#[inline(always)]
fn place(at: u64) -> Place {
    Place { tgid: bpf_get_current_pid_tgid() >> 32, page: at >> 12 }
}

/// A number for the bytes of a window, 0 if they cannot be read. Any change of one word makes
/// another number.
#[inline(never)]
#[unsafe(export_name = "relay_fingerprint")]
fn fingerprint(at: u64) -> u64 {
    const WORDS: usize = WINDOW as usize / 8;
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut window = MaybeUninit::<[u64; WORDS]>::uninit();
    // SAFETY: the helper writes all of `window` or fails.
    let result = unsafe {
        bpf_probe_read_user(
            window.as_mut_ptr().cast::<c_void>(),
            WINDOW as u32,
            at as *const c_void,
        )
    };
    if result != 0 {
        return 0;
    }
    // SAFETY: it was written.
    let window = unsafe { window.assume_init_ref() };
    let mut print: u64 = 0;
    for word in window {
        print = (print ^ word).wrapping_mul(PRIME);
        print ^= print >> 29;
    }
    if print == 0 { 1 } else { print }
}

/// Charges bytes that were found.
#[inline(always)]
pub fn charge(found: Found, to: u64, stack: u32) {
    let kinds = Relay::kinds(found.kind(), to);
    add(kinds | u64::from(stack) << 32, found.0);
}

/// Counts a call that moved bytes in from a kind, or out to it.
#[inline(always)]
pub fn moved(kinds: u64, bytes: u64, stack: u32) {
    add(kinds | u64::from(stack) << 32, Found::new(bytes, Fate::Whole, 0, 0).0);
}

/// Counts what is not seen.
#[inline(always)]
pub fn unseen(why: Unseen) {
    let nowhere = Relay::kinds(Relay::NO_END, Relay::NO_END);
    add(nowhere | u64::from(CallSite::NO_STACK) << 32, why as u64);
}

/// Adds to the row of the running process; `row` has its ends, and the stack in the upper
/// half. Without ends, `what` is an [`Unseen`], else a [`Found`].
#[inline(never)]
#[unsafe(export_name = "relay_add")]
fn add(row: u64, what: u64) -> u64 {
    let leader = memory::kernel::<u64>(current_address() + u64::from(TASK_GROUP_LEADER.load()));
    let start =
        leader.and_then(|leader| memory::kernel(leader + u64::from(TASK_START_BOOTTIME.load())));
    let relay = &Relay {
        tgid: bpf_get_current_pid_tgid() >> 32,
        start: start.unwrap_or(0),
        kinds: row & 0xffff,
        stack: row >> 32,
    };
    let mut sums = RELAYS.get_ptr_mut(relay);
    if sums.is_none() {
        make(relay);
        sums = RELAYS.get_ptr_mut(relay).or_else(|| RELAYS.get_ptr_mut(Relay::OVERFLOW));
    }
    let Some(sums) = sums else { return 0 };
    let words = sums.cast::<u64>();
    if relay.kinds == Relay::kinds(Relay::NO_END, Relay::NO_END) {
        // SAFETY: the mask keeps it within the words that count.
        memory::add_long(unsafe { words.add(what as usize & (Unseen::COUNT - 1)) }, 1);
        return 0;
    }
    let (found, fate) = (Found(what), what >> 32 & 0xff);
    // SAFETY: `sums` points into the map; the words are added to atomically.
    let [bytes, calls, whole, certainty, changed, changed_bytes, unsampled] = unsafe {
        [
            &raw mut (*sums).bytes,
            &raw mut (*sums).calls,
            &raw mut (*sums).whole,
            &raw mut (*sums).certainty,
            &raw mut (*sums).changed,
            &raw mut (*sums).changed_bytes,
            &raw mut (*sums).unsampled,
        ]
    };
    if fate == Fate::Unsampled as u64 {
        memory::add_long(unsampled, 1);
    } else if fate == Fate::Changed as u64 {
        memory::add_long(changed, 1);
        memory::add_long(changed_bytes, found.bytes());
    } else {
        memory::add_long(bytes, found.bytes());
        memory::add_long(calls, 1);
        memory::add_long(whole, u64::from(fate == Fate::Whole as u64));
        memory::add_long(certainty, what >> 40 & 0xffff);
    }
    0
}

/// What a row begins with: not on the stack, of which a program and all that it calls have 512
/// bytes.
#[unsafe(no_mangle)]
static NOTHING: Sums = Sums::from_words(Sums::nothing());

/// Makes a row, for the running process. Another CPU may make it meanwhile, or the map be full.
#[inline(always)]
fn make(relay: &Relay) {
    let nothing = &NOTHING;
    if RELAYS.insert(relay, nothing, u64::from(BPF_NOEXIST)).is_err() {
        return;
    }
    let Some(sums) = RELAYS.get_ptr_mut(relay) else { return };
    let parent = memory::kernel::<u64>(current_address() + u64::from(TASK_REAL_PARENT.load()))
        .and_then(|parent| memory::kernel::<u32>(parent + u64::from(TASK_TGID.load())));
    // SAFETY: `sums` points into the map, and the helper writes no more than a name's bytes.
    unsafe {
        (&raw mut (*sums).parent).write_volatile(u64::from(parent.unwrap_or(0)));
        let comm = &raw mut (*sums).comm;
        bpf_get_current_comm(comm.cast::<c_void>(), size_of::<[u64; 2]>() as u32);
    }
}
