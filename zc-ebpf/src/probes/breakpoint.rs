//! Calls of the kernel's very copy functions, at their first instruction: what `zc
//! audit` holds the ledger against. It shares no count with the ledger.
//!
//! They lie in the kernel's `lib/`, where no program can be hooked, but a hardware
//! breakpoint can be set. It is a fault: the registers still hold the arguments.

use aya_ebpf::{helpers::bpf_get_current_pid_tgid, macros::perf_event, programs::PerfEventContext};
use zc_common::audit::{Rule, Site};

use crate::{
    iter::{Iter, Memory},
    maps::WATCHED,
    memory,
};

/// The one program of all breakpoints: the address says which function was called.
#[perf_event]
pub fn breakpoint(ctx: PerfEventContext) -> u32 {
    let data = ctx.ctx;
    // SAFETY: the context is valid while the program runs; the verifier checks the load.
    let address = unsafe { (&raw const (*data).addr).read_volatile() };
    // Every process of the machine comes here, and all but the one have no entry.
    let site = Site { tgid: bpf_get_current_pid_tgid() >> 32, address };
    let Some(watch) = WATCHED.get_ptr_mut(site) else { return 0 };
    // SAFETY: the first words of an entry do not change once it is made.
    let (length, iterator, rule) = unsafe { ((*watch).length, (*watch).iterator, (*watch).rule) };
    let length = argument(&ctx, length);
    let Some(bytes) = copied(rule, length, argument(&ctx, iterator)) else { return 0 };
    // SAFETY: `watch` points into the map.
    let (calls, sum) = unsafe { (&raw mut (*watch).calls, &raw mut (*watch).bytes) };
    // Threads of a process are counted in one place, hence atomically.
    memory::add_long(calls, 1);
    memory::add_long(sum, bytes);
    0
}

/// An argument of the function, by position from 1; the first is never asked for.
#[inline(always)]
fn argument(ctx: &PerfEventContext, position: u64) -> u64 {
    // SAFETY: as above.
    let registers = unsafe { &raw const (*ctx.ctx).regs };
    // SAFETY: as above; all are loaded, as a load at a computed place is not allowed.
    let (second, third, fourth) = unsafe {
        (
            (&raw const (*registers).rsi).read_volatile(),
            (&raw const (*registers).rdx).read_volatile(),
            (&raw const (*registers).rcx).read_volatile(),
        )
    };
    match position {
        2 => second,
        3 => third,
        4 => fourth,
        _ => 0,
    }
}

/// How many bytes a call copies; none if it is no copy of its own.
#[inline(always)]
fn copied(rule: u64, length: u64, iterator: u64) -> Option<u64> {
    if rule == Rule::Asked as u64 {
        return Some(length);
    }
    let left = Iter::left_at(iterator);
    let memory = Iter::memory_at(iterator);
    if rule == Rule::User as u64 && memory != Memory::User {
        None
    } else if memory == Memory::None || (rule == Rule::Whole as u64 && left < length) {
        Some(0)
    } else {
        Some(length.min(left))
    }
}
