//! The system call table of x86-64: class and I/O shape of each number.
//!
//! Numbers from `arch/x86/entry/syscalls/syscall_64.tbl` (6.18); they never
//! change meaning. A number beyond the table, or without a row, is of class
//! [`Class::Other`].

use crate::flow::Route;

names! {
    /// What a system call is about: the label of `zc_syscalls_total`.
    Class {
        /// `read(2)` and its family.
        Read = "read",
        /// `write(2)` and its family.
        Write = "write",
        /// `recv(2)` and its family.
        Receive = "receive",
        /// `send(2)` and its family.
        Send = "send",
        /// `sendfile`, `splice` and the other movers.
        Move = "move",
        /// Sockets: all but send and receive.
        Socket = "socket",
        /// Waiting for descriptors.
        Poll = "poll",
        /// io_uring.
        IoUring = "io_uring",
        /// Linux AIO; the bytes it moves are not in `zc_transferred_bytes_total`.
        Aio = "aio",
        /// Opening, closing, duplicating, controlling descriptors.
        Descriptor = "descriptor",
        /// Files, directories and file systems.
        File = "file",
        /// Address spaces.
        Memory = "memory",
        /// Processes and threads.
        Process = "process",
        /// Signals.
        Signal = "signal",
        /// Futexes and System V semaphores.
        Lock = "lock",
        /// The scheduler.
        Schedule = "schedule",
        /// Clocks and timers.
        Time = "time",
        /// Message queues.
        Message = "message",
        /// Users, groups, capabilities.
        Identity = "identity",
        /// Everything else.
        Other = "other",
        /// Any call by a 32-bit program, whose numbers mean other things.
        Compat = "compat",
    }
}

names! {
    /// How a system call names what it moves: which arguments are descriptors,
    /// flags and lengths.
    Io {
        /// It moves nothing that zc counts.
        None = "none",
        /// (fd, ...) -> bytes.
        Read = "read",
        /// (fd, ...) -> bytes.
        Write = "write",
        /// (fd, buffer, length, flags, ...) -> bytes.
        Recvfrom = "recvfrom",
        /// (fd, msghdr, flags) -> bytes.
        Recvmsg = "recvmsg",
        /// (fd, mmsghdr array, count, flags, ...) -> messages.
        Recvmmsg = "recvmmsg",
        /// (fd, buffer, length, flags, ...) -> bytes.
        Sendto = "sendto",
        /// (fd, msghdr, flags) -> bytes.
        Sendmsg = "sendmsg",
        /// (fd, mmsghdr array, count, flags) -> messages.
        Sendmmsg = "sendmmsg",
        /// (out, in, offset, count) -> bytes.
        Sendfile = "sendfile",
        /// (in, offset, out, offset, length, flags) -> bytes.
        Splice = "splice",
        /// (fd, iovec array, count, flags) -> bytes.
        Vmsplice = "vmsplice",
        /// (in, out, length, flags) -> bytes.
        Tee = "tee",
        /// (in, offset, out, offset, length, flags) -> bytes.
        CopyFileRange = "copy_file_range",
        /// (address, length, protection, flags, fd, offset) -> address.
        Mmap = "mmap",
        /// (pid, ...) -> bytes.
        ProcessVmRead = "process_vm_readv",
        /// (pid, ...) -> bytes.
        ProcessVmWrite = "process_vm_writev",
        /// Returns twice; only the parent made a call.
        Fork = "fork",
    }
}

/// How many numbers the tables hold: a power of two, so that a mask bounds an
/// index.
pub const NUMBERS: usize = 512;

/// One system call.
#[derive(Clone, Copy, Debug)]
pub struct Syscall {
    /// Its number.
    pub number: usize,
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub class: Class,
    /// What it moves.
    pub io: Io,
}

macro_rules! io {
    () => {
        Io::None
    };
    ($io:ident) => {
        Io::$io
    };
}

