//! One file a probe; the daemon's table of hooks names the programs.

#[macro_use]
mod programs;

mod af_xdp;
mod bounce;
mod breakpoint;
mod calls;
mod cgroup_mkdir;
mod cow;
mod dax;
mod events;
mod fuse;
mod io_uring;
mod page_cache;
mod page_faults;
mod pipes;
mod process_vm;
mod reflink;
mod relays;
mod sched_process_exec;
mod sched_process_fork;
mod sched_switch;
mod socket_buffers;
mod sockets;
mod sys_exit;
mod task_rename;
mod usercopy;
mod zcrx;
mod zerocopy;
