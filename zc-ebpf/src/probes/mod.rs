//! One file a probe; the daemon's table of hooks names the programs.

mod io_uring;
mod sched_process_exec;
mod sched_switch;
mod sys_exit;
mod task_rename;
