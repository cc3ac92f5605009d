//! A command of zc that watches processes, under test.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStderr, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::programs;

/// One that runs.
#[derive(Debug)]
pub struct Watching {
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

impl Watching {
    /// Starts this command of zc, and waits until it watches, or has ended.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(command: &str, flags: &[&str]) -> Result<Self> {
        let mut child = Command::new(programs::folder()?.join("zc"))
            .arg(command)
            .args(flags)
            .env_remove("GITHUB_ACTIONS")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start zc; is it built?")?;
        let log = BufReader::new(child.stderr.take().context("zc has no standard error")?);
        let mut watching = Self { child, log, said: String::new() };
        while !watching.said.contains("zc watches") {
            if watching.log.read_line(&mut watching.said)? == 0 {
                break;
            }
        }
        Ok(watching)
    }

    /// Waits until it has said this.
    ///
    /// # Errors
    ///
    /// If it ends before.
    pub fn hear(&mut self, words: &str) -> Result<()> {
        while !self.said.contains(words) {
            let read = self.log.read_line(&mut self.said)?;
            ensure!(read > 0, "it never said {words:?}: {}", self.said);
        }
        Ok(())
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

impl Drop for Watching {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
