//! Who is looked at: all of this machine, a process, or a command that is run.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use tokio::process::Child;

use crate::{
    cli::Advise,
    command::{process, verify},
    engine::advice,
    host,
};

/// How long is looked, if nothing else is said and nothing ends.
const LONG: Duration = Duration::from_secs(30);

enum Who {
    Machine,
    Process(u32),
    Command(Vec<OsString>),
}

/// Who is looked at, and what has become of it.
pub(super) struct Target {
    who: Who,
    duration: Option<Duration>,
    deadline: Option<Instant>,
    child: Option<Child>,
    seen: BTreeSet<u32>,
}

impl Target {
    /// The one that the flags name.
    ///
    /// # Errors
    ///
    /// If there is no such process.
    pub(super) fn of(flags: &Advise) -> Result<Self> {
        let who = match flags.pid {
            Some(pid) => {
                process(pid, "look at")?;
                Who::Process(pid)
            }
            None if flags.command.is_empty() => Who::Machine,
            None => Who::Command(flags.command.clone()),
        };
        let by_default = if matches!(who, Who::Command(_)) { None } else { Some(LONG) };
        let duration = flags.duration.or(by_default);
        Ok(Self { who, duration, deadline: None, child: None, seen: BTreeSet::new() })
    }

    /// Begins: runs the command.
    ///
    /// # Errors
    ///
    /// If it cannot be run.
    pub(super) fn start(&mut self) -> Result<()> {
        if let Who::Command(words) = &self.who {
            self.child = Some(verify::spawn(words)?);
        }
        self.deadline = self.duration.map(|duration| Instant::now() + duration);
        Ok(())
    }

    /// Its name.
    pub(super) fn name(&self) -> String {
        match &self.who {
            Who::Machine => "all processes of this machine".to_owned(),
            Who::Process(pid) => format!("process {pid} and its descendants"),
            Who::Command(words) => {
                let words: Vec<_> = words.iter().map(|word| verify::quoted(word)).collect();
                format!("command {}", words.join(" "))
            }
        }
    }

    /// Who belongs to it, now and before, by what `/proc` says now and what was seen of others:
    /// a process and who made it. Never zc itself.
    pub(super) fn members(
        &mut self,
        parents: impl Iterator<Item = (u32, u32)> + Clone,
    ) -> BTreeSet<u32> {
        let own = std::process::id();
        match &self.who {
            Who::Machine => return parents.map(|(pid, _)| pid).filter(|pid| *pid != own).collect(),
            Who::Process(pid) => self.seen.append(&mut host::family_of(*pid)),
            // What it leaves behind becomes a child of zc.
            Who::Command(_) => self.seen.append(&mut host::family_of(own)),
        }
        self.seen = advice::family(std::mem::take(&mut self.seen), parents);
        let mut members = self.seen.clone();
        members.remove(&own);
        members
    }

    /// Waits a moment; whether it is over.
    ///
    /// # Errors
    ///
    /// If the command cannot be waited for.
    pub(super) async fn ends(&mut self, step: Duration) -> Result<bool> {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            self.stop().await?;
            return Ok(true);
        }
        let pause = tokio::time::sleep(left.map_or(step, |left| left.min(step)));
        if let Some(child) = &mut self.child {
            tokio::select! {
                status = child.wait() => {
                    status.context("the command cannot be waited for")?;
                    return Ok(true);
                }
                () = pause => return Ok(false),
            }
        }
        pause.await;
        Ok(matches!(self.who, Who::Process(pid) if host::process_of(pid).is_none()))
    }

    /// Ends the command, if there is one: first it is asked.
    ///
    /// # Errors
    ///
    /// If it cannot be waited for.
    pub(super) async fn stop(&mut self) -> Result<()> {
        let Some(child) = &mut self.child else { return Ok(()) };
        send(Signal::TERM);
        if let Ok(status) = tokio::time::timeout(verify::target::GRACE, child.wait()).await {
            status.context("the command cannot be waited for")?;
            return Ok(());
        }
        send(Signal::KILL);
        child.wait().await.context("the command cannot be waited for")?;
        Ok(())
    }
}

/// Sends a signal to all that the command has become.
fn send(signal: Signal) {
    let own = std::process::id();
    verify::target::send(host::family_of(own).into_iter().filter(|pid| *pid != own), signal);
}
