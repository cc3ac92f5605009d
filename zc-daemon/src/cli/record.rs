//! Flags of `zc record` and of what reads its recordings.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{ArgGroup, Args, ValueEnum};

use super::{Attach, Grouping, percent, time};
use crate::engine::{bytes::Bytes, recording::writer::LEAST};

/// Flags of `zc record`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("target"))]
pub struct Record {
    /// The recording; one that is there is replaced.
    #[arg(long, short, value_name = "FILE", default_value = "run.zc")]
    pub output: PathBuf,
    /// Record this process and its descendants.
    #[arg(long, group = "target", value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Option<u32>,
    /// Run this command, and record it and its descendants until it ends [default: record every
    /// group of this machine].
    #[arg(
        group = "target",
        value_name = "CMD",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub command: Vec<OsString>,
    /// How long to record, such as 10m, 10s or 500ms; a command and what it has become is then
    /// sent SIGTERM, and 5 s later SIGKILL [default: until the command or the process ends, or
    /// SIGINT].
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub duration: Option<Duration>,
    /// How long an interval is, from 10ms to 60m.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub interval: Duration,
    /// How large the recording may become, at least 1MiB. The nearer it comes, the more intervals
    /// are merged before they are written; sums stay right.
    #[arg(long, value_name = "BYTES", default_value = "64MiB", value_parser = max_size)]
    pub max_size: Bytes,
    /// Count system calls by class, and with them mode switches, as `zc run --mode-switches`
    /// does.
    #[arg(long)]
    pub mode_switches: bool,
    /// How processes are grouped.
    #[command(flatten)]
    pub grouping: Grouping,
    /// How to attach.
    #[command(flatten)]
    pub attach: Attach,
}

/// Flags of `zc report`.
#[derive(Debug, Args)]
pub struct Report {
    /// The recording.
    pub file: PathBuf,
    /// Whose totals to show.
    #[arg(long, default_value = "group")]
    pub by: By,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `zc diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// The recording of how it was.
    pub before: PathBuf,
    /// The recording of how it is now.
    pub after: PathBuf,
    /// The least change that counts.
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = change)]
    pub least: f64,
    /// How probable a change may be by chance that counts. There are many figures: at 0.05 one
    /// of twenty that did not change is taken for one that did.
    #[arg(long, value_name = "P", default_value_t = 0.01, value_parser = probability)]
    pub alpha: f64,
    /// End with status 1 if all that was recorded copies more, for each byte or each second, and
    /// with status 2 if zc cannot tell.
    #[arg(long)]
    pub fail_on_more: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Of whom each row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// A group: a pod, a container, a unit, or a program.
    Group,
    /// A process, where they are told apart.
    Process,
}

fn interval(text: &str) -> Result<Duration, String> {
    let range = Duration::from_millis(10)..=Duration::from_secs(3600);
    let out = format!("{text:?} is out of range: 10ms to 60m");
    Some(time(text)?).filter(|time| range.contains(time)).ok_or(out)
}

fn change(text: &str) -> Result<f64, String> {
    percent(text).ok_or_else(|| format!("{text:?} is no share; write 5% or 0.5%"))
}

fn probability(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is no probability; write a number above 0, 1 at most");
    let number: f64 = text.parse().map_err(|_| wrong())?;
    Some(number).filter(|number| *number > 0.0 && *number <= 1.0).ok_or_else(wrong)
}

fn max_size(text: &str) -> Result<Bytes, String> {
    let out = format!("{text:?} is too small for a recording; write 1MiB or more");
    Some(text.parse::<Bytes>()?).filter(|size| size.0 >= LEAST).ok_or(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_and_sizes_have_bounds() {
        assert_eq!(interval("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(max_size("1MiB"), Ok(Bytes(LEAST)));
        for wrong in ["9ms", "61m", "", "0s"] {
            assert!(interval(wrong).is_err(), "{wrong}");
        }
        for wrong in ["1MB", "0", "many"] {
            assert!(max_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn changes_are_shares_and_chances_probabilities() {
        assert_eq!((change("5%"), change("0%"), change("150%")), (Ok(0.05), Ok(0.0), Ok(1.5)));
        for wrong in ["5", "-1%", "nan%", "inf%", "%", ""] {
            assert!(change(wrong).is_err(), "{wrong}");
        }
        assert_eq!((probability("0.01"), probability("1")), (Ok(0.01), Ok(1.0)));
        for wrong in ["0", "1.1", "-0.5", "nan", "often"] {
            assert!(probability(wrong).is_err(), "{wrong}");
        }
    }
}
