//! The command line: flags only.

use std::{net::SocketAddr, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Tells, per process and to the byte, how much data the Linux kernel moves and
/// its CPU copies.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How much to log: error, warn, info, debug, trace, or a filter such as
    /// "zc_daemon=debug".
    #[arg(long = "log.level", env = "ZC_LOG_LEVEL", default_value = "info", global = true)]
    pub log_level: String,
    /// How to log, on standard error.
    #[arg(long = "log.format", env = "ZC_LOG_FORMAT", default_value = "text", global = true)]
    pub log_format: LogFormat,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Attach the probes, count, and serve metrics until SIGINT or SIGTERM.
    Run(Run),
    /// Attach every probe once and say which hook works, which not, and why.
    Doctor(Doctor),
}

/// How large to be.
#[derive(Clone, Copy, Debug, Args)]
pub struct Limits {
    /// Threads to follow at a time; more are counted under the group "other"
    /// [default: four times as many as there are now, at least 16384].
    #[arg(long = "threads", env = "ZC_THREADS", value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: Option<u32>,
}

/// Flags of `zc run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Where to serve; port 0 takes a free one.
    #[arg(
        long = "web.listen-address",
        env = "ZC_WEB_LISTEN_ADDRESS",
        default_value = "127.0.0.1:10042"
    )]
    pub listen_address: SocketAddr,
    /// Seconds between two readings when nobody scrapes.
    #[arg(long, env = "ZC_INTERVAL", default_value = "1", value_parser = seconds)]
    pub interval: Duration,
    /// Groups to show by name; the rest are summed under "other".
    #[arg(long, env = "ZC_MAX_GROUPS", default_value_t = 200)]
    pub max_groups: usize,
    /// Which copies to show where they can be measured.
    #[arg(long, env = "ZC_COPIES", default_value = "best")]
    pub copies: Copies,
    /// How large to be.
    #[command(flatten)]
    pub limits: Limits,
}

/// Which copies are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Copies {
    /// Measured where the probes are up, inferred elsewhere.
    Best,
    /// Both, side by side: to find where they disagree.
    Both,
}

/// Flags of `zc doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// How large to be.
    #[command(flatten)]
    pub limits: Limits,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| format!("{text:?} is not a number of seconds"))?;
    if !(0.01..=10.0).contains(&number) {
        return Err(format!("{text} s is out of range: 0.01 to 10"));
    }
    Ok(Duration::from_secs_f64(number))
}
