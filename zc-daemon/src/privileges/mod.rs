//! Least privilege: once everything is attached, the daemon gives up what it does not need to
//! count and to serve.
//!
//! [`give_up_capabilities`] first, as threads inherit what their maker has; [`confine`] once
//! all threads are made; [`clerk`] is a process of its own that keeps what one call needs;
//! [`Realtime`] is taken before, for one thread.
//! `docs/privileges.md` says what an operator has to know.

mod calls;
pub mod clerk;
mod realtime;

use anyhow::{Context as _, Result};
use rustix::{
    io::Errno,
    process::{DumpableBehavior, set_dumpable_behavior},
    thread::{
        CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
        remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
    },
};

pub use calls::{Calls, confine};
pub use realtime::Realtime;

/// Gives up every capability but those of `kept` that this thread has, and with them the way
/// to gain any by starting a program; of this thread and of those that it makes from here on.
///
/// # Errors
///
/// If the kernel does not let go of one.
pub fn give_up_capabilities(kept: CapabilitySet) -> Result<()> {
    set_no_new_privs(true).context("cannot rule out new privileges (no_new_privs)")?;
    bound_to(kept).context("cannot shrink the bounding set of capabilities")?;
    match clear_ambient_capability_set() {
        // Kernels without ambient capabilities have none to give up.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(error).context("cannot give up ambient capabilities"),
    }
    let kept = kept & capabilities(None)?.permitted;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: none };
    set_capabilities(None, sets).context("cannot give up capabilities")?;
    // Else whoever runs as the same user could make this process do what it still may.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .context("cannot keep others from looking into this process")
}

/// Takes what is not kept out of the bounding set. That takes `CAP_SETPCAP`; who lacks it can
/// gain none of it either, as no program that is started adds privileges any more.
fn bound_to(kept: CapabilitySet) -> rustix::io::Result<()> {
    for number in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(one) {
            continue;
        }
        match remove_capability_from_bounding_set(one) {
            Ok(()) => {}
            // Beyond the last one that this kernel has.
            Err(Errno::INVAL | Errno::PERM) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Does something without any capability in effect, as a trial.
///
/// # Errors
///
/// If capabilities cannot be put out of effect, or back.
pub fn without_capabilities<T>(trial: impl FnOnce() -> T) -> Result<T> {
    let held = capabilities(None).context("cannot look at capabilities")?;
    let sets = |effective| CapabilitySets { effective, ..held };
    set_capabilities(None, sets(CapabilitySet::empty())).context("cannot do without them")?;
    let tried = trial();
    set_capabilities(None, sets(held.effective)).context("cannot take capabilities back")?;
    Ok(tried)
}

/// Whether this thread has a capability in effect.
#[must_use]
pub fn has(capability: CapabilitySet) -> bool {
    capabilities(None).is_ok_and(|held| held.effective.contains(capability))
}
