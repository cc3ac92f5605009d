//! THE table of ratios: what is held to what, and what it should be.

use std::collections::BTreeMap;

/// What was counted on one kernel: instructions, or why there are none, by stage and loop.
pub(super) type Counts = BTreeMap<(String, String), Result<f64, String>>;

/// Instructions of one call, in a stage of the guest's program.
#[derive(Clone, Copy)]
pub(super) enum Amount {
    /// All of them.
    Whole(&'static str, &'static str),
    /// Those beyond the untraced call.
    Added(&'static str, &'static str),
    /// Twice those.
    Twice(&'static str, &'static str),
}

use Amount::{Added, Twice, Whole};

/// A ratio.
pub(super) struct Ratio {
    /// What it is about.
    pub(super) name: &'static str,
    of: Amount,
    to: Amount,
    /// The most it should be.
    pub(super) most: Option<f64>,
}

const fn ratio(name: &'static str, of: Amount, to: Amount, most: Option<f64>) -> Ratio {
    Ratio { name, of, to, most }
}

/// A call with everything attached, to the same call untraced.
const fn whole(name: &'static str, call: &'static str, most: Option<f64>) -> Ratio {
    ratio(name, Whole("zc", call), Whole("untraced", call), most)
}

pub(super) const RATIOS: &[Ratio] = &[
    ratio(
        "one measured copy, to an empty fexit",
        Added("zc-copy", "pread-1"),
        Added("empty", "pread-1"),
        Some(1.25),
    ),
    ratio(
        "one measured copy, to bpftrace's keyed sum",
        Added("zc-copy", "pread-1"),
        Added("bpftrace", "pread-1"),
        Some(0.4),
    ),
    ratio(
        "a copy and the call it is booked with, to two empty fexits",
        Added("zc", "pread-1"),
        Twice("empty", "pread-1"),
        None,
    ),
    ratio(
        "a context switch, to an empty tp_btf",
        Added("zc-copy", "yield"),
        Added("empty", "yield"),
        Some(1.7),
    ),
    ratio(
        "a context switch, to bpftrace's keyed count",
        Added("zc-copy", "yield"),
        Added("bpftrace", "yield"),
        None,
    ),
    whole("everything on: getppid, to untraced", "getppid", Some(1.0)),
    ratio(
        "the same with mode switches counted",
        Whole("zc-modes", "getppid"),
        Whole("untraced", "getppid"),
        Some(1.5),
    ),
    whole("everything on: 1-byte pread of a file, to untraced", "pread-1", Some(2.0)),
    whole("everything on: 64 KiB pread of a file, to untraced", "pread-64k", Some(1.02)),
    whole("everything on: 1-byte pread of /dev/zero, to untraced", "zero-1", None),
    whole("everything on: 1-byte pipe ping-pong, to untraced", "ping-pong", None),
    whole("everything on: sched_yield that switches, to untraced", "yield", None),
    whole("everything on: an anonymous page fault, to untraced", "fault", None),
];

impl Ratio {
    /// Its value, or why there is none.
    pub(super) fn value(&self, counts: &Counts) -> Result<f64, String> {
        Ok(self.of.read(counts)? / self.to.read(counts)?)
    }

    /// Whether a value is within what it should be, as it is printed.
    pub(super) fn is_met(&self, value: f64) -> Option<bool> {
        self.most.map(|most| (value * 1000.0).round() <= most * 1000.0)
    }
}

impl Amount {
    fn read(self, counts: &Counts) -> Result<f64, String> {
        let count = |stage: &str, call: &str| {
            let count = counts.get(&(stage.to_owned(), call.to_owned()));
            count.cloned().unwrap_or_else(|| Err("not counted".to_owned()))
        };
        let added = |stage, call| Ok(count(stage, call)? - count("untraced", call)?);
        match self {
            Whole(stage, call) => count(stage, call),
            Added(stage, call) => added(stage, call),
            Twice(stage, call) => Ok(2.0 * added(stage, call)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_held_to_what_is_added() {
        let mut counts = Counts::new();
        for (stage, count) in [("untraced", 1000.0), ("empty", 1200.0), ("zc-copy", 1250.0)] {
            counts.insert((stage.to_owned(), "pread-1".to_owned()), Ok(count));
        }
        let [empty, bpftrace, ..] = RATIOS else { unreachable!() };
        let value = empty.value(&counts).unwrap();
        assert!((value - 1.25).abs() < 1e-9 && empty.is_met(value) == Some(true));
        assert_eq!(empty.is_met(1.2506), Some(false));
        assert_eq!(bpftrace.value(&counts).unwrap_err(), "not counted");
        counts.insert(("bpftrace".to_owned(), "pread-1".to_owned()), Err("no".to_owned()));
        assert_eq!(bpftrace.value(&counts).unwrap_err(), "no");
    }
}
