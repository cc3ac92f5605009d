//! Copies between the memories of two processes: one, as the far pages are pinned.

use aya_ebpf::{macros::fexit, programs::FExitContext};

use crate::copies::{Way, of_user};

/// `ssize_t process_vm_rw(pid_t pid, const struct iovec __user *lvec, unsigned long
/// liovcnt, const struct iovec __user *rvec, unsigned long riovcnt, unsigned long flags,
/// int vm_write)` (mm/process_vm_access.c).
#[fexit(function = "process_vm_rw")]
pub fn process_vm_rw(ctx: FExitContext) -> i32 {
    let way = if ctx.arg::<i32>(6) == 0 { Way::Read } else { Way::Write };
    of_user(way, ctx.arg(7));
    0
}

/// `long __x64_sys_process_vm_readv(const struct pt_regs *regs)`: where a function of
/// seven arguments cannot be hooked (x86 before 6.6).
#[fexit(function = "__x64_sys_process_vm_readv")]
pub fn process_vm_readv(ctx: FExitContext) -> i32 {
    of_user(Way::Read, ctx.arg(1));
    0
}

/// `long __x64_sys_process_vm_writev(const struct pt_regs *regs)`: as above.
#[fexit(function = "__x64_sys_process_vm_writev")]
pub fn process_vm_writev(ctx: FExitContext) -> i32 {
    of_user(Way::Write, ctx.arg(1));
    0
}
