//! Whether this process may load and attach.

use anyhow::{Result, bail};
use rustix::thread::{CapabilitySet, capabilities};

/// Checks for `CAP_BPF` and `CAP_PERFMON`, or `CAP_SYS_ADMIN` which implies them.
///
/// # Errors
///
/// One sentence that says what is missing and how to get it.
pub fn require() -> Result<()> {
    let held = capabilities(None)?.effective;
    let enough = CapabilitySet::BPF | CapabilitySet::PERFMON;
    if held.contains(CapabilitySet::SYS_ADMIN) || held.contains(enough) {
        return Ok(());
    }
    bail!(
        "zc needs root, or the capabilities CAP_BPF and CAP_PERFMON, to attach its probes; run it \
         with sudo"
    )
}
