//! Who is judged: a command that is run, or processes that run already.

use std::{
    ffi::{OsStr, OsString},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process, set_child_subreaper};
use tokio::process::{Child, Command};

use super::watched::Watched;
use crate::{
    cli::Verify,
    command::{books::Books, process},
    engine::tree::Root,
    host::{self, cgroup},
    shutdown::Shutdown,
    view::verify::Status,
};

/// Time between two looks; at first less, as a command may be short.
const STEP: Duration = Duration::from_millis(100);
const FIRST_STEP: Duration = Duration::from_millis(5);
/// The same where all processes are looked at.
const SLOW_STEP: Duration = Duration::from_secs(1);

/// How long to watch, and how often to look.
#[derive(Clone, Copy)]
pub(in crate::command) struct Pace {
    pub(in crate::command) duration: Option<Duration>,
    pub(in crate::command) step: Duration,
}

/// Who is judged, shown or recorded.
pub(in crate::command) enum Target {
    /// What this command becomes.
    Command(Vec<OsString>),
    /// A process, and unless it is alone its descendants.
    Process { pid: u32, alone: bool },
    /// All of a cgroup; `unit` if it was named by that.
    Cgroup { directory: PathBuf, unit: Option<String> },
    /// All of this machine, but zc.
    Machine,
}

impl Target {
    /// The one that the flags name.
    ///
    /// # Errors
    ///
    /// If there is no such process, cgroup or unit.
    pub(in crate::command) fn of(flags: &Verify) -> Result<Self> {
        if let Some(pid) = flags.pid {
            process(pid, "verify")?;
            // Breakpoints count what is copied by its own threads.
            return Ok(Self::Process { pid, alone: flags.audit });
        }
        let named = Self::cgroup(flags.unit.as_deref(), flags.cgroup.as_deref())?;
        Ok(named.unwrap_or_else(|| Self::Command(flags.command.clone())))
    }

    /// All of a unit, or of a cgroup; none if neither is named.
    ///
    /// # Errors
    ///
    /// If there is no such unit or cgroup.
    pub(in crate::command) fn cgroup(
        unit: Option<&str>,
        path: Option<&Path>,
    ) -> Result<Option<Self>> {
        let directory = match (unit, path) {
            (Some(unit), _) => cgroup::of_unit(unit)?,
            (None, Some(path)) => cgroup::find(path)?,
            (None, None) => return Ok(None),
        };
        Ok(Some(Self::Cgroup { directory, unit: unit.map(str::to_owned) }))
    }

    /// How its tree begins, now.
    pub(in crate::command) fn root(&self) -> Root {
        match self {
            Self::Command(_) => Root::ChildrenOf(std::process::id()),
            Self::Process { pid, alone: true } => Root::Process(*pid),
            Self::Process { pid, alone: false } => Root::Family(host::family_of(*pid)),
            Self::Cgroup { directory, .. } => {
                let members = cgroup::members(directory);
                Root::Cgroups(members.ids, members.pids)
            }
            Self::Machine => Root::AllBut(std::process::id()),
        }
    }

    /// Its kind and name.
    pub(in crate::command) fn name(&self) -> (&'static str, String) {
        match self {
            Self::Command(words) => {
                let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
                ("command", words.join(" "))
            }
            Self::Process { pid, .. } => ("pid", pid.to_string()),
            Self::Cgroup { unit: Some(unit), .. } => ("unit", unit.clone()),
            Self::Cgroup { directory, .. } => ("cgroup", directory.display().to_string()),
            Self::Machine => ("machine", host::kernel_release()),
        }
    }

    /// To be watched for so long.
    pub(in crate::command) fn pace(&self, duration: Option<Duration>) -> Pace {
        let step = if matches!(self, Self::Machine) { SLOW_STEP } else { STEP };
        Pace { duration, step }
    }

