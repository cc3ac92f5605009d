//! `zc report`: what is in a recording.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context as _, Result, anyhow};

use crate::{
    cli::{By, Report},
    engine::recording::sums::Sums,
    view::report,
};

/// Shows a recording.
///
/// # Errors
///
/// If it is none, or cannot be read.
pub fn run(flags: &Report) -> Result<ExitCode> {
    let sums = read(&flags.file, Sums::of)?;
    let page = report::of(&sums, flags.by == By::Process);
    let text = if flags.json { serde_json::to_string_pretty(&page)? + "\n" } else { page.text() };
    io::stdout().write_all(text.as_bytes()).context("the report cannot be written")?;
    Ok(ExitCode::SUCCESS)
}

/// A recording, as it is asked for.
pub(super) fn read<T>(path: &Path, of: impl FnOnce(&[u8]) -> Result<T, String>) -> Result<T> {
    let shown = path.display();
    let bytes = fs::read(path)
        .with_context(|| format!("{shown} cannot be read; zc record -o {shown} makes one"))?;
    of(&bytes).map_err(|why| anyhow!("{shown} {why}"))
}
