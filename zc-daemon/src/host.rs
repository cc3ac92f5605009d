//! The edge to the host: the only reader of `/proc` and `/sys`.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

/// How many thread ids there can be.
///
/// # Errors
///
/// If `/proc` is not mounted.
pub fn pid_max() -> Result<u32> {
    number("/proc/sys/kernel/pid_max")
}

/// How many threads there are now: the fourth field of `/proc/loadavg`.
///
/// # Errors
///
/// If `/proc` is not mounted.
pub fn threads() -> Result<u32> {
    let path = "/proc/loadavg";
    let text = read(path)?;
    text.split(['/', ' '])
        .nth(4)
        .and_then(|field| field.parse().ok())
        .with_context(|| format!("{path} does not say how many threads there are: {text:?}"))
}

/// The release of the running kernel.
#[must_use]
pub fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// The kernel's lockdown mode, if it has that feature and lets it be read.
#[must_use]
pub fn lockdown() -> Option<String> {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(mode, _)| mode.to_owned())
}

fn number(path: &str) -> Result<u32> {
    let text = read(path)?;
    text.trim().parse().with_context(|| format!("{path} holds no number: {text:?}"))
}

fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    fs::read_to_string(path)
        .with_context(|| format!("cannot read {}; zc needs /proc to be mounted", path.display()))
}
