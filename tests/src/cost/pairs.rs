//! Workloads by turns with and without the daemon: what `cargo xtask bench overhead` runs.

use std::{
    io::Write as _,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use zc_daemon::kernel::meter::{Meter, time_runs};

use super::{
    CALL, SWITCH,
    peers::{Empty, Hook},
    timed::Timed,
};
use crate::daemon::Daemon;

/// Runs so many pairs, each in the other order than the one before, and prints `pair
/// WORKLOAD OFF ON AGAIN EMPTY TIMED` a line: CPU nanoseconds of an operation without the daemon,
/// with it, without it once more, with programs of `object` that do nothing where the daemon's
/// are that every host takes, and with the daemon while the kernel times its programs. That it
/// does for a part of the time, of which ON is the mean.
///
/// # Errors
///
/// If the daemon cannot be started, or an empty program cannot be attached.
pub fn run(object: &Path, pairs: u32, folder: &Path) -> Result<()> {
    for pair in 0..pairs {
        let (off, watched) = if pair % 2 == 0 {
            let off = times(folder)?;
            (off, Watched::time(folder)?)
        } else {
            let watched = Watched::time(folder)?;
            (times(folder)?, watched)
        };
        let again = times(folder)?;
        let empty = with_empty(object, folder)?;
        for (position, (_, name)) in Timed::ALL.iter().enumerate() {
            let [off, again, empty] = [&off, &again, &empty].map(|times| times[position]);
            let (on, timed) = (watched.mean(position), watched.timed[position]);
            let line = format!("pair {name} {off:.1} {on:.1} {again:.1} {empty:.1} {timed:.1}");
            writeln!(std::io::stdout(), "{line}")?;
        }
    }
    Ok(())
}

/// With the daemon.
struct Watched {
    /// Most of the time.
    usual: Vec<f64>,
    /// While the kernel times its programs.
    timed: Vec<f64>,
}

impl Watched {
    fn time(folder: &Path) -> Result<Self> {
        let daemon = Daemon::start_with(&[])?;
        wait_for_the_first_window(&daemon)?;
        let began = Instant::now();
        let usual = times(folder)?;
        ensure!(began.elapsed() < Meter::SELDOM, "a window opened while workloads were timed");
        let _stats = time_runs().context("the kernel does not time programs")?;
        Ok(Self { usual, timed: times(folder)? })
    }

    /// Over one cycle.
    fn mean(&self, position: usize) -> f64 {
        let [window, pause] = [Meter::WINDOW, Meter::SELDOM].map(|time| time.as_secs_f64());
        let sum = self.timed[position] * window + self.usual[position] * pause;
        sum / (window + pause)
    }
}

/// Waits until the kernel has timed the daemon's programs for the first time.
fn wait_for_the_first_window(daemon: &Daemon) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(30);
    let began = Instant::now();
    while !daemon.page("/metrics")?.contains("\nzc_observer_share") {
        ensure!(began.elapsed() < PATIENCE, "the daemon does not tell its share of a core");
        sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// What is added by the hooks themselves.
fn with_empty(object: &Path, folder: &Path) -> Result<Vec<f64>> {
    let attach = |name| {
        Empty::attach(object, Hook::Tracepoint(name))
            .with_context(|| format!("{name} takes no program"))
    };
    let _empty = [attach(CALL)?, attach(SWITCH)?];
    times(folder)
}

fn times(folder: &Path) -> Result<Vec<f64>> {
    Timed::ALL.iter().map(|(workload, _)| workload.time(folder)).collect()
}
