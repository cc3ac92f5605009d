//! `zc audit`: breakpoints on one process, and the ledger beside them.

use std::{
    io::Write as _,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use zc_common::{counter::Tally, slot::ProcessKey};

use super::attach;
use crate::{
    cli::{Audit, Watched},
    engine::{
        audit::{self, Booked, Verdict},
        ledger::Ledger,
        sampler,
    },
    host,
    kernel::{
        breakpoints::{self, Choice, Set},
        capabilities,
        loader::Kernel,
        watch::Hits,
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
    let gone = || format!("there is no process {pid}; find one with ps or pgrep");
    let (process, comm) = host::process_of(pid).with_context(gone)?;
    ensure!(process == pid, "{pid} is a thread of process {process}: watch that (--pid {process})");
    let wanted: Vec<_> = breakpoints::symbols().collect();
    let set = match flags.set {
        Watched::Payload => Set::Payload,
        Watched::User => Set::User,
    };
    let choice = breakpoints::choose(&host::symbols(&wanted)?, set, &flags.functions)?;
    let mut books = Books::open(attach(flags.limits)?, pid)?;
    let threads = || {
        let threads = host::threads_of(pid)?;
        ensure!(!threads.is_empty(), gone());
        Ok(threads)
    };
    books.kernel.watch(pid, &choice.watched, threads)?;
    books.start()?;
    let began = Instant::now();
    tracing::info!("zc watches process {pid} by {} breakpoints", choice.watched.len());
    let ended = wait(&mut books, pid, flags.duration, shutdown).await?;
    let hits = books.kernel.unwatch(pid, &choice.watched)?;
    let seconds = began.elapsed().as_secs_f64();
    let comparison = compare(&hits, &choice, &books.close()?);
    let differs = comparison.as_ref().is_some_and(|c| c.verdict == Verdict::Differs.name());
    let report = Report {
        version: 1,
        kernel: host::kernel_release(),
        pid,
        comm,
        ended,
        seconds,
        functions: hits.iter().map(function).collect(),
        unwatched: choice.unwatched,
        comparison,
    };
    let text =
        if flags.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.text() };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(if differs { ExitCode::from(1) } else { ExitCode::SUCCESS })
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

/// The ledger's side.
struct Books {
    kernel: Kernel,
    ledger: Ledger,
    pid: u32,
    /// The process, once it was seen, and its total at the last look.
    last: Option<(ProcessKey, Tally)>,
    before: Tally,
    lost_before: u64,
}

/// What the ledger says of the time between start and close.
struct Account {
    booked: Booked,
    lost: u64,
}

impl Books {
    fn open(kernel: Kernel, pid: u32) -> Result<Self> {
        let (ledger, before) = (Ledger::new(1), Tally::default());
        let mut books = Self { kernel, ledger, pid, last: None, before, lost_before: 0 };
        books.pass()?;
        Ok(books)
    }

    /// One look at the slots; how many events were missed so far. What a process did
    /// that has ended since is kept.
    fn pass(&mut self) -> Result<u64> {
        let snapshot = sampler::pass(&mut self.kernel, &mut self.ledger)?;
        if let Some((key, tally)) = self.ledger.process(self.pid)
            && self.last.as_ref().is_none_or(|(last, _)| *last == key)
        {
            self.last = Some((key, tally.clone()));
        }
        Ok(snapshot.lost.iter().map(|(_, count)| count).sum())
    }

    fn start(&mut self) -> Result<()> {
        self.lost_before = self.pass()?;
        self.before = self.total();
        Ok(())
    }

    /// A process that has not run yet has no total: it starts from nothing.
    fn total(&self) -> Tally {
        self.last.as_ref().map(|(_, tally)| tally.clone()).unwrap_or_default()
    }

    fn close(&mut self) -> Result<Account> {
        let lost = self.pass()? - self.lost_before;
        Ok(Account { booked: Booked::of(&self.total().since(&self.before)), lost })
    }
}

fn compare(hits: &[Hits], choice: &Choice, account: &Account) -> Option<Comparison> {
    let payload = || hits.iter().filter(|hit| hit.function.set == Set::Payload);
    payload().next()?;
    let seen = payload().map(|hit| hit.bytes).sum();
    let Account { booked, lost } = *account;
    Some(Comparison {
        breakpoint_bytes: seen,
        measured_bytes: booked.measured,
        possible_bytes: booked.possible,
        lost,
        verdict: audit::compare(seen, booked, choice.unwatched.is_empty()).name(),
    })
}

fn function(hit: &Hits) -> Function {
    Function {
        function: hit.function.name,
        payload: hit.function.set == Set::Payload,
        calls: hit.calls,
        bytes: hit.bytes,
    }
}
