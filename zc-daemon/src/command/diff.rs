//! `zc diff`: what changed between two recordings.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, Result};

use super::report::read;
use crate::{
    cli::Diff,
    engine::difference::{Limits, series::Series},
    view::diff,
};

/// Compares two recordings.
///
/// # Errors
///
/// If one is none, or cannot be read.
pub fn run(flags: &Diff) -> Result<ExitCode> {
    let before = read(&flags.before, Series::of)?;
    let after = read(&flags.after, Series::of)?;
    let limits = Limits { least: flags.least, alpha: flags.alpha };
    let page = diff::of(&before, &after, limits);
    let text = if flags.json { serde_json::to_string_pretty(&page)? + "\n" } else { page.text() };
    io::stdout().write_all(text.as_bytes()).context("the difference cannot be written")?;
    Ok(match page.copies_more() {
        _ if !flags.fail_on_more => ExitCode::SUCCESS,
        Some(false) => ExitCode::SUCCESS,
        Some(true) => ExitCode::FAILURE,
        None => ExitCode::from(2),
    })
}
