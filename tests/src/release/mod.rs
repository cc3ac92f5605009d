//! What a release is made of, and where it is installed.

pub mod container;
mod copy;
pub mod fleet;
pub mod rule;
mod unit;
pub mod yaml;

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};
pub use copy::Copy;
pub use unit::Unit;

use crate::programs;

/// Where the packages to test are, in folders `first`, `again` and `later`: those that the suite
/// has made beside the programs.
///
/// # Errors
///
/// If they are not there.
pub fn packages() -> Result<PathBuf> {
    let folder = programs::folder()?.join("packages");
    ensure!(
        folder.join("later").is_dir(),
        "no packages in {}; make them by cargo xtask package --for-tests",
        folder.display()
    );
    Ok(folder)
}

/// The one file of a folder whose name ends so.
///
/// # Errors
///
/// If there is none, or several.
pub fn file(folder: &str, end: &str) -> Result<PathBuf> {
    let folder = packages()?.join(folder);
    let names = folder.read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut found =
        names.into_iter().filter(|path| path.to_str().is_some_and(|path| path.ends_with(end)));
    let path = found.next().with_context(|| format!("no {end} in {}", folder.display()))?;
    ensure!(found.next().is_none(), "several {end} in {}", folder.display());
    Ok(path)
}

/// A program that files are held against, of those of PyPI: Python with its schemas, a lint.
///
/// # Errors
///
/// As [`packages`].
pub fn judge(name: &str) -> Result<Command> {
    Ok(Command::new(packages()?.join("python/bin").join(name)))
}

/// Runs a command that is to succeed; what it printed.
///
/// # Errors
///
/// If it fails; what it said is in the error.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    Ok(text(&output.stdout))
}
