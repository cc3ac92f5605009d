//! Call sites: bytes copied, by the stacks they were copied on. Dead code unless they are
//! kept ([`KEEP_SITES`]).
//!
//! What is charged to a tally is added to a site, too: where a stack cannot be taken, to one
//! without it, and where there is no room, to one that all such bytes share.

use core::ffi::c_void;

use aya_ebpf::{
    bindings::{BPF_F_USER_STACK, BPF_NOEXIST},
    helpers::bpf_get_current_pid_tgid,
    programs::{RawTracePointContext, tracing::StackIdContext as _},
};
use zc_common::{
    flow::Direction,
    site::{CallSite, Known, Weight},
    slot::Slot,
};

use crate::{
    charge::Evidence,
    maps::{MORE_STACKS, SITES, STACKS},
    memory,
    settings::{KEEP_SITES, on},
};

/// What a program is run with, whatever its type.
pub type Context = *mut c_void;

/// Whether call sites are kept.
#[inline(always)]
pub fn are_kept() -> bool {
    on(&KEEP_SITES)
}

/// Two stacks, as [`CallSite::stacks`] has them.
#[derive(Clone, Copy)]
pub struct Stacks(pub u64);

impl Stacks {
    /// The running thread's, where its system call returns, if they will be needed: the
    /// kernel's tells nothing, and what was seen stands at a site of its own.
    #[inline(always)]
    pub fn of_return(context: Context, evidence: impl FnOnce() -> Evidence) -> Self {
        let needed = are_kept() && evidence().is_nothing();
        let user = if needed { take(context, USER) } else { CallSite::NO_STACK };
        Self(CallSite::stacks(CallSite::NO_STACK, user))
    }
}

const USER: u64 = BPF_F_USER_STACK as u64;
const KERNEL: u64 = 0;

/// The number of one stack.
#[inline(always)]
fn take(context: Context, which: u64) -> u32 {
    // The kernel asks for a context of the program's own type, which this is.
    let context = RawTracePointContext::new(context);
    if let Ok(number) = context.get_stackid(&STACKS, which) {
        return number as u32;
    }
    let taken = context.get_stackid(&MORE_STACKS, which);
    taken.map_or(CallSite::LOST_STACK, |number| number as u32 | CallSite::IN_MORE_STACKS)
}

/// Adds a copy that the running thread makes, and is seen to make.
#[inline(always)]
pub fn copied(context: Context, route: u8, direction: Direction, bytes: u64) {
    if are_kept() {
        let stacks = CallSite::stacks(take(context, KERNEL), take(context, USER));
        let kind = CallSite::kind(route, direction as u8, Known::Measured);
        add_own(kind, stacks, bytes);
    }
}

/// Adds a copy that is made for the owner of a slot, or for nobody (process 0), whoever
/// runs.
#[inline(always)]
pub fn copied_for(slot: *mut Slot, context: Context, route: u8, direction: Direction, bytes: u64) {
    if are_kept() {
        let stacks = CallSite::stacks(take(context, KERNEL), CallSite::NO_STACK);
        let kind = CallSite::kind(route, direction as u8, Known::Measured);
        // SAFETY: `slot` points into `SLOTS`.
        let tgid = unsafe { (*slot).ids >> 32 };
        add(tgid, kind, stacks, bytes);
    }
}

/// Adds copies that a system call which returns has made, if sites are kept; the direction
/// by position.
#[inline(always)]
pub fn returned(stacks: Stacks, known: Known, route: u8, direction: u8, bytes: u64) {
    add_own(CallSite::kind(route, direction, known), stacks.0, bytes);
}

#[inline(always)]
fn add_own(kind: u64, stacks: u64, bytes: u64) {
    add(bpf_get_current_pid_tgid() >> 32, kind, stacks, bytes);
}

/// Adds to a site. Verified by itself, not in each program that sees a copy.
#[inline(never)]
#[unsafe(export_name = "add_to_site")]
fn add(tgid: u64, kind: u64, stacks: u64, bytes: u64) -> u64 {
    let site = CallSite { tgid, stacks, kind };
    let mut weight = SITES.get_ptr_mut(site);
    if weight.is_none() {
        // Another CPU may make it meanwhile, or the map be full.
        let _ = SITES.insert(site, Weight { bytes: 0, copies: 0 }, u64::from(BPF_NOEXIST));
        weight = SITES.get_ptr_mut(site).or_else(|| SITES.get_ptr_mut(CallSite::OVERFLOW));
    }
    if let Some(weight) = weight {
        // SAFETY: `weight` points into `SITES`; the words are added to atomically.
        let (bytes_of, copies_of) =
            unsafe { (&raw mut (*weight).bytes, &raw mut (*weight).copies) };
        memory::add_long(bytes_of, bytes);
        memory::add_long(copies_of, 1);
    }
    0
}