/// One block a class: `number name [=> I/O shape],`.
macro_rules! syscalls {
    ($($class:ident { $($number:literal $name:ident $(=> $io:ident)?,)+ })+) => {
        /// THE table of system calls.
        pub const SYSCALLS: &[Syscall] = &[$($(Syscall {
            number: $number, name: stringify!($name), class: Class::$class, io: io!($($io)?),
        },)+)+];
    };
}

syscalls! {
    Read {
        0 read => Read, 17 pread64 => Read, 19 readv => Read, 295 preadv => Read,
        327 preadv2 => Read,
    }
    Write {
        1 write => Write, 18 pwrite64 => Write, 20 writev => Write, 296 pwritev => Write,
        328 pwritev2 => Write,
    }
    Receive {
        45 recvfrom => Recvfrom, 47 recvmsg => Recvmsg, 299 recvmmsg => Recvmmsg,
    }
    Send {
        44 sendto => Sendto, 46 sendmsg => Sendmsg, 307 sendmmsg => Sendmmsg,
    }
    Move {
        40 sendfile => Sendfile, 275 splice => Splice, 276 tee => Tee, 278 vmsplice => Vmsplice,
        310 process_vm_readv => ProcessVmRead, 311 process_vm_writev => ProcessVmWrite,
        326 copy_file_range => CopyFileRange,
    }
    Socket {
        41 socket, 42 connect, 43 accept, 48 shutdown, 49 bind, 50 listen, 51 getsockname,
        52 getpeername, 53 socketpair, 54 setsockopt, 55 getsockopt, 288 accept4,
    }
    Poll {
        7 poll, 23 select, 213 epoll_create, 214 epoll_ctl_old, 215 epoll_wait_old,
        232 epoll_wait, 233 epoll_ctl, 270 pselect6, 271 ppoll, 281 epoll_pwait, 282 signalfd,
        284 eventfd, 289 signalfd4, 290 eventfd2, 291 epoll_create1, 441 epoll_pwait2,
    }
    IoUring {
        425 io_uring_setup, 426 io_uring_enter, 427 io_uring_register,
    }
    Aio {
        206 io_setup, 207 io_destroy, 208 io_getevents, 209 io_submit, 210 io_cancel,
        333 io_pgetevents,
    }
    Descriptor {
        2 open, 3 close, 8 lseek, 16 ioctl, 22 pipe, 32 dup, 33 dup2, 72 fcntl, 85 creat,
        257 openat, 292 dup3, 293 pipe2, 303 name_to_handle_at, 304 open_by_handle_at,
        319 memfd_create, 436 close_range, 437 openat2, 438 pidfd_getfd, 447 memfd_secret,
    }
    File {
        4 stat, 5 fstat, 6 lstat, 21 access, 73 flock, 74 fsync, 75 fdatasync, 76 truncate,
        77 ftruncate, 78 getdents, 79 getcwd, 80 chdir, 81 fchdir, 82 rename, 83 mkdir, 84 rmdir,
        86 link, 87 unlink, 88 symlink, 89 readlink, 90 chmod, 91 fchmod, 92 chown, 93 fchown,
        94 lchown, 95 umask, 132 utime, 133 mknod, 136 ustat, 137 statfs, 138 fstatfs, 139 sysfs,
        155 pivot_root, 161 chroot, 162 sync, 165 mount, 166 umount2, 167 swapon, 168 swapoff,
        179 quotactl, 187 readahead, 188 setxattr, 189 lsetxattr, 190 fsetxattr, 191 getxattr,
        192 lgetxattr, 193 fgetxattr, 194 listxattr, 195 llistxattr, 196 flistxattr,
        197 removexattr, 198 lremovexattr, 199 fremovexattr, 217 getdents64, 221 fadvise64,
        235 utimes, 253 inotify_init, 254 inotify_add_watch, 255 inotify_rm_watch, 258 mkdirat,
        259 mknodat, 260 fchownat, 261 futimesat, 262 newfstatat, 263 unlinkat, 264 renameat,
        265 linkat, 266 symlinkat, 267 readlinkat, 268 fchmodat, 269 faccessat,
        277 sync_file_range, 280 utimensat, 285 fallocate, 294 inotify_init1, 300 fanotify_init,
        301 fanotify_mark, 306 syncfs, 316 renameat2, 332 statx, 428 open_tree, 429 move_mount,
        430 fsopen, 431 fsconfig, 432 fsmount, 433 fspick, 439 faccessat2, 442 mount_setattr,
        443 quotactl_fd, 451 cachestat, 452 fchmodat2, 457 statmount, 458 listmount,
        463 setxattrat, 464 getxattrat, 465 listxattrat, 466 removexattrat, 467 open_tree_attr,
        468 file_getattr, 469 file_setattr,
    }
    Memory {
        9 mmap => Mmap, 10 mprotect, 11 munmap, 12 brk, 25 mremap, 26 msync, 27 mincore,
        28 madvise, 29 shmget, 30 shmat, 31 shmctl, 67 shmdt, 149 mlock, 150 munlock,
        151 mlockall, 152 munlockall, 216 remap_file_pages, 237 mbind, 238 set_mempolicy,
        239 get_mempolicy, 256 migrate_pages, 279 move_pages, 323 userfaultfd, 324 membarrier,
        325 mlock2, 329 pkey_mprotect, 330 pkey_alloc, 331 pkey_free, 440 process_madvise,
        448 process_mrelease, 450 set_mempolicy_home_node, 453 map_shadow_stack, 462 mseal,
    }
    Process {
        39 getpid, 56 clone => Fork, 57 fork => Fork, 58 vfork => Fork, 59 execve, 60 exit,
        61 wait4, 97 getrlimit, 98 getrusage, 101 ptrace, 109 setpgid, 110 getppid, 111 getpgrp,
        112 setsid, 121 getpgid, 124 getsid, 135 personality, 140 getpriority, 141 setpriority,
        157 prctl, 158 arch_prctl, 160 setrlimit, 163 acct, 186 gettid, 218 set_tid_address,
        231 exit_group, 247 waitid, 272 unshare, 273 set_robust_list, 274 get_robust_list,
        302 prlimit64, 308 setns, 312 kcmp, 317 seccomp, 322 execveat, 334 rseq, 434 pidfd_open,
        435 clone3 => Fork,
    }
    Signal {
        13 rt_sigaction, 14 rt_sigprocmask, 15 rt_sigreturn, 34 pause, 62 kill, 127 rt_sigpending,
        128 rt_sigtimedwait, 129 rt_sigqueueinfo, 130 rt_sigsuspend, 131 sigaltstack, 200 tkill,
        219 restart_syscall, 234 tgkill, 297 rt_tgsigqueueinfo, 424 pidfd_send_signal,
    }
    Lock {
        64 semget, 65 semop, 66 semctl, 202 futex, 220 semtimedop, 449 futex_waitv,
        454 futex_wake, 455 futex_wait, 456 futex_requeue,
    }
    Schedule {
        24 sched_yield, 142 sched_setparam, 143 sched_getparam, 144 sched_setscheduler,
        145 sched_getscheduler, 146 sched_get_priority_max, 147 sched_get_priority_min,
        148 sched_rr_get_interval, 203 sched_setaffinity, 204 sched_getaffinity, 251 ioprio_set,
        252 ioprio_get, 309 getcpu, 314 sched_setattr, 315 sched_getattr,
    }
    Time {
        35 nanosleep, 36 getitimer, 37 alarm, 38 setitimer, 96 gettimeofday, 100 times,
        159 adjtimex, 164 settimeofday, 201 time, 222 timer_create, 223 timer_settime,
        224 timer_gettime, 225 timer_getoverrun, 226 timer_delete, 227 clock_settime,
        228 clock_gettime, 229 clock_getres, 230 clock_nanosleep, 283 timerfd_create,
        286 timerfd_settime, 287 timerfd_gettime, 305 clock_adjtime,
    }
    Message {
        68 msgget, 69 msgsnd, 70 msgrcv, 71 msgctl, 240 mq_open, 241 mq_unlink, 242 mq_timedsend,
        243 mq_timedreceive, 244 mq_notify, 245 mq_getsetattr,
    }
    Identity {
        102 getuid, 104 getgid, 105 setuid, 106 setgid, 107 geteuid, 108 getegid, 113 setreuid,
        114 setregid, 115 getgroups, 116 setgroups, 117 setresuid, 118 getresuid, 119 setresgid,
        120 getresgid, 122 setfsuid, 123 setfsgid, 125 capget, 126 capset,
    }
    Other {
        63 uname, 99 sysinfo, 103 syslog, 134 uselib, 153 vhangup, 154 modify_ldt, 156 _sysctl,
        169 reboot, 170 sethostname, 171 setdomainname, 172 iopl, 173 ioperm, 174 create_module,
        175 init_module, 176 delete_module, 177 get_kernel_syms, 178 query_module, 180 nfsservctl,
        181 getpmsg, 182 putpmsg, 183 afs_syscall, 184 tuxcall, 185 security, 205 set_thread_area,
        211 get_thread_area, 212 lookup_dcookie, 236 vserver, 246 kexec_load, 248 add_key,
        249 request_key, 250 keyctl, 298 perf_event_open, 313 finit_module, 318 getrandom,
        320 kexec_file_load, 321 bpf, 444 landlock_create_ruleset, 445 landlock_add_rule,
        446 landlock_restrict_self, 459 lsm_get_self_attr, 460 lsm_set_self_attr,
        461 lsm_list_modules,
    }
}

