//! `cargo xtask package`: what a release is made of, all from the one release build.
//!
//! [`deb`] and [`rpm`] are described in `zc-daemon/Cargo.toml`; [`sbom`] lists what zc is linked of,
//! [`image`] makes the static program, [`tarball`] packs it with all that is needed to run it.

mod deb;
mod image;
mod judges;
mod pages;
mod rpm;
mod sbom;
mod tarball;
mod tools;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use clap::Args;
use sha2::{Digest as _, Sha256};

use crate::{apt, built, cmd, ebpf::top, run::target_dir};

/// Flags of `cargo xtask package`.
#[derive(Args)]
pub(crate) struct PackageFlags {
    /// Where to put them; made if it is not there [default: target/package].
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Make what the tests of packages look at instead, beside the programs.
    #[arg(long, conflicts_with = "to")]
    for_tests: bool,
}

/// What they are made by, besides pinned programs of crates.io.
const PACKAGES: &[&str] = &["binutils", "dpkg-dev", "gzip", "tar"];

/// Makes them, and says where they are.
pub(crate) fn run(flags: &PackageFlags) -> Result<()> {
    let to = flags.to.clone().unwrap_or_else(|| target_dir().join("package"));
    let built = built::programs()?;
    let made = if flags.for_tests { vec![for_tests(&built)?] } else { all(&built, &to)? };
    for path in made {
        eprintln!("xtask: made {}", path.display());
    }
    Ok(())
}

/// Makes what the tests of packages look at, in folders of one: a release, the same once more, and
/// a later version of the .deb; and installs what they are held against.
pub(crate) fn for_tests(built: &Path) -> Result<PathBuf> {
    eprintln!("xtask: making packages, twice");
    let folder = built.join("packages");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    all(built, &folder.join("first"))?;
    all(built, &folder.join("again"))?;
    let later = format!("{}-2", env!("CARGO_PKG_VERSION"));
    deb::make(built, &folder.join("later"), Some(&later))?;
    judges::ensure(&folder)?;
    Ok(folder)
}

/// Makes every file of a release of what was built; their paths.
fn all(built: &Path, to: &Path) -> Result<Vec<PathBuf>> {
    let mut made = vec![deb::make(built, to, None)?, rpm::make(built, to)?];
    made.push(to.join(sbom::NAME));
    fs::copy(built.join(sbom::NAME), to.join(sbom::NAME)).context("cannot copy the SBOM")?;
    made.push(image::make(to)?);
    made.push(tarball::make(built, to)?);
    made.push(sums(to, &made)?);
    Ok(made)
}

/// What all of them hold; left beside the programs, where cargo's tools look for it.
fn stage(built: &Path, to: &Path) -> Result<()> {
    apt::ensure("for packages", PACKAGES)?;
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    built::stripped(built, &built.join("zc"))?;
    pages::make(built)?;
    sbom::make(built)
}

/// The checksums of files, for `sha256sum --check`.
fn sums(to: &Path, made: &[PathBuf]) -> Result<PathBuf> {
    let mut text = String::new();
    for path in made {
        let name = path.file_name().context("a package without a name")?.to_string_lossy();
        let sum = Sha256::digest(fs::read(path)?);
        let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        text += &format!("{hex}  {name}\n");
    }
    let path = to.join("SHA256SUMS");
    fs::write(&path, text)?;
    Ok(path)
}

/// The time that is written into packages: of the last commit, unless `SOURCE_DATE_EPOCH` says
/// another, so that the same source makes the same bytes.
fn epoch() -> Result<String> {
    if let Ok(epoch) = env::var("SOURCE_DATE_EPOCH") {
        return Ok(epoch);
    }
    let mut log = Command::new("git");
    let said = cmd::output(log.args(["log", "-1", "--format=%ct"]).current_dir(top()));
    let said = said.context("without git set SOURCE_DATE_EPOCH to the time of the release")?;
    Ok(String::from_utf8(said)?.trim().to_owned())
}
