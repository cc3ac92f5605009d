//! Calls on processes.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::time::Duration;

use super::value;

/// A child of this process.
#[derive(Clone, Copy)]
pub(in crate::workload) struct Child(libc::pid_t);

/// The identifier of this thread. Calls that want one of a process take it too, even where
/// the first thread has ended.
pub(in crate::workload) fn own_tid() -> libc::pid_t {
    // SAFETY: the call takes nothing and cannot fail.
    unsafe { libc::gettid() }
}

/// `fork(2)`: the child runs `then` and exits with 0, or with 1 if it failed.
///
/// This process must have one thread only.
pub(in crate::workload) fn fork(then: impl FnOnce() -> io::Result<()>) -> io::Result<Child> {
    // SAFETY: this process has one thread, so the child may do what its parent may.
    let pid = unsafe { libc::fork() };
    in_child(pid, then)
}

/// Like [`fork`], but the child shares this process's table of descriptors.
pub(in crate::workload) fn fork_sharing_descriptors(
    then: impl FnOnce() -> io::Result<()>,
) -> io::Result<Child> {
    let flags = libc::c_long::from(libc::CLONE_FILES | libc::SIGCHLD);
    let none: libc::c_long = 0;
    // SAFETY: without CLONE_VM the child has its own copy of the memory, and
    // without a stack it goes on with its copy of this one, as after a fork.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) };
    in_child(libc::pid_t::try_from(pid).map_err(io::Error::other)?, then)
}

