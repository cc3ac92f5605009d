//! The command line: flags only.

mod advise;
mod flame;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod grouping;
mod history;
mod paths;
mod record;
mod top;
mod verify;
mod web;

use std::{path::PathBuf, time::Duration};

pub use advise::Advise;
use clap::{Arg, ArgAction, Args, Parser, Subcommand, ValueEnum, builder::BoolishValueParser};
pub use flame::{Flame, Format, Weighed};
pub use grouping::Grouping;
pub use history::HistoryFlags;
pub use paths::{Paths, To};
pub use record::{By, Diff, Record, Report};
pub use top::{Connect, Top};
pub use verify::{Limits, Verify};
pub use web::WebFlags;

use crate::engine::time::parse as time;

/// Tells, per process and to the byte, how much data the Linux kernel moves and
/// its CPU copies.
#[derive(Debug, Parser)]
#[command(name = "zc", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How much to log: error, warn, info, debug, trace, or a filter such as
    /// "zc_daemon=debug".
    #[arg(long = "log.level", env = "ZC_LOG_LEVEL", default_value = "info", global = true,
          value_parser = filter)]
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
    Run(Box<Run>),
    /// Check a configuration, print every setting as it stands, and start nothing.
    ///
    /// Status 0: all is well; 2: it is not, and why.
    CheckConfig(Box<CheckConfig>),
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
    /// Cost: each call of a watched function raises a debug exception, some microseconds (a read
    /// of a file calls one for each page or folio), in whatever process: the kernel would let a
    /// process without CAP_SYS_ADMIN start no thread while it had breakpoints of its own. What is
    /// being copied as the audit begins or ends is counted by one side alone.
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
    /// Show who copies what now: live, by group or process.
    ///
    /// Rows are what was done between two looks, each second: bytes copied, copies of each byte,
    /// bytes moved by reference, context switches, page faults, the route that copied most, and
    /// what `zc verify` would say with its default policy. `~` marks what is inferred, `-` what is
    /// unknown. Keys stand in the last line; ? explains them. Where standard output is no
    /// terminal, it prints one plain table, as with --once. NO_COLOR is honoured; no colour says
    /// what no word does.
    ///
    /// Counts by probes of its own, which takes what `zc run` takes, or reads a daemon
    /// (--connect), which takes nothing.
    ///
    /// Status 0: it was told to end, or has printed what was asked for; 2: it could not (no
    /// permission, a kernel that refuses the probes, a daemon that does not answer, wrong usage).
    Top(Box<Top>),
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
    /// Draw on which stacks bytes are copied, threads are switched or pages are missing: a flame
    /// graph, folded stacks or a profile.
    ///
    /// Watches a process, a cgroup, a unit, a command that it runs, or all of this machine. Of
    /// so many measured bytes (--sample) one stack is taken on average, the process' part and the
    /// kernel's, so that the cost is bounded; the ledger's exact total is told beside the samples,
    /// and how far a share of them may be off. docs/flame.md shows how to find a copy with it.
    ///
    /// Status 0: it was written; 2: it could not be, or there is nothing to draw.
    Flame(Box<Flame>),
    /// Record what processes or groups do, interval by interval, into a file.
    ///
    /// Runs a command, or watches a process that runs, or all of this machine. What is written
    /// can be read at any time, also of a recording that was cut short. `zc report` shows it;
    /// docs/recordings.md has the format.
    ///
    /// Status 0: recorded, however the command ended; 2: it was not, and why.
    Record(Box<Record>),
    /// Show what is in a recording: totals, rates over time, and how well they are known.
    ///
    /// Status 0: shown, also of one that was cut short, which is said; 2: it is no recording.
    Report(Report),
    /// Compare two recordings: what is more, what is less, and what only varies.
    ///
    /// Of all that was recorded, of each group and of each route: copies per byte, bytes copied,
    /// passed on by reference and moved, context switches and page faults. A value is that of the
    /// whole recording; that it changed is said only where its intervals differ by more than they
    /// do by chance (Mann-Whitney U test) and by --least, and never blindly: where a probe was
    /// down, events were missed, or copies are measured in one recording and inferred in the
    /// other, zc cannot tell. docs/recordings.md has an example.
    ///
    /// Status 0: compared; with --fail-on-more 1: more is copied, 2: cannot tell. 2 too if one is
    /// no recording.
    Diff(Diff),
    /// Find processes that put bytes out as they took them in, and say what to use instead:
    /// sendfile, splice or copy_file_range.
    ///
    /// Looks at each call that takes bytes into memory or puts bytes out of it, and at samples of
    /// the bytes themselves, in the memory of the process: what goes out of where it came in,
    /// and is the same, was relayed. Looks at this machine, a process or a command.
    ///
    /// Cost: meanwhile each system call of whatever process runs a program, which looks at up to
    /// 2 KiB of what a call that moves bytes took in, and again as it is put out.
    ///
    /// Status 0: it looked, whatever was found; 2: it could not.
    Advise(Advise),
    /// Tell on which stacks one process' bytes are copied.
    #[command(hide = true)]
    Sites(Sites),
    /// Have the kernel time programs for `zc run`, which starts this itself.
    #[command(hide = true)]
    Clerk,
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

