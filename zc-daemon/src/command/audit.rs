//! `zc audit`: breakpoints for one process, and the ledger beside them.

use std::{
    io::Write as _,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;

use super::{
    attach,
    books::{Account, Books},
    process,
};
use crate::{
    cli::{Audit, Watched},
    engine::{
        audit::{self, Verdict},
        tree::Root,
    },
    host,
    kernel::{
        breakpoints::{self, Choice, Set},
        capabilities,
        watch::{Hits, Placed},
    },
    shutdown::Shutdown,
    view::audit::{Comparison, Function, Report},
};

/// Time between two looks at the slots and at whether the process lives.
const STEP: Duration = Duration::from_millis(100);

/// Watches until it is time, or asked to end, or the process ends; prints the report.
/// 0, or 1 if breakpoints and ledger contradict each other.
///
/// # Errors
///
/// If there is no such process, or the kernel refuses breakpoints or probes.
pub async fn run(flags: Audit) -> Result<ExitCode> {
    capabilities::require()?;
    let shutdown = Shutdown::new()?;
    let pid = flags.pid;
    let comm = process(pid, "watch")?;
    let choice = choose(&flags)?;
    let mut books = Books::open(attach(flags.attach)?, Root::Process(pid))?;
    let breakpoints = Breakpoints::set(&mut books, pid, choice)?;
    books.start()?;
    let began = Instant::now();
    tracing::info!("zc watches process {pid} by {} breakpoints", breakpoints.choice.watched.len());
    let ended = wait(&mut books, pid, flags.duration, shutdown).await?;
    let counted = breakpoints.remove(&mut books)?;
    let seconds = began.elapsed().as_secs_f64();
    let comparison = counted.compare(&books.close()?);
    let differs = comparison.as_ref().is_some_and(|c| c.verdict == Verdict::Differs.name());
    let report = Report {
        version: 1,
        kernel: host::kernel_release(),
        pid,
        comm,
        ended,
        seconds,
        functions: counted.hits.iter().map(function).collect(),
        unwatched: counted.choice.unwatched,
        comparison,
    };
    let text =
        if flags.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.text() };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(if differs { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// What to watch, as the flags have it.
fn choose(flags: &Audit) -> Result<Choice> {
    let wanted: Vec<_> = breakpoints::symbols().collect();
    let set = match flags.set {
        Watched::Payload => Set::Payload,
        Watched::User => Set::User,
    };
    breakpoints::choose(&host::symbols(&wanted)?, set, &flags.functions)
}

/// Waits; true if the process has ended.
async fn wait(
    books: &mut Books,
    pid: u32,
    duration: Option<Duration>,
    shutdown: Shutdown,
) -> Result<bool> {
    let deadline = duration.map(|duration| Instant::now() + duration);
    let mut requested = std::pin::pin!(shutdown.requested());
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(false);
        }
        tokio::select! {
            () = tokio::time::sleep(left.map_or(STEP, |left| left.min(STEP))) => {}
            _ = requested.as_mut() => return Ok(false),
        }
        let lives = host::process_of(pid).is_some();
        books.pass()?;
        if !lives {
            return Ok(true);
        }
    }
}

/// Breakpoints for a process.
pub(super) struct Breakpoints {
    placed: Placed,
    choice: Choice,
}

impl Breakpoints {
    /// Sets them.
    pub(super) fn set(books: &mut Books, pid: u32, choice: Choice) -> Result<Self> {
        let placed = books.kernel.watch(pid, &choice.watched)?;
        Ok(Self { placed, choice })
    }

    /// Removes them; what they counted.
    pub(super) fn remove(self, books: &mut Books) -> Result<Counted> {
        let hits = books.kernel.unwatch(&self.placed)?;
        Ok(Counted { hits, choice: self.choice })
    }
}

/// What breakpoints counted.
pub(super) struct Counted {
    hits: Vec<Hits>,
    choice: Choice,
}

impl Counted {
    /// Held against what the ledger booked meanwhile; none if no payload was watched.
    pub(super) fn compare(&self, account: &Account) -> Option<Comparison> {
        let payload = || self.hits.iter().filter(|hit| hit.function.set == Set::Payload);
        payload().next()?;
        let seen = payload().map(|hit| hit.bytes).sum();
        let Account { booked, lost, .. } = *account;
        Some(Comparison {
            breakpoint_bytes: seen,
            measured_bytes: booked.measured,
            possible_bytes: booked.possible,
            lost,
            verdict: audit::compare(seen, booked, self.choice.unwatched.is_empty()).name(),
        })
    }
}

fn function(hit: &Hits) -> Function {
    Function {
        function: hit.function.name,
        payload: hit.function.set == Set::Payload,
        calls: hit.calls,
        bytes: hit.bytes,
    }
}
