//! A `zc audit` under test.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStderr, Command, Stdio},
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::programs;

/// A running `zc audit`.
#[derive(Debug)]
pub struct Audit {
    child: Child,
    log: BufReader<ChildStderr>,
    said: String,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it printed.
    pub output: String,
    /// Its log.
    pub log: String,
}

impl Audit {
    /// Starts it on a process, and waits until it watches, or has ended.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(pid: u32, flags: &[&str]) -> Result<Self> {
        Self::start_command("audit", pid, flags)
    }

    /// Starts another command that watches a process as an audit does.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start_command(command: &str, pid: u32, flags: &[&str]) -> Result<Self> {
        let mut child = Command::new(programs::folder()?.join("zc"))
            .args([command, "--pid", &pid.to_string()])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start zc; is it built?")?;
        let log = BufReader::new(child.stderr.take().context("zc has no standard error")?);
        let mut audit = Self { child, log, said: String::new() };
        while !audit.said.contains("zc watches process") {
            if audit.log.read_line(&mut audit.said)? == 0 {
                break;
            }
        }
        Ok(audit)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// If that cannot be done.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.child.id().cast_signed()).context("zc has no pid")?;
        kill_process(pid, signal).context("cannot signal zc")
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// If what it says is no text.
    pub fn end(mut self) -> Result<Ended> {
        let mut output = String::new();
        let mut stdout = self.child.stdout.take().context("zc has no standard output")?;
        stdout.read_to_string(&mut output)?;
        self.log.read_to_string(&mut self.said)?;
        let code = self.child.wait()?.code();
        Ok(Ended { code, output, log: std::mem::take(&mut self.said) })
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
