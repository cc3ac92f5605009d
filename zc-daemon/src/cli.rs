//! The command line: flags only.

mod paths;
mod verify;

use std::{net::SocketAddr, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
pub use paths::{Paths, To};
pub use verify::{Limits, Verify};

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
    /// Count one process' copies by hardware breakpoints on the kernel's own copy functions,
    /// and hold the ledger against them.
    ///
    /// The breakpoints are set in the functions that the kernel copies with, which no other
    /// probe reaches, and share nothing with zc's ledger: two independent counts of the same
    /// bytes. A processor has four breakpoints, so at most four functions are watched at a time,
    /// and debuggers have none left meanwhile.
    ///
    /// Cost: each call of a watched function raises a debug exception, some microseconds on
    /// that process (a read of a file calls one for each page or folio); no other process pays,
    /// but those it forks meanwhile. What is being copied as the audit begins or ends is
    /// counted by one side alone.
    ///
    /// Status 0: they agree, or nothing can be said; 1: they contradict each other; 2: no audit
    /// was possible.
    Audit(Audit),
    /// Run every classic route of bytes as real traffic, and those beyond, and print what the
    /// textbook says of it beside what was measured: copies and transfers of each byte, mode
    /// switches of each request.
    ///
    /// Each path runs in a process of its own, on files of its own and, by default, between two
    /// networks of its own; nothing else on this machine is touched. docs/paths.md says what
    /// each row does.
    Paths(Paths),
    /// Run one path, for `zc paths`, which starts this itself.
    #[command(hide = true)]
    Path {
        /// Its name.
        name: String,
        /// Where, and how much.
        setting: String,
    },
    /// Say whether an application is zero-copy: within a policy of what may be copied.
    ///
    /// Runs a command, or watches processes that run; sums what they and their descendants
    /// moved and what the kernel's CPU copied of it; says why bytes were copied and what to do
    /// about it.
    ///
    /// Status 0: within the policy; 1: not; 2: cannot tell (a probe is down, events were
    /// missed, copies are not measured to the byte on this kernel, the command failed, no
    /// permission, wrong usage). Never 0 if something may have gone unseen.
    Verify(Box<Verify>),
    /// Tell on which stacks one process' bytes are copied.
    #[command(hide = true)]
    Sites(Sites),
    /// Run one piece of I/O of a self-test, which starts this itself.
    #[command(hide = true)]
    Reference {
        /// Its name.
        name: String,
    },
}

/// How to attach: how large to be, and to what.
#[derive(Clone, Copy, Debug, Args)]
pub struct Attach {
    /// Threads to follow at a time; more are counted under the group "other"
    /// [default: four times as many as there are now, at least 16384].
    #[arg(long = "threads", env = "ZC_THREADS", value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: Option<u32>,
    /// What to hook the kernel's functions by.
    #[arg(long, env = "ZC_HOOKS", default_value = "best")]
    pub hooks: Hooks,
}

/// What functions are hooked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Hooks {
    /// fentry and fexit, and kprobes where the kernel refuses those.
    Best,
    /// Kprobes and kretprobes alone, which cost more: to compare.
    Kprobes,
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
    /// What zc may take of one core, its programs and itself, such as 1% or 0.5%. Past it for
    /// three looks in a row, zc gives up the most expensive probe that it can do without:
    /// what that measured is then unknown, and its series are gone [default: no limit].
    #[arg(long, env = "ZC_BUDGET", value_parser = share)]
    pub budget: Option<f64>,
    /// Which copies to show where they can be measured.
    #[arg(long, env = "ZC_COPIES", default_value = "best")]
    pub copies: Copies,
    /// Before serving, run small pieces of I/O whose copies are known, and show in
    /// zc_route_coverage on which routes this kernel's are measured to the byte.
    #[arg(long, env = "ZC_SELF_TEST")]
    pub self_test: bool,
    /// How to attach.
    #[command(flatten)]
    pub attach: Attach,
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
    /// Run small pieces of I/O whose copies are known, and say on which routes this kernel's
    /// are measured to the byte; by breakpoints too, where the kernel takes them.
    #[arg(long)]
    pub self_test: bool,
    /// How to attach.
    #[command(flatten)]
    pub attach: Attach,
}

/// Flags of `zc audit`.
#[derive(Debug, Args)]
pub struct Audit {
    /// The process to watch.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: u32,
    /// How long to watch, such as 10s, 500ms or 2m [default: until SIGINT, SIGTERM or the
    /// end of the process].
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub duration: Option<Duration>,
    /// Which functions to watch, where none are named.
    #[arg(long, default_value = "payload")]
    pub set: Watched,
    /// The functions to watch, at most four, such as _copy_to_iter,_copy_from_iter.
    #[arg(long, value_delimiter = ',')]
    pub functions: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// How to attach.
    #[command(flatten)]
    pub attach: Attach,
}

/// Flags of `zc sites`.
#[derive(Debug, Args)]
pub struct Sites {
    /// The process to watch.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: u32,
    /// How long to watch, such as 10s, 500ms or 2m [default: until the end of the process].
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub duration: Option<Duration>,
    /// How many call sites to show.
    #[arg(long, default_value_t = 10)]
    pub top: usize,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// How to attach.
    #[command(flatten)]
    pub attach: Attach,
}

/// A set of functions to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Watched {
    /// What copies the payload of files, pipes and sockets: the ledger is held against it.
    Payload,
    /// _copy_to_user and _copy_from_user: structures, names, numbers, which the ledger
    /// leaves out.
    User,
}

fn time(text: &str) -> Result<Duration, String> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("", 1.0)];
    let number = units.iter().find_map(|(unit, factor)| {
        text.strip_suffix(unit)?.parse::<f64>().ok().map(|number| number * factor)
    });
    let wrong = || format!("{text:?} is no time; write 10s, 500ms or 2m");
    let time = Duration::try_from_secs_f64(number.ok_or_else(wrong)?).map_err(|_| wrong())?;
    if time.is_zero() { Err(wrong()) } else { Ok(time) }
}

/// A share of a core.
fn share(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is no share of a core; write 1% or 0.5%");
    let percent: f64 = text.strip_suffix('%').and_then(|n| n.parse().ok()).ok_or_else(wrong)?;
    if percent.is_finite() && percent > 0.0 { Ok(percent / 100.0) } else { Err(wrong()) }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| format!("{text:?} is not a number of seconds"))?;
    if !(0.01..=10.0).contains(&number) {
        return Err(format!("{text} s is out of range: 0.01 to 10"));
    }
    Ok(Duration::from_secs_f64(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_percentages() {
        assert_eq!(share("1%"), Ok(0.01));
        assert_eq!(share("0.5%"), Ok(0.005));
        for wrong in ["1", "%", "0%", "-1%", "nan%", "inf%", "one%"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_have_units() {
        let millis = |text| time(text).map(|time| time.as_millis());
        assert_eq!(millis("10s"), Ok(10_000));
        assert_eq!(millis("500ms"), Ok(500));
        assert_eq!(millis("2m"), Ok(120_000));
        assert_eq!(millis("1.5"), Ok(1500));
        for wrong in ["", "s", "-1s", "0s", "ten", "nan"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
