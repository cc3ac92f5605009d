//! Holds zc's parsers against hostile bytes (`zc-daemon/src/fuzz`).

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::{ebpf::top, run::target_dir};

/// Builds the targets, with the checks of a debug build, and runs them.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let keep = target_dir().join("fuzz");
    let status = Command::new("cargo")
        .args(["run", "--locked", "--quiet", "--package", "zc-daemon", "--features", "fuzz"])
        .args(["--bin", "zc-fuzz", "--", "--keep"])
        .arg(&keep)
        .args(arguments)
        .current_dir(top())
        .status()
        .context("cargo could not be started; is it installed and on the PATH?")?;
    ensure!(
        status.code().is_some_and(|code| code < 128),
        "an input ended the process, or never ended; it is the last in {}, whose files are named \
         as their targets: run it again by cargo xtask fuzz TARGET --input FILE",
        keep.display()
    );
    ensure!(status.success(), "a parser did not hold; how is said above");
    Ok(())
}
