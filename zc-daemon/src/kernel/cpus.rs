//! Every CPU: which are up; each visited once.

use anyhow::{Context as _, Result};
use aya::util::online_cpus;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Runs for a moment on every CPU this process may use, so that each switches:
/// the thread that was running there is known from then on.
///
/// A CPU that cannot be visited (a cpuset) is left to switch by itself; what is
/// charged there before counts as lost, not as nothing.
pub(super) fn visit_each() {
    // On a thread of its own, as affinity is a thread's.
    let visits = std::thread::spawn(|| {
        let Ok(allowed) = sched_getaffinity(None) else { return };
        for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)) {
            let mut one = CpuSet::new();
            one.set(cpu);
            if let Err(error) = sched_setaffinity(None, &one) {
                tracing::debug!("cannot visit CPU {cpu}: {error}");
            }
        }
    });
    if visits.join().is_err() {
        tracing::debug!("the thread that visits every CPU panicked");
    }
}

/// The processors that are up.
pub(super) fn online() -> Result<Vec<u32>> {
    online_cpus().map_err(|(_, error)| error).context("cannot list the processors")
}
