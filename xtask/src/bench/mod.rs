//! What zc costs: benchmarks, which print numbers and fail nobody for them.

mod cost;
mod crowd;
mod daemon;
mod observer;
mod overhead;
mod page;
mod peers;
mod storm;
mod targets;

use anyhow::Result;
use clap::{Args, Subcommand};

pub(crate) use self::daemon::DaemonFlags;

/// A benchmark.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Count the instructions of a call, traced and untraced, in guests that count them.
    Cost(CostFlags),
    /// Time workloads on this host with and without the daemon, by turns.
    Overhead(OverheadFlags),
    /// What the daemon itself costs, beside many processes and threads, and beside its peers.
    Daemon(DaemonFlags),
}

/// Flags of `cargo xtask bench cost`.
#[derive(Args)]
pub(crate) struct CostFlags {
    /// Kernel series.
    #[arg(default_values_t = ["6.1", "6.12", "7.3"].map(str::to_owned))]
    series: Vec<String>,
    /// Write the section of docs/overhead.md.
    #[arg(long)]
    write: bool,
}

/// Flags of `cargo xtask bench overhead`.
#[derive(Args)]
pub(crate) struct OverheadFlags {
    /// Pairs of runs, daemon off and on.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(7..))]
    pairs: u32,
    /// Write the section of docs/overhead.md.
    #[arg(long)]
    write: bool,
}

/// Runs one.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Cost(flags) => cost::run(flags),
        Bench::Overhead(flags) => overhead::run(flags),
        Bench::Daemon(flags) => daemon::run(flags),
    }
}
