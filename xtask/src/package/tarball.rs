//! The tarball: the static program and what is needed to run it, the same bytes each time.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::epoch;
use crate::{cmd, ebpf::top};

/// What of the source goes along.
const SOURCES: &[&str] =
    &["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md", "deploy", "docs"];

/// Packs it of what was staged, and of the static program in `to`; its path.
pub(super) fn make(built: &Path, to: &Path) -> Result<PathBuf> {
    let name = format!("zc-{}-x86_64-linux", env!("CARGO_PKG_VERSION"));
    let folder = tempfile::tempdir_in(to)?;
    let root = folder.path().join(&name);
    fs::create_dir(&root)?;
    copy(&to.join("zc"), &root)?;
    copy(&built.join("zc.cdx.json"), &root)?;
    for part in ["man", "completions"] {
        copy(&built.join("pages").join(part), &root)?;
    }
    for source in SOURCES {
        copy(&top().join(source), &root)?;
    }
    let tar = folder.path().join(format!("{name}.tar"));
    pack(folder.path(), &name, &tar)?;
    let place = to.join(format!("{name}.tar.gz"));
    fs::rename(tar.with_extension("tar.gz"), &place)?;
    Ok(place)
}

/// Order, owners, times and modes do not depend on who packs, nor when.
fn pack(folder: &Path, name: &str, tar: &Path) -> Result<()> {
    let mut pack = Command::new("tar");
    pack.args(["--create", "--format=ustar", "--sort=name", "--owner=0", "--group=0"]);
    pack.args(["--numeric-owner", "--mode=go=rX,u+rw,a-s"]);
    pack.arg(format!("--mtime=@{}", epoch()?)).arg("--file").arg(tar);
    cmd::output(pack.arg("--directory").arg(folder).arg(name))?;
    cmd::output(Command::new("gzip").args(["-9", "--no-name"]).arg(tar)).map(drop)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copy = cmd::output(Command::new("cp").arg("--recursive").args([from, to]));
    copy.map(drop).with_context(|| format!("{} is not there", from.display()))
}
