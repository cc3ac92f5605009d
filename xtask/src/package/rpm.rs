//! The RPM package, by rpmbuild; what is in it says `deploy/rpm/zc.spec`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::epoch;
use crate::{apt, cmd, ebpf::top};

/// Makes it of what was staged; its path.
pub(super) fn make(built: &Path, to: &Path) -> Result<PathBuf> {
    apt::ensure("for the .rpm", &["rpm"])?;
    let version = env!("CARGO_PKG_VERSION");
    let work = tempfile::tempdir()?;
    let mut rpm = Command::new("rpmbuild");
    rpm.args(["-bb", "--quiet", "--target", "x86_64"]).arg("deploy/rpm/zc.spec");
    let folders = [("_topdir", work.path()), ("built", built), ("top", top())];
    for (name, folder) in folders {
        rpm.arg("--define").arg(format!("{name} {}", folder.display()));
    }
    rpm.args(["--define", &format!("zc_version {version}")]);
    cmd::output(rpm.current_dir(top()).env("SOURCE_DATE_EPOCH", epoch()?))?;
    let name = format!("zc-{version}-1.x86_64.rpm");
    let place = to.join(&name);
    let made = work.path().join("RPMS/x86_64").join(name);
    fs::copy(&made, &place).with_context(|| format!("rpmbuild left no {}", made.display()))?;
    Ok(place)
}
