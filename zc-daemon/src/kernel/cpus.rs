//! Every CPU, visited once.

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
