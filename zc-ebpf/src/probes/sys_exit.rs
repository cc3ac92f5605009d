//! System calls that returned, and the bytes they moved.
//!
//! The exit alone is hooked: on x86-64 the registers still hold the number and
//! the arguments, so entering costs the traced nothing.

use aya_ebpf::{
    EbpfContext as _, bindings::pt_regs, macros::btf_tracepoint, programs::BtfTracePointContext,
};
use zc_common::{
    counter::Counter,
    flow::{Flow, Route, table::POSITIONS},
    slot::{Lost, Slot},
    syscall::{CLASS_OF, Class, IO_OF, Io, NUMBERS},
};

use crate::{
    charge, checked, copies, frames,
    sites::{Context, Stacks},
    task::Current,
    threads,
    transfer::{self, Call},
};

#[unsafe(no_mangle)]
static CLASSES: [u8; NUMBERS] = CLASS_OF;
#[unsafe(no_mangle)]
static SHAPES: [u8; NUMBERS] = IO_OF;

/// `__USER32_CS` (`arch/x86/include/asm/segment.h`): a 32-bit program's code.
pub(super) const COMPAT_SEGMENT: u64 = 0x23;
/// Results from here up are error numbers (`MAX_ERRNO`, `include/linux/err.h`).
const FIRST_ERROR: u64 = -4095_i64 as u64;

/// `TP_PROTO(struct pt_regs *regs, long ret)`.
#[btf_tracepoint(function = "sys_exit")]
pub fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    let registers: *const pt_regs = ctx.arg(0);
    let returned: u64 = ctx.arg(1);
    // SAFETY: a typed `pt_regs` pointer; the verifier checks the loads.
    let (number, segment) = unsafe {
        (
            (&raw const (*registers).orig_rax).read_volatile(),
            (&raw const (*registers).cs).cast::<u16>().read_volatile(),
        )
    };
    let slot_number = threads::number_of(Current::take());
    if let Some(slot) = threads::at(slot_number) {
        if u64::from(segment) == COMPAT_SEGMENT {
            charge::add(slot, Counter::syscalls(Class::Compat), 1);
            charge::lost(Lost::Compat);
        } else {
            // The kernel looks at the lower half only (`do_syscall_64`).
            count(ctx.as_ptr(), slot_number, slot, number as u32, registers, returned);
        }
    }
    0
}

/// Charges a call by a 64-bit program.
#[inline(always)]
fn count(
    context: Context,
    slot_number: u32,
    slot: *mut Slot,
    number: u32,
    registers: *const pt_regs,
    returned: u64,
) {
    if number >= NUMBERS as u32 {
        charge::add(slot, Counter::syscalls(beyond(number)), 1);
        return;
    }
    let io = shape(number);
    // The child of a fork returns from a call that it did not make.
    if io == Io::Fork as u8 && returned == 0 {
        return;
    }
    charge::add(slot, Counter::syscall_at(look_up(&CLASSES, number) as usize), 1);
    frames::close(slot);
    if charge::pending(slot, io, returned) {
        return;
    }
    // A 32-bit call by 64-bit code (int 0x80): the number meant another call.
    let compat = || {
        let compat = Current::take().is_in_compat_call();
        if compat {
            charge::lost(Lost::Compat);
        }
        compat
    };
    let moves = io != Io::None as u8 && succeeded(returned) && !compat();
    let moved = if moves { moved(io, registers, returned) } else { None };
    let ring = || copies::route_of(number) == Route::IoUring as u8;
    settle(context, slot_number, slot, moved, ring, returned == 0);
}

/// Charges what a call moved and what was noted during it, if anything. `ring` if the copies are told of
/// by the completions of its requests; `quiet` if it succeeded and told of no bytes.
#[inline(always)]
pub(super) fn settle(
    context: Context,
    number: u32,
    slot: *mut Slot,
    moved: Option<(Flow, u64)>,
    ring: impl FnOnce() -> bool,
    quiet: bool,
) {
    if moved.is_none() && !charge::is_noted(slot) {
        return;
    }
    let (flow, bytes) = moved.map_or((NO_FLOW, 0), |(flow, bytes)| (flow as u64, bytes));
    let stacks = Stacks::of_return(context, || charge::evidence(slot));
    let how = flow | if ring() { RING } else { 0 } | if quiet { QUIET } else { 0 };
    settle_noted(number.into(), how, bytes, stacks.0);
}

/// A position of no flow.
const NO_FLOW: u64 = POSITIONS as u64 - 1;
/// Set beside a flow, whose position is below: the parameters of `settle` of these names.
const RING: u64 = 0x100;
const QUIET: u64 = 0x200;

/// Charges what a call did that moved `bytes` by the flow at a position, or none. Verified
/// by itself: within the program it would be verified once for each way to get there,
/// which are too many. `stacks` are those it returns to.
#[inline(never)]
#[unsafe(export_name = "settle_call")]
fn settle_noted(number: u64, how: u64, bytes: u64, stacks: u64) -> u64 {
    let Some(slot) = threads::at(number as u32) else { return 0 };
    let (flow, ring, quiet) = (how & NO_FLOW, how & RING != 0, how & QUIET != 0);
    let mut evidence = charge::take_evidence(slot);
    let sizes = checked::take(slot);
    if evidence.is_nothing() && !ring && sizes[0] | sizes[1] != 0 {
        evidence.seen = checked::charge(slot, flow as u8, bytes, sizes, Stacks(stacks));
    }
    if flow != NO_FLOW {
        charge::call(slot, flow as u8, bytes, evidence, Stacks(stacks));
    } else if quiet && !ring {
        // A clone of a file (FICLONE) is an ioctl, whose result is no count.
        charge::add(slot, Counter::references(Route::Other), evidence.linked);
    }
    0
}

/// Which flow a call was, and its bytes; none if it moved nothing.
#[inline(always)]
pub(super) fn moved(io: u8, registers: *const pt_regs, returned: u64) -> Option<(Flow, u64)> {
    if succeeded(returned) { transfer::decode(io, &Call::new(registers, returned)) } else { None }
}

/// Whether a result is neither nothing nor an error.
#[inline(always)]
pub(super) fn succeeded(returned: u64) -> bool {
    returned != 0 && returned < FIRST_ERROR
}

/// The class of a number beyond the table.
#[inline(always)]
fn beyond(number: u32) -> Class {
    /// Set in the number of an x32 call (`arch/x86/include/uapi/asm/unistd.h`).
    const X32: u32 = 0x4000_0000;
    /// What the return from a signal handler leaves (`restore_sigcontext`), and a
    /// call that a tracer cancelled.
    const NONE: u32 = u32::MAX;
    if number == NONE {
        Class::Signal
    } else if number & X32 != 0 {
        charge::lost(Lost::Compat);
        Class::Compat
    } else {
        Class::Other
    }
}

/// The shape of a call below [`NUMBERS`]: an [`Io`].
#[inline(always)]
pub(super) fn shape(number: u32) -> u8 {
    look_up(&SHAPES, number)
}

/// Looks a number up. The read is volatile: a compiler that knew the table would
/// drop the bounds check that the verifier, who does not, asks for.
#[inline(always)]
fn look_up(table: &'static [u8; NUMBERS], number: u32) -> u8 {
    let row = &raw const table[number as usize & (NUMBERS - 1)];
    // SAFETY: the mask keeps `row` within the table.
    unsafe { row.read_volatile() }
}
