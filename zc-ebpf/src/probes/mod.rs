//! One file a probe; the daemon's table of hooks names the programs.

#[macro_use]
mod programs;

mod breakpoint;
mod cow;
mod io_uring;
mod page_cache;
mod pipes;
mod process_vm;
mod reflink;
mod sched_process_exec;
mod sched_switch;
mod sockets;
mod sys_exit;
mod task_rename;
mod zerocopy;
