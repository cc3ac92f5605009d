//! What zc's own programs take: the kernel times their runs for a part of the time, as
//! timing costs two looks at a clock a run.

use std::{
    collections::BTreeMap,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::sys::{Stats, enable_stats};
use rustix::time::{ClockId, clock_gettime};

use super::misses::Info;

/// Has the kernel time runs as long as what it gives is held; nothing is given where it times
/// them all the time (`kernel.bpf_stats_enabled`).
pub type Start = Box<dyn FnMut() -> Result<Option<OwnedFd>> + Send>;

/// Has the kernel time runs.
///
/// # Errors
///
/// If it does not, as to one without `CAP_SYS_ADMIN`.
pub fn time_runs() -> std::io::Result<OwnedFd> {
    enable_stats(Stats::RunTime).map_err(|error| error.io_error)
}

/// Asks the kernel itself, as who may.
pub fn asking() -> Start {
    Box::new(|| {
        let held = time_runs();
        held.map(Some).context("the kernel does not time programs (that takes CAP_SYS_ADMIN)")
    })
}

/// Times runs in a duty cycle, which goes on whenever somebody looks.
pub struct Meter {
    start: Start,
    /// From the end of a window to the next one.
    pause: Duration,
    /// When the next window is to be opened.
    next: Instant,
    window: Option<Window>,
    /// When the last one was closed, and the daemon's CPU time then.
    closed: (Instant, Duration),
    /// How long each program ran so far, of the time that it was timed, and how often.
    sums: BTreeMap<String, (Duration, u64)>,
    /// For how long runs were timed so far.
    timed: Duration,
    /// What was found last.
    found: Option<Taken>,
}

/// What was taken of a core since the look before.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// By each program.
    pub programs: BTreeMap<String, f64>,
    /// By the daemon.
    pub daemon: f64,
}

/// A time in which runs are timed.
#[derive(Debug)]
struct Window {
    /// Runs are timed as long as it is open.
    _stats: Option<OwnedFd>,
    since: Instant,
    before: BTreeMap<String, Info>,
}

impl Meter {
    /// The least time of a window.
    pub const WINDOW: Duration = Duration::from_secs(1);
    /// The pause between two windows, if nobody acts on what is found.
    pub const SELDOM: Duration = Duration::from_secs(19);
    /// The same if somebody does.
    pub const OFTEN: Duration = Duration::from_secs(2);

    /// A meter that opens its first window at once.
    pub fn new(pause: Duration, start: Start) -> Self {
        let now = Instant::now();
        Self {
            start,
            pause,
            next: now,
            window: None,
            closed: (now, cpu()),
            sums: BTreeMap::new(),
            timed: Duration::ZERO,
            found: None,
        }
    }

    /// Goes on in its cycle; what was taken, if a window was closed. `infos` asks the kernel
    /// about the programs.
    ///
    /// # Errors
    ///
    /// If the kernel does not time runs, or tell of them.
    pub fn look(
        &mut self,
        infos: impl FnOnce() -> Result<BTreeMap<String, Info>>,
    ) -> Result<Option<&Taken>> {
        let now = Instant::now();
        match &self.window {
            None if self.next <= now => {
                let stats = (self.start)()?;
                let before = infos()?;
                self.window = Some(Window { _stats: stats, since: Instant::now(), before });
            }
            Some(window) if now - window.since >= Self::WINDOW => {
                let after = infos()?;
                if let Some(window) = self.window.take() {
                    self.close(&window, &after);
                    return Ok(self.found.as_ref());
                }
            }
            _ => {}
        }
        Ok(None)
    }

    /// How long a program ran so far, of the time that it was timed, and how often.
    #[must_use]
    pub fn of(&self, program: &str) -> (Duration, u64) {
        self.sums.get(program).copied().unwrap_or_default()
    }

    /// For how long runs were timed so far.
    #[must_use]
    pub fn timed(&self) -> Duration {
        self.timed
    }

    /// What was found last.
    #[must_use]
    pub fn found(&self) -> Option<&Taken> {
        self.found.as_ref()
    }

    fn close(&mut self, window: &Window, after: &BTreeMap<String, Info>) {
        let (now, cpu) = (Instant::now(), cpu());
        let length = now - window.since;
        let mut taken = Taken::default();
        for (name, info) in after {
            let Some(before) = window.before.get(name) else { continue };
            let ran = info.ran.saturating_sub(before.ran);
            let sum = self.sums.entry(name.clone()).or_default();
            sum.0 += ran;
            sum.1 += info.runs.saturating_sub(before.runs);
            taken.programs.insert(name.clone(), share(ran, length));
        }
        let (closed, cpu_before) = std::mem::replace(&mut self.closed, (now, cpu));
        taken.daemon = share(cpu.saturating_sub(cpu_before), now - closed);
        self.timed += length;
        self.next = now + self.pause;
        self.found = Some(taken);
    }
}

fn share(ran: Duration, of: Duration) -> f64 {
    ran.as_secs_f64() / of.as_secs_f64()
}

/// What this process has run so far.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
