//! `zc verify`, run as a user would.

use std::{ffi::OsStr, process::Command};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{kernel, programs, watching::Ended};

/// What came of it.
#[derive(Debug)]
pub struct Verified {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it, or the command, printed.
    pub output: String,
    /// What it, or the command, said on standard error.
    pub log: String,
    /// The JSON report; null if there is none.
    pub report: Value,
}

/// What lets inferred copies pass where nothing can be measured.
#[must_use]
pub fn as_well_as_can_be() -> &'static [&'static str] {
    if kernel::hooks_functions() { &[] } else { &["--allow-inferred"] }
}

/// From 7.0 the kernel may skip a program while another run of it is preempted. Then zc says
/// what it missed and that it cannot tell, which says nothing of what is tested.
const ATTEMPTS: u32 = 12;

/// The first verdict during which nothing was missed, of as many.
///
/// # Errors
///
/// If it cannot be run.
pub fn complete(mut run: impl FnMut() -> Result<Verified>) -> Result<Verified> {
    let mut verified = run()?;
    for _ in 1..ATTEMPTS {
        if verified.report["lost"].as_u64().unwrap_or(0) == 0 {
            break;
        }
        verified = run()?;
    }
    Ok(verified)
}

/// Runs it to its end; again, if events were missed.
///
/// # Errors
///
/// If it cannot be started.
pub fn verify<A: AsRef<OsStr>>(arguments: &[A]) -> Result<Verified> {
    complete(|| once(arguments))
}

fn once<A: AsRef<OsStr>>(arguments: &[A]) -> Result<Verified> {
    let file = tempfile::NamedTempFile::new()?;
    let output = command()?
        .args(["--json", "--output"])
        .arg(file.path())
        .args(arguments)
        .output()
        .context("cannot start zc; is it built?")?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok(Verified {
        code: output.status.code(),
        output: text(&output.stdout),
        log: text(&output.stderr),
        report: serde_json::from_slice(&std::fs::read(file.path())?).unwrap_or_default(),
    })
}

/// `zc verify`, without arguments.
///
/// # Errors
///
/// If this test cannot tell where zc is.
pub fn command() -> Result<Command> {
    let mut command = Command::new(programs::folder()?.join("zc"));
    command.arg("verify").env_remove("GITHUB_ACTIONS");
    Ok(command)
}

impl From<Ended> for Verified {
    /// Of one that watched what ran already, with `--json`.
    fn from(ended: Ended) -> Self {
        let Ended { code, output, log } = ended;
        let report = serde_json::from_str(&output).unwrap_or_default();
        Self { code, output, log, report }
    }
}

impl Verified {
    /// The sum of a column of a table of the report, over rows with these values.
    #[must_use]
    pub fn sum(&self, table: &str, column: &str, values: &[(&str, &str)]) -> u64 {
        let rows = self.report[table].as_array().map_or(&[][..], Vec::as_slice);
        let fits = |row: &&Value| values.iter().all(|(key, value)| row[*key] == **value);
        rows.iter().filter(fits).filter_map(|row| row[column].as_u64()).sum()
    }
}
