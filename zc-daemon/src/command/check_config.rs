//! `zc check-config`: every setting as it stands, if all of them will do.

use std::{io::Write as _, process::ExitCode};

use anyhow::Result;

use super::grouping;
use crate::{cli::CheckConfig, config::Effective};

/// Prints them; what is wrong with one, parsing has said.
///
/// # Errors
///
/// If the template of groups is wrong.
pub fn run(flags: &CheckConfig, settings: &[Effective]) -> Result<ExitCode> {
    grouping::template(&flags.run.grouping)?;
    let text: String = settings.iter().map(Effective::line).collect();
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
