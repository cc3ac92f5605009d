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
    task, threads,
    transfer::{self, Call},
};

#[unsafe(no_mangle)]
static CLASSES: [u8; NUMBERS] = CLASS_OF;
#[unsafe(no_mangle)]
static SHAPES: [u8; NUMBERS] = IO_OF;

/// `__USER32_CS` (`arch/x86/include/asm/segment.h`): a 32-bit program's code.
const COMPAT_SEGMENT: u64 = 0x23;
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
    if let Some(slot) = threads::running() {
        if u64::from(segment) == COMPAT_SEGMENT {
            charge::add(slot, Counter::syscalls(Class::Compat), 1);
            charge::lost(Lost::Compat);
        } else {
            // The kernel looks at the lower half only (`do_syscall_64`).
            count(ctx.as_ptr(), slot, number as u32, registers, returned);
        }
    }
    0
}

/// Charges a call by a 64-bit program.
#[inline(always)]
fn count(context: Context, slot: *mut Slot, number: u32, registers: *const pt_regs, returned: u64) {
    if number >= NUMBERS as u32 {
        charge::add(slot, Counter::syscalls(beyond(number)), 1);
        return;
    }
    let io = look_up(&SHAPES, number);
    // The child of a fork returns from a call that it did not make.
    if io == Io::Fork as u8 && returned == 0 {
        return;
    }
    charge::add(slot, Counter::syscall_at(look_up(&CLASSES, number) as usize), 1);
    frames::close(slot);
    let moved = moved(io, registers, returned);
    if moved.is_some() || charge::is_noted(slot) {
        let (flow, bytes) = moved.map_or((NO_FLOW, 0), |(flow, bytes)| (flow as u64, bytes));
        // What a ring's requests copy is told by their completions.
        let ring = copies::route_of(number) == Route::IoUring as u8;
        let stacks = Stacks::of_return(context, || charge::evidence(slot));
        settle(flow, bytes, ring, returned == 0, stacks.0);
    }
}

/// A position of no flow.
const NO_FLOW: u64 = POSITIONS as u64 - 1;

/// Charges what a call did that moved `bytes` by the flow at a position, or none. Verified
/// by itself: within the program it would be verified once for each way to get there,
/// which are too many. `quiet` if it succeeded and told of no bytes; `stacks` are those it
/// returns to.
#[inline(never)]
#[unsafe(export_name = "settle_call")]
fn settle(flow: u64, bytes: u64, ring: bool, quiet: bool, stacks: u64) -> u64 {
    let Some(slot) = threads::running() else { return 0 };
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
fn moved(io: u8, registers: *const pt_regs, returned: u64) -> Option<(Flow, u64)> {
    if io == Io::None as u8 || returned == 0 || returned >= FIRST_ERROR {
        return None;
    }
    // A 32-bit call by 64-bit code (int 0x80): the number meant another call.
    if task::is_in_compat_call() {
        charge::lost(Lost::Compat);
        return None;
    }
    transfer::decode(io, &Call::new(registers, returned))
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

/// Looks a number up. The read is volatile: a compiler that knew the table would
/// drop the bounds check that the verifier, who does not, asks for.
#[inline(always)]
fn look_up(table: &'static [u8; NUMBERS], number: u32) -> u8 {
    let row = &raw const table[number as usize & (NUMBERS - 1)];
    // SAFETY: the mask keeps `row` within the table.
    unsafe { row.read_volatile() }
}
