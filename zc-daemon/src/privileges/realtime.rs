//! Running before others: where processes come and go by the thousand, the scheduler may leave
//! one thread that reads so little time that slots run out meanwhile.

use std::io;

use anyhow::{Context as _, Result};

/// The lowest real-time priority: before every thread that has none, after all that have more.
const PRIORITY: libc::c_int = 1;

/// This thread, and those that it makes until this is dropped, run before all threads without a
/// real-time policy.
#[derive(Debug)]
pub struct Realtime(());

impl Realtime {
    /// Begins it (`SCHED_RR`).
    ///
    /// # Errors
    ///
    /// If the kernel does not let it: that takes `CAP_SYS_NICE`, or an `RLIMIT_RTPRIO`; and
    /// `CONFIG_RT_GROUP_SCHED` gives most cgroups of version 1 no real-time at all.
    pub fn begin() -> Result<Self> {
        set(libc::SCHED_RR, PRIORITY).context(
            "zc cannot run in real time (--realtime); give it CAP_SYS_NICE, and in a cgroup of \
             version 1 a cpu.rt_runtime_us, or leave the flag out",
        )?;
        Ok(Self(()))
    }
}

impl Drop for Realtime {
    fn drop(&mut self) {
        // Nobody is refused to run after others.
        let _ = set(libc::SCHED_OTHER, 0);
    }
}

/// Sets the policy of this thread; not by a function of the C library, as musl has none.
fn set(policy: libc::c_int, priority: libc::c_int) -> io::Result<()> {
    // A `struct sched_param` of the kernel is that one number.
    let parameters = &raw const priority;
    // SAFETY: the call reads `parameters`, which outlives it.
    match unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
