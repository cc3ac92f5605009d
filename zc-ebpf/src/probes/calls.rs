//! System calls that move bytes, each hooked by itself: the others cost nothing.
//!
//! A program is on the return of `long __x64_sys_NAME(const struct pt_regs *regs)`
//! (arch/x86/include/asm/syscall_wrapper.h, 5.10 to 7.3): the registers are those that
//! `sys_exit` shows, and nothing but a system call of a 64-bit program calls it.

use aya_ebpf::{EbpfContext as _, bindings::pt_regs, macros::fexit, programs::FExitContext};
use zc_common::{
    calls,
    flow::Route,
    hooked_calls,
    syscall::{Io, Syscall},
};

use super::sys_exit::{moved, settle};
use crate::{charge, frames, memory, task::Current, threads};

macro_rules! programs {
    ($($program:ident: $name:literal, $function:literal;)+) => {
        $(
            #[doc = concat!("The return of `", $name, "(2)`.")]
            #[fexit(function = $function)]
            pub fn $program(context: FExitContext) -> i32 {
                const CALL: &Syscall = calls::named($name);
                returned(&context, CALL.io, CALL.route() as u8 == Route::IoUring as u8);
                0
            }
        )+
    };
}

hooked_calls!(programs);

#[inline(always)]
fn returned(context: &FExitContext, io: Io, ring: bool) {
    let registers: *const pt_regs = context.arg(0);
    let returned = memory::word::<1>(context.as_ptr());
    let number = threads::number_of(Current::take());
    if let Some(slot) = threads::at(number) {
        frames::close(slot);
        if !charge::pending(slot, io as u8, returned) {
            let moved = moved(io as u8, registers, returned);
            settle(context.as_ptr(), number, slot, moved, || ring, returned == 0);
        }
    }
}
