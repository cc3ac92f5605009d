//! The cache of unpacked kernels: `CACHE/kernels/SERIES/`, with `vmlinux`,
//! `modules/` (uncompressed, in load order), `wanted` (the modules it was searched
//! for; a kernel searched for others is fetched again) and `release`.
//!
//! CACHE is `$ZC_CACHE`, else `$XDG_CACHE_HOME/zc`, else `~/.cache/zc`. A
//! directory is made aside and renamed into place, under a lock, so a series
//! that is there is complete. Nothing is fetched while it is.

use super::packages::Packages;
use super::{modules, vmlinux};
use crate::cmd;
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the names of working directories begin with.
const WORK: &str = ".fetch-";

/// A kernel ready to boot.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    /// As `uname -r` will say.
    pub(crate) release: String,
    /// The uncompressed ELF image.
    pub(super) vmlinux: PathBuf,
    /// A directory of modules named in load order.
    pub(super) modules: PathBuf,
}

/// The newest kernel of `series`: the cached one, unless there is none or
/// `refresh` asks for a look at the mirror. A refresh that fails falls back
/// on the cached kernel and says so.
pub(crate) fn ensure(series: &str, refresh: bool) -> Result<Kernel> {
    let root = cache_dir()?.join("kernels");
    let advice = || format!("{} cannot be used; set ZC_CACHE to another directory", root.display());
    fs::create_dir_all(&root).with_context(advice)?;
    let lock = File::create(root.join(".lock")).with_context(advice)?;
    lock.lock().with_context(advice)?;
    let cached = cached(&root.join(series));
    if !refresh && let Some(kernel) = cached {
        return Ok(kernel);
    }
    match (fetch(&root, series, cached.as_ref(), refresh), cached) {
        (Ok(()), _) => self::cached(&root.join(series))
            .with_context(|| format!("kernel {series} vanished from {}", root.display())),
        (Err(error), Some(kernel)) => {
            eprintln!("xtask: using the cached {}, for {error:#}", kernel.release);
            Ok(kernel)
        }
        (Err(error), None) => Err(error),
    }
}

/// Where xtask keeps what is dear to fetch, outside the clone.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    let var = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    var("ZC_CACHE")
        .or_else(|| var("XDG_CACHE_HOME").map(|dir| dir.join("zc")))
        .or_else(|| var("HOME").map(|dir| dir.join(".cache/zc")))
        .context("none of ZC_CACHE, XDG_CACHE_HOME and HOME is set; set ZC_CACHE to a directory")
}

fn cached(dir: &Path) -> Option<Kernel> {
    let wanted = fs::read_to_string(dir.join("wanted")).ok()?;
    if wanted != modules::WANTED.join(" ") {
        return None;
    }
    let release = fs::read_to_string(dir.join("release")).ok()?;
    let release = release.trim().to_owned();
    Some(Kernel { release, vmlinux: dir.join("vmlinux"), modules: dir.join("modules") })
}

/// Puts the newest kernel of `series` into `root`, unless `have` is that.
fn fetch(root: &Path, series: &str, have: Option<&Kernel>, refresh: bool) -> Result<()> {
    let packages = Packages::open(&root.join("apt"), refresh)?;
    let releases = packages.releases(series)?;
    if have.is_some_and(|kernel| releases.first() == Some(&kernel.release)) {
        return Ok(());
    }
    eprintln!("xtask: fetching the stock {series} kernel");
    clear(root)?;
    let work = tempfile::Builder::new().prefix(WORK).tempdir_in(root)?;
    let tree = work.path().join("tree");
    let release = packages.download(series, &releases, work.path())?;
    for entry in fs::read_dir(work.path())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            cmd::output(Command::new("dpkg-deb").arg("-x").args([&path, &tree]))?;
        }
    }
    let made = work.path().join("made");
    unpack(&tree, &release, &made)
        .with_context(|| format!("the packages of kernel {release} do not look as expected"))?;
    // A kernel that was there moves into `work`, and goes with it.
    let place = root.join(series);
    if place.exists() {
        fs::rename(&place, work.path().join("old"))?;
    }
    fs::rename(&made, &place).with_context(|| format!("{} is not writable", place.display()))
}

/// Removes what fetches that were killed have left; under the lock there is
/// no other.
fn clear(root: &Path) -> Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(WORK) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Makes a cache entry at `made` of the packages unpacked in `tree`.
fn unpack(tree: &Path, release: &str, made: &Path) -> Result<()> {
    let find = |places: [String; 3]| {
        let found = places.iter().map(|place| tree.join(place)).find(|path| path.exists());
        found.with_context(|| format!("none of {} is in them", places.join(", ")))
    };
    let image = find([
        format!("boot/vmlinuz-{release}"),
        format!("usr/lib/modules/{release}/vmlinuz"),
        format!("lib/modules/{release}/vmlinuz"),
    ])?;
    let drivers = find([
        format!("lib/modules/{release}/kernel"),
        format!("usr/lib/modules/{release}/kernel"),
        format!("lib/modules/{release}"),
    ])?;
    fs::create_dir_all(made.join("modules"))?;
    vmlinux::extract(&image, &made.join("vmlinux"))?;
    modules::collect(&drivers, &made.join("modules"))?;
    fs::write(made.join("wanted"), modules::WANTED.join(" "))?;
    Ok(fs::write(made.join("release"), release)?)
}
