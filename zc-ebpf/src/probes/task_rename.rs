//! A thread changes its name; the tracepoint fires before it does.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

use crate::{task::Task, threads};

/// `TP_PROTO(struct task_struct *task, const char *comm)`.
#[btf_tracepoint(function = "task_rename")]
pub fn task_rename(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the first argument is a typed `task_struct` pointer.
    threads::rename(unsafe { Task::new(ctx.arg(0)) });
    0
}
