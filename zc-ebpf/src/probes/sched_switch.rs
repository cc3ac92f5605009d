//! Context switches and page faults, as the kernel itself counts them; and whose
//! turn it is.
//!
//! The scheduler counts a switch before it calls the tracepoint
//! (`++*switch_count` in `__schedule`, 5.10 to 7.3), so the words read here
//! equal `/proc/PID/status`; a fault is counted in `mm_account_fault`, so they
//! equal `/proc/PID/stat` as of the thread's last switch.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

use crate::{task::Task, threads};

/// `TP_PROTO(bool preempt, struct task_struct *prev, struct task_struct *next,
/// unsigned int prev_state)`; the last since 5.18.
#[btf_tracepoint(function = "sched_switch")]
pub fn sched_switch(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: both arguments are typed `task_struct` pointers.
    let (prev, next) = unsafe { (Task::new(ctx.arg(1)), Task::new(ctx.arg(2))) };
    let cpu = threads::cpu();
    threads::leave(cpu, prev);
    threads::enter(cpu, next);
    0
}
