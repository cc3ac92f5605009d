//! Copies between the memories of two processes: one, as the far pages are pinned.

use aya_ebpf::{macros::fexit, programs::FExitContext};

use crate::{
    call::{Call as _, Exit, Return},
    copies::{Way, of_user},
};

/// `ssize_t process_vm_rw(pid_t pid, const struct iovec __user *lvec, unsigned long
/// liovcnt, const struct iovec __user *rvec, unsigned long riovcnt, unsigned long flags,
/// int vm_write)` (mm/process_vm_access.c). The last one lies on the stack, where a kprobe
/// does not look.
#[fexit(function = "process_vm_rw")]
pub fn process_vm_rw(ctx: FExitContext) -> i32 {
    let call = Exit::new(ctx, 7);
    let way = if call.argument(6) as i32 == 0 { Way::Read } else { Way::Write };
    of_user(&call, way, call.returned() as i64);
    0
}

on_return! {
    /// `long __x64_sys_process_vm_readv(const struct pt_regs *regs)`: where a function of
    /// seven arguments cannot be hooked (x86 before 6.6; by kprobes).
    process_vm_readv(1) [] => read;

    /// `long __x64_sys_process_vm_writev(const struct pt_regs *regs)`: as above.
    process_vm_writev(1) [] => write;
}

#[inline(always)]
fn read(call: &impl Return) {
    of_user(call, Way::Read, call.returned() as i64);
}

#[inline(always)]
fn write(call: &impl Return) {
    of_user(call, Way::Write, call.returned() as i64);
}
