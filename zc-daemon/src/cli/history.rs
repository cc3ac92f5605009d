//! What `zc run` remembers.

use std::time::Duration;

use clap::Args;

use super::time;
use crate::engine::bytes::Bytes;

/// Flags of the flight recorder.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "History")]
pub struct HistoryFlags {
    /// Memory for what groups did lately, which /api/v1/history shows; 0 keeps none.
    #[arg(
        long = "history.memory",
        env = "ZC_HISTORY_MEMORY",
        value_name = "BYTES",
        default_value = "16MiB",
        value_parser = memory
    )]
    pub memory: Bytes,
    /// How long it is kept at most, from 1m to 168h.
    #[arg(
        long = "history.last",
        env = "ZC_HISTORY_LAST",
        value_name = "TIME",
        default_value = "24h",
        value_parser = last
    )]
    pub last: Duration,
}

fn memory(text: &str) -> Result<Bytes, String> {
    const RANGE: std::ops::RangeInclusive<u64> = 1 << 20..=1 << 34;
    let out = format!("{text:?} is out of range: 0 (none), or 1MiB to 16GiB");
    Some(text.parse::<Bytes>()?).filter(|size| size.0 == 0 || RANGE.contains(&size.0)).ok_or(out)
}

fn last(text: &str) -> Result<Duration, String> {
    let range = Duration::from_secs(60)..=Duration::from_secs(7 * 86400);
    let out = format!("{text:?} is out of range: 1m to 168h");
    Some(time(text)?).filter(|time| range.contains(time)).ok_or(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_time_have_bounds() {
        assert_eq!((memory("0"), memory("1MiB")), (Ok(Bytes(0)), Ok(Bytes(1 << 20))));
        assert_eq!(last("24h"), Ok(Duration::from_secs(86400)));
        for wrong in ["1", "17GiB", "much"] {
            assert!(memory(wrong).is_err(), "{wrong}");
        }
        for wrong in ["59s", "169h", "ever"] {
            assert!(last(wrong).is_err(), "{wrong}");
        }
    }
}
