//! Builds zc and starts it.

use std::{os::unix::process::CommandExt as _, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{cmd, ebpf::top};

/// Becomes zc with `arguments`, or with `run` if there are none.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let zc = build()?;
    let mut command = as_root(&zc)?;
    if arguments.is_empty() {
        command.arg("run");
    }
    let error = command.args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", zc.display()))
}

/// Builds the release binary; its path.
pub(crate) fn build() -> Result<PathBuf> {
    eprintln!("xtask: building zc");
    cmd::run(
        Command::new("cargo")
            .args(["build", "--locked", "--release", "--package", "zc-daemon"])
            .current_dir(top()),
    )?;
    Ok(target_dir().join("release/zc"))
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| top().join("target"), PathBuf::from)
}

/// A program as root: as it is if we are, else through sudo.
pub(crate) fn as_root(program: &std::path::Path) -> Result<Command> {
    if cmd::is_root() {
        return Ok(Command::new(program));
    }
    if Command::new("sudo").arg("--version").output().is_err() {
        bail!(
            "zc attaches probes to the kernel, which takes root, and there is no sudo; start again as root"
        );
    }
    let mut sudo = Command::new("sudo");
    sudo.arg("--preserve-env=ZC_BIN,ZC_PREVIEW,RUST_BACKTRACE").arg(program);
    Ok(sudo)
}
