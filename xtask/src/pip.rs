//! Programs of PyPI that tests hold files against: pinned, each set in an environment of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use crate::{apt, cmd, vm::kernels::cache_dir};

/// Where a Python that has `packages` lies, each as `NAME==VERSION`; made first if it is not there.
/// `why` completes the message, as [`apt::ensure`]'s.
pub(crate) fn ensure(why: &str, packages: &[&str]) -> Result<PathBuf> {
    let sum = Sha256::digest(packages.join(" "));
    let name: String = sum.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let root = cache_dir()?.join(format!("python-{name}"));
    if root.join("complete").exists() {
        return Ok(root);
    }
    apt::ensure(why, &["python3-venv"])?;
    eprintln!("xtask: installing {} by pip ({why})", packages.join(", "));
    make(&root, packages).with_context(|| {
        let names = packages.join(" ");
        format!("{names} could not be installed ({why}); start again")
    })?;
    Ok(root)
}

fn make(root: &Path, packages: &[&str]) -> Result<()> {
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    cmd::output(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(root))?;
    let mut pip = Command::new(root.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]);
    cmd::output(pip.args(packages))?;
    // Last, so that one that was broken off is made anew.
    Ok(fs::write(root.join("complete"), packages.join("\n"))?)
}
