//! A process becomes another program.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use aya_log_ebpf::debug;

use crate::{task::Task, threads};

/// `TP_PROTO(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the first argument is a typed `task_struct` pointer.
    let task = unsafe { Task::new(ctx.arg(0)) };
    let old_pid: u32 = ctx.arg(1);
    threads::exec(task, old_pid);
    debug!(&ctx, "thread {} of process {} became another program", old_pid, task.tgid());
    0
}
