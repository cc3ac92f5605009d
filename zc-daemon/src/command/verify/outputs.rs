//! Where the report goes. Files are opened before anything is run, so that no run is for
//! nothing.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

use anyhow::{Context as _, Result};

use crate::{cli::Verify, view::verify::Report};

/// Where each form goes, if it is wanted.
pub(super) struct Outputs {
    main: Box<dyn Write>,
    json: bool,
    junit: Option<File>,
    sarif: Option<File>,
    github: bool,
}

impl Outputs {
    /// Those that the flags name.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub(super) fn open(flags: &Verify) -> Result<Self> {
        let main = main(flags.output.as_deref(), !flags.command.is_empty())?;
        let in_actions = || std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        Ok(Self {
            main,
            json: flags.json,
            junit: flags.junit.as_deref().map(create).transpose()?,
            sarif: flags.sarif.as_deref().map(create).transpose()?,
            github: flags.github || in_actions(),
        })
    }

    /// Writes the report in each form.
    ///
    /// # Errors
    ///
    /// If that fails: a disk is full, a pipe has nobody at its end.
    pub(super) fn write(mut self, report: &Report) -> Result<()> {
        let text =
            if self.json { serde_json::to_string_pretty(report)? + "\n" } else { report.text() };
        put(&mut self.main, &text)?;
        if let Some(mut file) = self.junit {
            put(&mut file, &report.junit()?)?;
        }
        if let Some(mut file) = self.sarif {
            put(&mut file, &(serde_json::to_string_pretty(&report.sarif())? + "\n"))?;
        }
        if self.github {
            // On a line of its own, wherever the command's output ends.
            put(&mut io::stderr(), &format!("\n{}", report.github()))?;
        }
        Ok(())
    }
}

/// Where a report goes: to a file, else beside a command, whose standard output is its own, to
/// standard error.
///
/// # Errors
///
/// If the file cannot be written.
pub(in crate::command) fn main(
    path: Option<&Path>,
    beside_command: bool,
) -> Result<Box<dyn Write>> {
    Ok(match path {
        Some(path) => Box::new(create(path)?),
        None if beside_command => Box::new(io::stderr()),
        None => Box::new(io::stdout()),
    })
}

/// Creates a file to report to.
///
/// # Errors
///
/// If that cannot be done.
pub(in crate::command) fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| {
        format!("cannot write {}; name a file in a folder that is there", path.display())
    })
}

fn put(to: &mut impl Write, text: &str) -> Result<()> {
    to.write_all(text.as_bytes()).context("the report cannot be written")
}
