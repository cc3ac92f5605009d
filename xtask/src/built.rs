//! What is built to be tested, or to go into a guest.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{cmd, ebpf::top, run::target_dir};

/// The release binaries and the test programs.
pub(crate) struct Built {
    /// Where the binaries are.
    pub(crate) folder: PathBuf,
    /// Name and path of each test program.
    pub(crate) tests: Vec<(String, PathBuf)>,
}

impl Built {
    /// Builds all of it.
    pub(crate) fn new() -> Result<Self> {
        let folder = programs()?;
        let mut build = Command::new("cargo");
        build.args(["test", "--locked", "--release", "--no-run", "-p", "zc-tests", "--tests"]);
        build.args(["--message-format", "json-render-diagnostics"]).current_dir(top());
        let messages = String::from_utf8(cmd::output(&mut build)?)?;
        let tests: Vec<_> = messages.lines().filter_map(test_program).collect();
        ensure!(!tests.is_empty(), "cargo built no root tests");
        crate::programs::ensure(&folder)?;
        Ok(Self { folder, tests })
    }
}

/// Builds the binaries; their folder. For all that use them alike: built for less, their
/// dependencies would be others, and built again.
pub(crate) fn programs() -> Result<PathBuf> {
    eprintln!("xtask: building zc and what tests it");
    let mut build = Command::new("cargo");
    build.args(["build", "--locked", "--release", "--bins", "-p", "zc-daemon", "-p", "zc-tests"]);
    cmd::run(build.current_dir(top()))?;
    Ok(target_dir().join("release"))
}

/// Name and path of a test program, if a message of cargo's announces one.
fn test_program(message: &str) -> Option<(String, PathBuf)> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let target = &message["target"];
    let is_test = target["kind"].as_array()?.iter().any(|kind| kind == "test");
    let path = message["executable"].as_str().filter(|_| is_test)?;
    Some((target["name"].as_str()?.to_owned(), path.into()))
}

/// A program without what only a debugger reads, as guests keep all of theirs in memory.
pub(crate) fn stripped(folder: &Path, path: &Path) -> Result<PathBuf> {
    let folder = folder.join("stripped");
    fs::create_dir_all(&folder)?;
    let to = folder.join(path.file_name().context("a program without a name")?);
    cmd::output(Command::new("strip").arg("-o").arg(&to).arg(path))
        .context("strip is part of binutils, as the linker is")?;
    Ok(to)
}
