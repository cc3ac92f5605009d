//! Each system call that is left to zc once it serves, and why.

use super::Calls;

/// Its name in the C library's headers, and its number.
pub(super) type Call = (&'static str, libc::c_long);

/// Calls that are left.
pub(super) struct Row {
    pub(super) calls: &'static [Call],
    /// If there are any, one of them must be met.
    pub(super) when: &'static [When],
    /// What for; docs/privileges.md shows it.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the page"))]
    pub(super) why: &'static str,
}

/// What an argument, counted from 0, must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    /// This.
    Is(u8, u64),
    /// Without any of these bits.
    Without(u8, u64),
    /// With all of these bits.
    With(u8, u64),
    /// This process' id.
    OwnId(u8),
}

macro_rules! calls {
    ($($name:ident)*) => { &[$((stringify!($name), libc::$name)),*] };
}

/// What ends the process: none of it is ever called by a daemon that serves, nor tried in vain
/// by a library.
pub(super) const ENDING: &[Call] = calls![
    SYS_execve SYS_execveat SYS_fork SYS_vfork SYS_ptrace SYS_process_vm_readv
    SYS_process_vm_writev SYS_init_module SYS_finit_module SYS_delete_module SYS_kexec_load
    SYS_kexec_file_load SYS_reboot SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_setns
    SYS_unshare SYS_perf_event_open SYS_userfaultfd SYS_io_uring_setup SYS_add_key
    SYS_request_key SYS_keyctl SYS_open_by_handle_at SYS_setuid SYS_setgid SYS_setreuid
    SYS_setregid SYS_setresuid SYS_setresgid SYS_setgroups SYS_capset
];

/// What is said to be unknown to this kernel: the structure of `clone3` is out of a filter's
/// sight, and C libraries go on with `clone`.
pub(super) const MISSING: &[Call] = calls![SYS_clone3];

/// Bits of the flags of `open` with which a file can be changed or made.
const WRITING: u64 =
    (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND) as u64;
const EXECUTABLE: u64 = libc::PROT_EXEC as u64;

/// Commands of `bpf(2)` (`enum bpf_cmd`, include/uapi/linux/bpf.h): `BPF_MAP_LOOKUP_ELEM`,
/// `BPF_MAP_UPDATE_ELEM`, `BPF_MAP_DELETE_ELEM`, `BPF_MAP_GET_NEXT_KEY` and
/// `BPF_OBJ_GET_INFO_BY_FD`.
const READING: &[When] =
    &[When::Is(0, 1), When::Is(0, 2), When::Is(0, 3), When::Is(0, 4), When::Is(0, 15)];
/// `BPF_ENABLE_STATS`.
const TIMING: &[When] = &[When::Is(0, 32)];

/// `PERF_EVENT_IOC_DISABLE` (include/uapi/linux/perf_event.h).
const DISABLE: u64 = 0x2401;
/// `PR_SET_VMA`, which names memory.
const NAME_MEMORY: u64 = 0x53_56_4d_41;

const RUNNING: Row = Row {
    calls: calls![
        SYS_brk SYS_munmap SYS_mremap SYS_madvise SYS_futex SYS_exit SYS_exit_group
        SYS_restart_syscall SYS_rt_sigreturn SYS_rt_sigaction SYS_rt_sigprocmask SYS_sigaltstack
        SYS_getpid SYS_getppid SYS_gettid SYS_sched_yield SYS_clock_gettime SYS_clock_nanosleep
        SYS_nanosleep SYS_getrandom SYS_getrusage SYS_times SYS_uname SYS_sysinfo
        SYS_sched_getaffinity SYS_getcpu SYS_membarrier SYS_rseq SYS_set_robust_list
        SYS_gettimeofday SYS_getuid SYS_geteuid SYS_getgid SYS_getegid
    ],
    when: &[],
    why: "to have memory, threads, signals and the time",
};

const MAPPING: Row = Row {
    calls: calls![SYS_mmap SYS_mprotect],
    when: &[When::Without(2, EXECUTABLE)],
    why: "memory and maps of the kernel, but none that can be run",
};

const TALKING: Row = Row {
    calls: calls![SYS_read SYS_write SYS_readv SYS_writev SYS_close SYS_sendmsg SYS_recvmsg],
    when: &[],
    why: "what is open already",
};

