//! Call sites: bytes copied, by the stacks they were copied on. Dead code unless they are
//! kept ([`KEEP_SITES`]).
//!
//! What is charged to a tally is added to a site, too: where a stack cannot be taken, to one
//! without it, and where there is no room, to one that all such bytes share. Unless each copy
//! is kept, a few are drawn ([`sample`]), each charged with what it stands for: of the others no
//! stack is taken.

use core::ffi::c_void;

use aya_ebpf::{
    bindings::{BPF_F_USER_STACK, BPF_NOEXIST},
    helpers::{bpf_get_current_pid_tgid, generated::bpf_get_prandom_u32},
    programs::{RawTracePointContext, tracing::StackIdContext as _},
};
use zc_common::{
    flow::Direction,
    site::{CallSite, Known, Weight, sample},
    slot::Slot,
};

use crate::{
    charge::Evidence,
    maps::{MORE_STACKS, SITES, STACKS},
    memory,
    settings::{KEEP_SITES, SAMPLE_COPIES, SAMPLE_MASK, on},
};

/// What a program is run with, whatever its type.
pub type Context = *mut c_void;

/// Whether call sites are kept.
#[inline(always)]
pub fn are_kept() -> bool {
    on(&KEEP_SITES)
}

/// What a site is charged for a copy, of which so many units were drawn.
#[inline(always)]
fn weight(bytes: u64, drawn: u64) -> (u64, u64) {
    if on(&SAMPLE_COPIES) { (bytes * drawn, drawn) } else { (drawn, 1) }
}

/// How many units of a copy are drawn. Like what follows, it is verified by itself, not on each
/// way that leads to a copy.
#[inline(never)]
#[unsafe(export_name = "draw_copy")]
fn draw(bytes: u64) -> u64 {
    let units = if on(&SAMPLE_COPIES) { 1 } else { bytes };
    sample(units, SAMPLE_MASK.load(), random())
}

/// What is drawn by.
#[inline(always)]
fn random() -> u32 {
    // SAFETY: it takes nothing, and returns a number.
    if on(&SAMPLE_MASK) { unsafe { bpf_get_prandom_u32() } } else { 0 }
}

/// Two stacks, as [`CallSite::stacks`] has them.
#[derive(Clone, Copy)]
pub struct Stacks(pub u64);

impl Stacks {
    /// The running thread's, where its system call returns, if they will be needed: the
    /// kernel's tells nothing, and what was seen stands at a site of its own. It is taken of each
    /// such call, drawn or not: to draw first would have older kernels (5.10) verify this once
    /// more on each way that leads here, which are too many.
    #[inline(always)]
    pub fn of_return(context: Context, evidence: impl FnOnce() -> Evidence) -> Self {
        let needed = are_kept() && evidence().is_nothing();
        let user = if needed { take(context, USER) } else { CallSite::NO_STACK };
        Self(CallSite::stacks(CallSite::NO_STACK, user))
    }
}

const USER: u64 = BPF_F_USER_STACK as u64;
const KERNEL: u64 = 0;

/// The running thread's, as it came into the kernel.
#[inline(always)]
pub fn user_stack(context: Context) -> u32 {
    take(context, USER)
}

/// The number of one stack.
#[inline(always)]
fn take(context: Context, which: u64) -> u32 {
    take_or(context, which, CallSite::LOST_STACK)
}

/// What the kernel answers where there is no frame to be had.
const EFAULT: i32 = -14;

/// The number of one stack, or what stands for one without a frame.
#[inline(always)]
fn take_or(context: Context, which: u64, frameless: u32) -> u32 {
    // The kernel asks for a context of the program's own type, which this is.
    let context = RawTracePointContext::new(context);
    match context.get_stackid(&STACKS, which) {
        Ok(number) => return number as u32,
        Err(EFAULT) => return frameless,
        Err(_) => {}
    }
    let taken = context.get_stackid(&MORE_STACKS, which);
    taken.map_or(CallSite::LOST_STACK, |number| number as u32 | CallSite::IN_MORE_STACKS)
}

/// Adds a copy that the running thread makes, and is seen to make.
#[inline(always)]
pub fn copied(context: Context, route: u8, direction: Direction, bytes: u64) {
    if !are_kept() {
        return;
    }
    let drawn = draw(bytes);
    if drawn != 0 {
        let stacks = CallSite::stacks(take(context, KERNEL), take(context, USER));
        let kind = CallSite::kind(route, direction as u8, Known::Measured);
        add(own(), kind, stacks, bytes, drawn);
    }
}

/// Adds a copy that is made for the owner of a slot, or for nobody (process 0), whoever
/// runs.
#[inline(always)]
pub fn copied_for(slot: *mut Slot, context: Context, route: u8, direction: Direction, bytes: u64) {
    if !are_kept() {
        return;
    }
    let drawn = draw(bytes);
    if drawn != 0 {
        let stacks = CallSite::stacks(take(context, KERNEL), CallSite::NO_STACK);
        let kind = CallSite::kind(route, direction as u8, Known::Measured);
        // SAFETY: `slot` points into `SLOTS`.
        let tgid = unsafe { (*slot).ids >> 32 };
        add(tgid, kind, stacks, bytes, drawn);
    }
}

/// Adds copies that a system call which returns has made, if sites are kept; the direction
/// by position.
#[inline(always)]
pub fn returned(stacks: Stacks, known: Known, route: u8, direction: u8, bytes: u64) {
    add_returned(CallSite::kind(route, direction, known), stacks.0, bytes);
}

#[inline(never)]
#[unsafe(export_name = "add_returned")]
fn add_returned(kind: u64, stacks: u64, bytes: u64) -> u64 {
    let drawn = draw(bytes);
    if drawn != 0 {
        add(own(), kind, stacks, bytes, drawn);
    }
    0
}

/// Adds what happens to the running thread, a context switch or a page fault. Where that is not in
/// the kernel its part of the stack has no frame; nor has the process' of a kernel thread. Idle
/// threads are nobody.
#[inline(always)]
pub fn happened(context: Context) {
    let tgid = own();
    if tgid == 0 {
        return;
    }
    let drawn = draw(1);
    if drawn != 0 {
        let part = |which| take_or(context, which, CallSite::NO_STACK);
        add(tgid, CallSite::EVENT, CallSite::stacks(part(KERNEL), part(USER)), 0, drawn);
    }
}

/// The running process.
#[inline(always)]
fn own() -> u64 {
    bpf_get_current_pid_tgid() >> 32
}

/// Adds a copy of which so many units were drawn to a site. Verified by itself, not in each
/// program that sees a copy.
#[inline(never)]
#[unsafe(export_name = "add_to_site")]
fn add(tgid: u64, kind: u64, stacks: u64, bytes: u64, drawn: u64) -> u64 {
    let (bytes, copies) = weight(bytes, drawn);
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
        memory::add_long(copies_of, copies);
    }
    0
}