/// The class of each number, as a position in [`Class::ALL`].
pub const CLASS_OF: [u8; NUMBERS] = {
    let mut classes = [Class::Other as u8; NUMBERS];
    let mut row = 0;
    while row < SYSCALLS.len() {
        classes[SYSCALLS[row].number] = SYSCALLS[row].class as u8;
        row += 1;
    }
    classes
};

impl Syscall {
    /// The route of what is copied while this call runs.
    #[must_use]
    pub const fn route(&self) -> Route {
        match (self.io, self.class) {
            (Io::Read, _) => Route::Read,
            (Io::Write, _) => Route::Write,
            (Io::Recvfrom | Io::Recvmsg | Io::Recvmmsg, _) => Route::Recv,
            (Io::Sendto | Io::Sendmsg | Io::Sendmmsg, _) => Route::Send,
            (Io::Sendfile, _) => Route::Sendfile,
            (Io::Splice, _) => Route::Splice,
            (Io::Vmsplice, _) => Route::Vmsplice,
            (Io::Tee, _) => Route::Tee,
            (Io::CopyFileRange, _) => Route::CopyFileRange,
            (Io::Mmap, _) => Route::Mmap,
            (Io::ProcessVmRead | Io::ProcessVmWrite, _) => Route::ProcessVm,
            (Io::None | Io::Fork, Class::IoUring) => Route::IoUring,
            (Io::None | Io::Fork, Class::Aio) => Route::Aio,
            (Io::None | Io::Fork, _) => Route::Other,
        }
    }
}

/// The route of each number, as a position in [`Route::ALL`].
pub const ROUTE_OF: [u8; NUMBERS] = {
    let mut routes = [Route::Other as u8; NUMBERS];
    let mut row = 0;
    while row < SYSCALLS.len() {
        routes[SYSCALLS[row].number] = SYSCALLS[row].route() as u8;
        row += 1;
    }
    routes
};

/// The I/O shape of each number, as a position in [`Io::ALL`].
pub const IO_OF: [u8; NUMBERS] = {
    let mut shapes = [Io::None as u8; NUMBERS];
    let mut row = 0;
    while row < SYSCALLS.len() {
        shapes[SYSCALLS[row].number] = SYSCALLS[row].io as u8;
        row += 1;
    }
    shapes
};
