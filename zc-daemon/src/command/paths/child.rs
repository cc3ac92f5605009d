//! The process of one path, as the ledger follows it.

use std::{
    io::Read as _,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use zc_common::counter::Tally;

use super::super::books::Books;
use crate::{
    engine::tree::Root,
    host,
    kernel::path::{Path, Setting},
};

/// What was counted of a path; the tallies are those of [`crate::engine::path::Counted`].
pub(super) struct Account {
    pub(super) requests_only: Tally,
    pub(super) whole: Tally,
    pub(super) disk: Option<u64>,
    pub(super) net: Option<u64>,
    pub(super) lost: u64,
}

/// Runs it once; why it could not be run, if that is so.
pub(super) fn run(
    books: &mut Books,
    path: &Path,
    setting: &Setting,
) -> Result<Result<Account, String>> {
    let running = Running::start(path, setting)?;
    let pid = running.0.id();
    if !running.comes_to_a_stop()? {
        return running.failed(setting);
    }
    books.follow(Root::Process(pid));
    let disk_before = host::storage_bytes(pid).ok();
    books.start()?;
    if !running.goes_on_to_a_stop()? {
        return running.failed(setting);
    }
    let requests_only = books.close()?.delta;
    if !running.goes_on_to_a_stop()? {
        return running.failed(setting);
    }
    let account = books.close()?;
    let disk_after = host::storage_bytes(pid).ok();
    let net = running.ends()?;
    let disk = disk_after.zip(disk_before).map(|(after, before)| after - before);
    Ok(Ok(Account { requests_only, whole: account.delta, disk, net, lost: account.lost }))
}

/// A process that does not outlive its use.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(path: &Path, setting: &Setting) -> Result<Self> {
        let program = std::env::current_exe().context("zc does not know where it lies")?;
        let child = Command::new(program)
            .args(["path", path.name, &serde_json::to_string(setting)?])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Ok(Self(child.context("cannot start a process for a path")?))
    }

    fn pid(&self) -> Result<Pid> {
        Pid::from_raw(self.0.id().cast_signed()).context("a process without a number")
    }

    /// Waits until it has stopped itself and what is counted of it stands still; false if it
    /// has ended instead.
    fn comes_to_a_stop(&self) -> Result<bool> {
        let (pid, stopped) = (self.pid()?, WaitIdOptions::STOPPED);
        let look = stopped | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(pid), look)?.context("a process that nobody waits for")?;
        if !status.stopped() {
            return Ok(false);
        }
        waitid(WaitId::Pid(pid), stopped)?;
        while !host::is_off_cpu(self.0.id()) {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(true)
    }

    fn goes_on_to_a_stop(&self) -> Result<bool> {
        kill_process(self.pid()?, Signal::CONT)?;
        self.comes_to_a_stop()
    }

    /// Lets it end; the bytes that it says its connection transferred.
    fn ends(mut self) -> Result<Option<u64>> {
        kill_process(self.pid()?, Signal::CONT)?;
        let mut said = String::new();
        self.0.stdout.take().context("no standard output")?.read_to_string(&mut said)?;
        serde_json::from_str(&said).context("a path that does not say what it transferred")
    }

    /// Why it has ended before its time.
    fn failed<T>(mut self, setting: &Setting) -> Result<Result<T, String>> {
        let status = self.0.wait()?;
        let mut said = String::new();
        self.0.stderr.take().context("no standard error")?.read_to_string(&mut said)?;
        let said = said.trim().trim_start_matches("zc: ");
        Ok(Err(match said {
            "" if status.code().is_none() => {
                format!("it was not done within {} s ({status})", setting.patience)
            }
            "" => format!("it ended with {status}"),
            said => said.replace('\n', "; "),
        }))
    }
}
