//! Counts what the test runners say of themselves.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// Tests over all runners.
#[derive(Default)]
pub(crate) struct Tally {
    /// Those that passed.
    pub(crate) passed: u64,
    /// Those that did not.
    pub(crate) failed: u64,
}

impl Tally {
    /// Runs a test program, showing its output and counting it.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<()> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} could not be started"))?;
        let stdout = child.stdout.take().context("no standard output")?;
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            eprintln!("{line}");
            self.read(&line);
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("{name} ended with {status}");
        }
        Ok(())
    }

    /// Counts the `test result: …. 3 passed; 0 failed; …` lines of a text.
    pub(crate) fn read(&mut self, text: &str) {
        for line in text.lines() {
            let Some((_, rest)) = line.split_once("test result: ") else { continue };
            let count = |what: &str| -> u64 {
                let part = rest.split([';', '.']).find_map(|part| part.trim().strip_suffix(what));
                part.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
            };
            self.passed += count("passed");
            self.failed += count("failed");
        }
    }

    /// The closing line.
    pub(crate) fn print(&self) {
        eprintln!("{} passed, {} failed", self.passed, self.failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_every_runner() {
        let mut tally = Tally::default();
        tally.read("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; finished in 0.1s");
        tally.read("noise\n[6.1] test result: FAILED. 4 passed; 2 failed; 0 ignored");
        assert_eq!((tally.passed, tally.failed), (7, 2));
    }
}
