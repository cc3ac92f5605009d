//! A thread is made, of its maker's process or of one of its own.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

use crate::{task::Task, threads};

/// `TP_PROTO(struct task_struct *parent, struct task_struct *child)`: the first is the running
/// thread; the other is complete, and not yet woken (`kernel_clone`, 5.10 to 7.3).
#[btf_tracepoint(function = "sched_process_fork")]
pub fn sched_process_fork(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: both arguments are typed `task_struct` pointers.
    let (maker, child) = unsafe { (Task::new(ctx.arg(0)), Task::new(ctx.arg(1))) };
    threads::fork(maker, child);
    0
}