/// Flags of `zc check-config`.
#[derive(Debug, Args)]
pub struct CheckConfig {
    /// The file to check.
    pub file: Option<PathBuf>,
    /// Flags as `zc run` would be given them.
    #[command(flatten)]
    pub run: Run,
}

/// A flag that is on or off, so that it can be told to be off: where it is on in a file.
#[must_use]
pub fn switchable(arg: Arg) -> Arg {
    if !matches!(arg.get_action(), ArgAction::SetTrue) {
        return arg;
    }
    let arg = arg.action(ArgAction::Set).value_parser(BoolishValueParser::new()).num_args(0..=1);
    let arg = arg.require_equals(true).default_value("false").default_missing_value("true");
    arg.value_name("BOOL").hide_default_value(true)
}

/// Flags of `zc run`.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// A TOML file of settings: each flag's long name is a key; docs/config.md says more.
    #[arg(long = "config.file", env = "ZC_CONFIG_FILE", value_name = "FILE")]
    pub config_file: Option<PathBuf>,
    /// What is served, and where.
    #[command(flatten)]
    pub web: WebFlags,
    /// Seconds between two readings when nobody scrapes.
    #[arg(long, env = "ZC_INTERVAL", default_value = "1", value_parser = seconds)]
    pub interval: Duration,
    /// How processes are grouped.
    #[command(flatten)]
    pub grouping: Grouping,
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
    /// Count system calls by class, and with them mode switches: every call then pays for it,
    /// also those that move no bytes.
    #[arg(long, env = "ZC_MODE_SWITCHES")]
    pub mode_switches: bool,
    /// Read slots before all threads without a real-time policy run (SCHED_RR, priority 1): a
    /// machine that starts thousands of processes a second may otherwise leave the reader so
    /// little time that slots run out. Takes CAP_SYS_NICE.
    #[arg(long, env = "ZC_REALTIME")]
    pub realtime: bool,
    /// Keep every privilege that zc was started with, and every system call: to debug it.
    #[arg(long, env = "ZC_NO_SANDBOX")]
    pub no_sandbox: bool,
    /// How to attach.
    #[command(flatten)]
    pub attach: Attach,
    /// What is remembered.
    #[command(flatten)]
    pub history: HistoryFlags,
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
    /// Attach what counts system calls, too, as `zc run --mode-switches` does.
    #[arg(long)]
    pub mode_switches: bool,
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

/// A level, or a filter of `tracing`.
fn filter(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is no level and no filter");
    // tracing-subscriber 0.3 cuts some of the text that is no ASCII within a letter, and panics.
    if !text.is_ascii() {
        return Err(wrong());
    }
    let checked = tracing_subscriber::EnvFilter::try_new(text);
    checked.map(|_| text.to_owned()).map_err(|_| wrong())
}

/// A share of a core.
fn share(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is no share of a core; write 1% or 0.5%");
    percent(text).filter(|share| *share > 0.0).ok_or_else(wrong)
}

/// A share, written as a percentage: not less than none.
fn percent(text: &str) -> Option<f64> {
    let percent: f64 = text.strip_suffix('%')?.parse().ok()?;
    (percent.is_finite() && percent >= 0.0).then_some(percent / 100.0)
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
    fn filters_are_ascii() {
        assert!(filter("zc_daemon=debug,warn").is_ok());
        for wrong in ["zc=loud", "\u{fffd}n=debug", "  a emo   \u{fffd}n=debug"] {
            assert!(filter(wrong).unwrap_err().contains("no filter"), "{wrong}");
        }
    }
}