const ABORTING: Row =
    Row { calls: calls![SYS_tgkill], when: &[When::OwnId(0)], why: "to end itself by a signal" };

/// What the serving daemon needs.
const SERVING: &[Row] = &[
    RUNNING,
    MAPPING,
    TALKING,
    ABORTING,
    Row {
        calls: calls![SYS_clone],
        when: &[When::With(0, libc::CLONE_THREAD as u64)],
        why: "threads, but no processes",
    },
    // By `MISSING` it is only ever said not to be there.
    Row { calls: calls![SYS_clone3], when: &[], why: "threads: it is said not to be known" },
    Row { calls: calls![SYS_bpf], when: READING, why: "to read and to empty maps" },
    Row {
        calls: calls![SYS_open],
        when: &[When::Without(1, WRITING)],
        why: "to read files of /proc and /sys/fs/cgroup, and its own configuration",
    },
    Row {
        calls: calls![SYS_openat],
        when: &[When::Without(2, WRITING)],
        why: "to read files of /proc and /sys/fs/cgroup, and its own configuration",
    },
    Row {
        calls: calls![
            SYS_stat SYS_fstat SYS_lstat SYS_newfstatat SYS_statx SYS_statfs SYS_fstatfs
            SYS_getdents64 SYS_readlink SYS_readlinkat SYS_access SYS_faccessat SYS_faccessat2
            SYS_lseek SYS_pread64 SYS_preadv SYS_getcwd SYS_fadvise64
        ],
        when: &[],
        why: "what goes with reading files",
    },
    Row {
        calls: calls![
            SYS_listen SYS_accept SYS_accept4 SYS_shutdown SYS_recvfrom SYS_sendto SYS_getsockname
            SYS_getpeername SYS_getsockopt SYS_setsockopt SYS_connect SYS_epoll_wait
            SYS_epoll_pwait SYS_epoll_pwait2 SYS_epoll_ctl SYS_poll SYS_ppoll
            SYS_timerfd_settime SYS_sendfile
        ],
        when: &[],
        why: "to serve, on the sockets that are there",
    },
    Row {
        calls: calls![SYS_socket SYS_socketpair],
        when: &[When::Is(0, libc::AF_UNIX as u64)],
        why: "to tell the service manager how it is",
    },
    Row {
        calls: calls![SYS_fcntl SYS_dup SYS_dup3 SYS_eventfd2 SYS_epoll_create1 SYS_pipe2],
        when: &[],
        why: "descriptors of its own",
    },
    Row {
        calls: calls![SYS_ioctl],
        when: &[When::Is(1, libc::FIONBIO), When::Is(1, DISABLE), When::Is(1, libc::TCGETS)],
        why: "to have a socket not block, to detach a kprobe, to know a terminal",
    },
    Row {
        calls: calls![SYS_prctl],
        when: &[When::Is(0, libc::PR_SET_NAME as u64), When::Is(0, NAME_MEMORY)],
        why: "to name a thread",
    },
    Row {
        calls: calls![SYS_prlimit64 SYS_getrlimit],
        when: &[When::Is(2, 0)],
        why: "to read limits, but not to set them",
    },
];

/// What its clerk needs.
const CLERK: &[Row] = &[
    RUNNING,
    MAPPING,
    TALKING,
    ABORTING,
    Row { calls: calls![SYS_bpf], when: TIMING, why: "to have the kernel time programs" },
];

/// The tables as a page shows them.
#[cfg(test)]
pub(super) fn markdown() -> String {
    use std::fmt::Write as _;

    let names = |calls: &[Call]| -> String {
        let name = |(name, _): &Call| format!("`{}`", name.trim_start_matches("SYS_"));
        calls.iter().map(name).collect::<Vec<_>>().join(" ")
    };
    let mut text = String::new();
    for (whose, rows) in [("The daemon", SERVING), ("The clerk", CLERK)] {
        let _ = writeln!(text, "| {whose}: what for | calls |\n|---|---|");
        for row in rows.iter().filter(|row| row.calls != MISSING) {
            let _ = writeln!(text, "| {} | {} |", row.why, names(row.calls));
        }
        text += "\n";
    }
    let _ = writeln!(text, "These end the process: {}.", names(ENDING));
    text
}

impl Calls {
    pub(super) const fn rows(self) -> &'static [Row] {
        match self {
            Self::Serving => SERVING,
            Self::Clerk => CLERK,
        }
    }
}