/// Like [`fork`], but the child is killed when this process ends, and nobody need wait for it.
pub(in crate::workload) fn fork_tied(then: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let parent = own_tid();
    fork(|| {
        // SAFETY: the call takes no memory.
        value(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
        // SAFETY: the call takes nothing and cannot fail.
        let orphaned = unsafe { libc::getppid() } != parent;
        if orphaned { Err(io::ErrorKind::NotFound.into()) } else { then() }
    })
    .map(drop)
}

/// Like `vfork(2)`: the child shares this process's memory, which waits until the child has
/// exited; `then` runs on `stack`.
pub(in crate::workload) fn vfork(
    stack: &mut [u8],
    mut then: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<Child> {
    extern "C" fn run(then: *mut libc::c_void) -> libc::c_int {
        // SAFETY: it is what `vfork` passes on, whose caller waits meanwhile.
        let then = unsafe { &mut *then.cast::<&mut dyn FnMut() -> io::Result<()>>() };
        libc::c_int::from(then().is_err())
    }
    const ALIGNMENT: usize = 16;
    let end = stack.as_mut_ptr_range().end;
    let top = end.wrapping_sub(end.addr() % ALIGNMENT).cast();
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let argument = (&raw mut then).cast();
    // SAFETY: the child runs on a stack of its own, while this thread waits for its end;
    // this process has one thread only.
    value(unsafe { libc::clone(run, top, flags, argument) }).map(Child)
}

/// Ends this process at once.
pub(in crate::workload) fn end(code: libc::c_int) -> ! {
    // SAFETY: the call takes no memory; no destructor is run.
    unsafe { libc::_exit(code) }
}

/// Ends the running thread, and leaves its process to the others.
pub(in crate::workload) fn end_thread() -> ! {
    loop {
        // SAFETY: the call takes no memory. What the thread owns is left as it is.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
}

/// Runs `then` if `pid` says that this is the child.
fn in_child(pid: libc::pid_t, then: impl FnOnce() -> io::Result<()>) -> io::Result<Child> {
    if value(pid)? == 0 {
        let code = libc::c_int::from(then().is_err());
        // SAFETY: the call takes no memory; it ends the child without running
        // the destructors of what its parent owns.
        unsafe { libc::_exit(code) }
    }
    Ok(Child(pid))
}

impl Child {
    /// Waits for this child, which must exit with 0.
    pub(in crate::workload) fn wait(self) -> io::Result<()> {
        wait(self.0)
    }

    /// Kills this child wherever it is, and waits until it is gone.
    pub(in crate::workload) fn kill(self) -> io::Result<()> {
        // SAFETY: the child has not been waited for, so the number is still its own.
        value(unsafe { libc::kill(self.0, libc::SIGKILL) })?;
        // SAFETY: a null status is allowed.
        value(unsafe { libc::waitpid(self.0, ptr::null_mut(), 0) }).map(drop)
    }
}

/// Interrupts this process' calls by a signal again and again, which it survives.
pub(in crate::workload) fn interrupt_every(time: Duration) -> io::Result<()> {
    extern "C" fn survive(_: libc::c_int) {}
    let microseconds = libc::suseconds_t::from(time.subsec_micros().cast_signed());
    let each = libc::timeval { tv_sec: 0, tv_usec: microseconds };
    let timer = libc::itimerval { it_interval: each, it_value: each };
    // SAFETY: all zeroes is an action: an empty mask, and no flags, so that calls are not
    // restarted.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = survive as *const () as libc::sighandler_t;
    // SAFETY: the action is readable, and its handler does nothing.
    value(unsafe { libc::sigaction(libc::SIGALRM, &raw const action, ptr::null_mut()) })?;
    // SAFETY: the timer is readable.
    value(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) })
        .map(drop)
}

/// Waits for any child, which must exit with 0.
pub(in crate::workload) fn wait_for_any() -> io::Result<()> {
    wait(-1)
}

/// `wait4(2)`.
fn wait(pid: libc::pid_t) -> io::Result<()> {
    let mut status: libc::c_int = 0;
    // SAFETY: the status is writable.
    value(unsafe { libc::waitpid(pid, &raw mut status, 0) })?;
    if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 {
        Ok(())
    } else {
        Err(io::Error::other(format!("a child ended with wait status {status}")))
    }
}

/// `execve(2)` with this process's environment. Returns only if it failed.
pub(in crate::workload) fn exec(program: &OsStr, arguments: &[&OsStr]) -> io::Error {
    let strings: Result<Vec<_>, _> =
        [program].iter().chain(arguments).map(|string| CString::new(string.as_bytes())).collect();
    let Ok(strings) = strings else {
        return io::ErrorKind::InvalidInput.into();
    };
    let mut pointers: Vec<_> = strings.iter().map(|string| string.as_ptr()).collect();
    pointers.push(ptr::null());
    // SAFETY: the program and the arguments are strings that end in a zero
    // byte, and the array of arguments ends in a null pointer.
    unsafe { libc::execv(pointers[0], pointers.as_ptr()) };
    io::Error::last_os_error()
}

/// Gives this thread a network of its own, without interfaces but a loopback that is
/// down (`CLONE_NEWNET`). Sockets stay in the network they were made in.
pub(in crate::workload) fn leave_network() -> io::Result<()> {
    // SAFETY: no memory is passed, and only this thread changes its network.
    value(unsafe { libc::unshare(libc::CLONE_NEWNET) }).map(drop)
}

/// Enters the network of whose file this is (`setns(2)`).
pub(in crate::workload) fn enter_network(of: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open, and only this thread changes its network.
    value(unsafe { libc::setns(of.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// Becomes another user for good (`setuid(2)`).
pub(in crate::workload) fn become_user(uid: u32) -> io::Result<()> {
    // SAFETY: the call takes a number.
    value(unsafe { libc::setuid(uid) }).map(drop)
}

/// Sleeps once.
pub(in crate::workload) fn nap(time: Duration) -> io::Result<()> {
    let request = libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).map_err(io::Error::other)?,
        tv_nsec: time.subsec_nanos().into(),
    };
    // SAFETY: the request is readable, and a null remainder is allowed.
    value(unsafe { libc::nanosleep(&raw const request, ptr::null_mut()) }).map(drop)
}

/// How many times this process gave up the processor by itself.
pub(in crate::workload) fn voluntary_switches() -> io::Result<u64> {
    u64::try_from(usage(libc::RUSAGE_SELF)?.ru_nvcsw).map_err(io::Error::other)
}

/// How many times this process, and all those it has waited for with those that they have,
/// left the processor, as the kernel counts it.
pub(in crate::workload) fn switches_of_family() -> io::Result<u64> {
    let mut sum = 0;
    for whose in [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN] {
        let usage = usage(whose)?;
        sum += usage.ru_nvcsw + usage.ru_nivcsw;
    }
    u64::try_from(sum).map_err(io::Error::other)
}

/// `getrusage(2)`.
fn usage(whose: libc::c_int) -> io::Result<libc::rusage> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: `usage` has room for the answer.
    value(unsafe { libc::getrusage(whose, usage.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it filled `usage`.
    Ok(unsafe { usage.assume_init() })
}

/// Makes a write to a closed pipe or socket an error instead of a death.
pub(in crate::workload) fn ignore_broken_pipes() {
    // SAFETY: ignoring a signal runs no code of this process.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Keeps the allocator to one arena: to decide whether a thread gets its own,
/// some C libraries read the number of processors from a file.
pub(in crate::workload) fn keep_one_arena() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call takes two integers and sets a limit of the allocator.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1)
    };
}
