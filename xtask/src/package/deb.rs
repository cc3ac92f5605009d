//! The Debian package, by cargo-deb; what is in it says `zc-daemon/Cargo.toml`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use super::{epoch, stage, tools::DEB};
use crate::{cmd, ebpf::top};

/// Makes it of what was built, of this version or of the workspace's; its path.
pub(super) fn make(built: &Path, to: &Path, version: Option<&str>) -> Result<PathBuf> {
    stage(built, to)?;
    let mut deb = Command::new(DEB.path()?);
    deb.args(["deb", "--quiet", "--locked", "--no-build", "--package", "zc-daemon", "--output"]);
    deb.arg(to).current_dir(top()).env("SOURCE_DATE_EPOCH", epoch()?);
    if let Some(version) = version {
        deb.args(["--deb-version", version]);
    }
    let said = String::from_utf8(cmd::output(&mut deb)?)?;
    Ok(PathBuf::from(said.trim()))
}