    /// Runs or watches it to its end, or to the end of its time.
    pub(in crate::command) async fn watch(
        &self,
        books: &mut Books,
        pace: Pace,
        mut watched: Watched,
        shutdown: Shutdown,
        looked: &mut dyn FnMut(&Books) -> Result<()>,
    ) -> Result<Watched> {
        let mut child = match self {
            Self::Command(words) => Some(spawn(words)?),
            Self::Process { .. } | Self::Cgroup { .. } | Self::Machine => None,
        };
        let mut deadline = pace.duration.map(|duration| Instant::now() + duration);
        let mut requested = std::pin::pin!(shutdown.requested());
        let (mut asked, mut step) = (false, FIRST_STEP.min(pace.step));
        loop {
            watched.look(&books.tree.living_pids());
            let now = Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                if child.is_none() {
                    break;
                }
                // By force, if it has been asked.
                let signal = if watched.was_ended { Signal::KILL } else { Signal::TERM };
                send(books.tree.living_pids(), signal);
                watched.was_ended = true;
                deadline = Some(now + GRACE);
            }
            let left = deadline.map(|deadline| deadline - now);
            let pause = left.map_or(step, |left| left.min(step));
            step = pace.step.min(step * 2);
            tokio::select! {
                status = exited(&mut child) => {
                    watched.status = Some(status_of(status?));
                    break;
                }
                () = tokio::time::sleep(pause) => {}
                signal = requested.as_mut() => {
                    if child.is_none() {
                        break;
                    }
                    if asked {
                        send(books.tree.living_pids(), Signal::KILL);
                    } else if signal == "SIGTERM" {
                        send(books.tree.living_pids(), Signal::TERM);
                    }
                    // SIGINT from a terminal has reached it already: twice is enough.
                    asked = true;
                    requested.set(Shutdown::new()?.requested());
                }
            }
            if let Self::Process { pid, .. } = self
                && host::process_of(*pid).is_none()
            {
                break;
            }
            if let Self::Cgroup { directory, .. } = self {
                let members = cgroup::members(directory);
                books.tree.extend(members.ids, members.pids);
            }
            books.pass()?;
            looked(books)?;
        }
        if child.is_some() {
            wind_down(books, &mut watched, looked).await?;
        }
        Ok(watched)
    }
}

/// A word of a command line, on one line whatever it holds.
pub(in crate::command) fn quoted(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("{text:?}")
    }
}

/// Starts a command, whose orphans become children of this process.
pub(in crate::command) fn spawn(words: &[OsString]) -> Result<Child> {
    let (program, arguments) = words.split_first().context("there is no command to run")?;
    set_child_subreaper(Some(rustix::process::getpid()))
        .context("orphans of the command cannot be followed")?;
    let child = Command::new(program).args(arguments).stdin(Stdio::inherit()).spawn();
    child.with_context(|| format!("cannot run {}", program.display()))
}

/// Resolves when the command has ended; never if there is none.
async fn exited(child: &mut Option<Child>) -> Result<ExitStatus> {
    match child {
        Some(child) => child.wait().await.context("the command cannot be waited for"),
        None => std::future::pending().await,
    }
}

/// What a command is given to end by itself, once its time is over.
pub(in crate::command) const GRACE: Duration = Duration::from_secs(5);

/// Sends a signal to all that a command has become. Some may have ended.
pub(in crate::command) fn send(pids: impl IntoIterator<Item = u32>, signal: Signal) {
    for pid in pids {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }
}

/// What a command leaves has this long to end, too.
const LEFT_BEHIND: Duration = Duration::from_secs(2);

/// Waits for what a command has left, which are children of this process now: for one, too,
/// that has no slot yet, and so is in no book.
async fn wind_down(
    books: &mut Books,
    watched: &mut Watched,
    looked: &mut dyn FnMut(&Books) -> Result<()>,
) -> Result<()> {
    let ended = Instant::now();
    let left = |books: &Books| {
        books.tree.living() > 0 || host::living_descendants_of(std::process::id()) > 0
    };
    books.pass()?;
    looked(books)?;
    while left(books) && ended.elapsed() < LEFT_BEHIND {
        watched.look(&books.tree.living_pids());
        tokio::time::sleep(STEP).await;
        books.pass()?;
        looked(books)?;
    }
    Ok(())
}

fn status_of(status: ExitStatus) -> Status {
    Status { exit_code: status.code(), signal: status.signal() }
}
