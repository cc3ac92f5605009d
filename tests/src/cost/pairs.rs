//! Workloads by turns with and without the daemon: what `cargo xtask bench overhead` runs.

use std::{io::Write as _, path::Path};

use anyhow::Result;

use super::timed::Timed;
use crate::daemon::Daemon;

/// Runs so many pairs, each in the other order than the one before, and prints `pair
/// WORKLOAD OFF ON AGAIN` a line: CPU nanoseconds of an operation without the daemon, with
/// it, and without it once more.
///
/// # Errors
///
/// If the daemon cannot be started.
pub fn run(pairs: u32, folder: &Path) -> Result<()> {
    for pair in 0..pairs {
        let (off, on) = if pair % 2 == 0 {
            let off = times(folder)?;
            (off, watched(folder)?)
        } else {
            let on = watched(folder)?;
            (times(folder)?, on)
        };
        let again = times(folder)?;
        for (position, (_, name)) in Timed::ALL.iter().enumerate() {
            let [off, on, again] = [&off, &on, &again].map(|times| times[position]);
            writeln!(std::io::stdout(), "pair {name} {off:.1} {on:.1} {again:.1}")?;
        }
    }
    Ok(())
}

fn watched(folder: &Path) -> Result<Vec<f64>> {
    let _daemon = Daemon::start_with(&[])?;
    times(folder)
}

fn times(folder: &Path) -> Result<Vec<f64>> {
    Timed::ALL.iter().map(|(workload, _)| workload.time(folder)).collect()
}
