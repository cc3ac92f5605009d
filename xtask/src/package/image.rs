//! The static program, which runs in an empty image.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{built, cmd, ebpf::top, run::target_dir};

/// Links zc once more, of the same objects and with the C library in it; its path. Only the
/// last step differs from the program that is tested.
pub(super) fn make(to: &Path) -> Result<PathBuf> {
    let mut link = Command::new("cargo");
    link.args(["rustc", "--quiet", "--locked", "--release", "-p", "zc-daemon", "--bin", "zc"]);
    cmd::run(link.args(["--", "-C", "target-feature=+crt-static"]).current_dir(top()))?;
    let release = target_dir().join("release");
    let made = built::stripped(&release.join("static"), &release.join("zc"))?;
    let place = to.join("zc");
    fs::copy(&made, &place).with_context(|| format!("cannot write {}", place.display()))?;
    // The one that others use is linked to the C library of this machine.
    built::programs()?;
    Ok(place)
}
