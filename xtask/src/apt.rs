//! Installs what a task needs from the host's package manager, and says so.

use crate::cmd;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Whether this process has renewed the package lists. The lock also keeps
/// two threads from installing at once.
static UPDATED: Mutex<bool> = Mutex::new(false);

/// Installs those of `packages` that the host lacks. `why` completes the
/// message: `xtask: installing strace by apt (for the VM tests)`.
pub(crate) fn ensure(why: &str, packages: &[&str]) -> Result<()> {
    let mut updated = UPDATED.lock().unwrap_or_else(PoisonError::into_inner);
    let missing = missing(packages)?;
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(", ");
    eprintln!("xtask: installing {names} by apt ({why})");
    renew(&mut updated)?;
    cmd::output(apt_get()?.args(["install", "-y", "--no-install-recommends"]).args(&missing))
        .with_context(|| {
            format!("{names} could not be installed ({why}); install by hand and start again")
        })?;
    Ok(())
}

/// Renews the package lists, if this process has not yet.
fn renew(updated: &mut bool) -> Result<()> {
    if !*updated {
        // One dead third-party source must not keep Debian's packages away.
        if let Err(error) = cmd::output(apt_get()?.arg("update")) {
            eprintln!("xtask: not every package list could be renewed, going on: {error:#}");
        }
        *updated = true;
    }
    Ok(())
}

/// Unpacks a package in `folder`, and installs nothing.
pub(crate) fn unpack(package: &str, folder: &Path) -> Result<()> {
    let download = || {
        cmd::output(Command::new("apt-get").args(["-qq", "download", package]).current_dir(folder))
    };
    // Mostly the lists will do as they are, and to renew them takes root.
    if download().is_err() {
        renew(&mut UPDATED.lock().unwrap_or_else(PoisonError::into_inner))?;
        download().with_context(|| format!("{package} could not be downloaded; try again"))?;
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "deb") {
            cmd::output(Command::new("dpkg-deb").arg("-x").args([path.as_path(), folder]))?;
        }
    }
    Ok(())
}

fn missing<'a>(packages: &[&'a str]) -> Result<Vec<&'a str>> {
    // It fails when it does not know one of them, yet prints the others.
    let known = Command::new("dpkg-query")
        .args(["--show", "--showformat=${Package} ${db:Status-Status}\\n"])
        .args(packages)
        .output()
        .with_context(|| {
            let names = packages.join(", ");
            format!("no dpkg-query here to look for {names}; this task needs Debian or Ubuntu")
        })?;
    let known = String::from_utf8_lossy(&known.stdout);
    let installed = |name: &str| known.lines().any(|line| line == format!("{name} installed"));
    Ok(packages.iter().copied().filter(|name| !installed(name)).collect())
}

/// `apt-get` with the rights to install and no questions asked.
fn apt_get() -> Result<Command> {
    let mut command = if cmd::is_root() {
        Command::new("env")
    } else if Command::new("sudo").arg("--version").output().is_ok() {
        let mut sudo = Command::new("sudo");
        sudo.arg("env");
        sudo
    } else {
        bail!("installing packages takes root, and there is no sudo; start again as root");
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o"]);
    command.arg("DPkg::Lock::Timeout=300");
    Ok(command)
}
