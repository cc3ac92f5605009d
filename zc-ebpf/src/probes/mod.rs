//! One file a probe; the daemon's table of hooks names the programs.

mod breakpoint;
mod cow;
mod dax;
mod fuse;
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
mod zcrx;
mod zerocopy;
