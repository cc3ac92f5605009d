//! What zc costs: benchmarks, which print numbers and fail nobody for them.

mod crowd;
mod daemon;
mod document;
mod observer;
mod peers;
mod storm;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use self::daemon::DaemonFlags;

/// A benchmark.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// What the daemon itself costs, beside many processes and threads, and beside its peers.
    Daemon(DaemonFlags),
}

/// Runs one.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Daemon(flags) => daemon::run(flags),
    }
}
