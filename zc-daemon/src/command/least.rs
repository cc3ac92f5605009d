//! From all that attaching took to what serving takes.

use anyhow::{Context as _, Result};
use rustix::thread::CapabilitySet;

use crate::{
    host,
    kernel::{
        loader::Kernel,
        meter::{self, Start},
    },
    privileges::{self, Calls, clerk::Clerk},
};

/// Gives up every capability that reading does not take; how the kernel is had to time programs
/// from here on. Nothing can be attached after that. `last` still has them: of what it sets, the
/// clerk inherits nothing.
///
/// # Errors
///
/// If the kernel does not let go of one, or `last` fails.
pub(super) fn give_up<T>(
    kernel: &mut Kernel,
    last: impl FnOnce() -> Result<T>,
) -> Result<(Start, T)> {
    const NEXT: &str = "zc cannot run with less; --no-sandbox has it keep all";
    kernel.open_links()?;
    kernel.close_maps();
    let start = timing()?;
    let kept = needed_to_read(kernel)?;
    let set = last()?;
    privileges::give_up_capabilities(kept).context(NEXT)?;
    if kept.is_empty() {
        tracing::info!("zc has attached what it can, and holds no capability from here on");
    } else {
        tracing::warn!(
            "this kernel lets nobody read maps without CAP_BPF (before 5.19, with \
             kernel.unprivileged_bpf_disabled), which zc therefore keeps; it holds no other \
             capability from here on"
        );
    }
    Ok((start, set))
}

/// Leaves every thread that there is the system calls alone that serving takes.
///
/// # Errors
///
/// If the kernel does not.
pub(super) fn confine() -> Result<()> {
    privileges::confine(Calls::Serving)
        .context("zc cannot run confined; --no-sandbox has it run as it is")
}

/// Which capability reading maps takes here: it is tried.
fn needed_to_read(kernel: &Kernel) -> Result<CapabilitySet> {
    if privileges::without_capabilities(|| kernel.lost())?.is_ok() {
        return Ok(CapabilitySet::empty());
    }
    let bpf = CapabilitySet::BPF;
    Ok(if privileges::has(bpf) { bpf } else { CapabilitySet::SYS_ADMIN })
}

/// How the kernel is had to time programs by one that holds no capability.
pub(super) fn timing() -> Result<Start> {
    if host::times_programs() {
        return Ok(Box::new(|| Ok(None)));
    }
    if !privileges::has(CapabilitySet::SYS_ADMIN) {
        return Ok(meter::asking());
    }
    let clerk = Clerk::start()?;
    Ok(Box::new(move || clerk.time().map(Some).context("the kernel does not time programs")))
}
