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

/// What zc can do without, and what for: docs/privileges.md shows it.
const OPTIONAL: &[(CapabilitySet, &str)] = &[
    (
        CapabilitySet::SYS_ADMIN,
        "CAP_SYS_ADMIN is not there: what zc itself takes is unknown, and a --budget cannot be \
         kept, unless the sysctl kernel.bpf_stats_enabled is 1",
    ),
    (
        CapabilitySet::DAC_READ_SEARCH,
        "CAP_DAC_READ_SEARCH is not there: pods have no names where only root may read the \
         folder of their logs",
    ),
];

/// A sentence for each capability that is not there and that zc could use.
///
/// # Errors
///
/// If the kernel does not tell.
pub fn missing() -> Result<Vec<&'static str>> {
    let held = capabilities(None)?.effective;
    let missing = OPTIONAL.iter().filter(|(capability, _)| !held.contains(*capability));
    Ok(missing.map(|(_, sentence)| *sentence).collect())
}
