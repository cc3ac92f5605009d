//! Advice: which processes put bytes out as they took them in, or send large ones of their own,
//! and what to use instead.
//!
//! To advise what does not hold is worse than to say nothing. So a process that was seen to
//! change bytes is not advised, nor one of which too few were looked at to have seen it.

mod cost;
mod remedy;
mod sends;
mod ways;

use std::collections::BTreeSet;

pub use cost::Cost;
pub use remedy::{Remedy, remedy};
pub use sends::{Peers, Sends, sends};
pub use ways::{Total, Way, ways};
use zc_common::relay::{Ends, Sums};

/// A process: its id, and when it started.
pub type Process = (u32, u64);

/// What was counted of one way of one process on one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Whose.
    pub process: Process,
    /// From where and to where.
    pub ends: Ends,
    /// How much.
    pub sums: Sums,
    /// Of sends by TCP: whether they are of calls of [`LARGE`](zc_common::relay::LARGE) bytes and
    /// more.
    pub large: bool,
}

/// How sure an advice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// No byte was seen changed, but not all that was taken in together went out together, or
    /// few bytes were looked at.
    Medium,
    /// All went out as it had come in.
    High,
}

/// What there is to say of a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Use this.
    Advised(Remedy, Confidence),
    /// Nothing is advised, for this reason.
    Not(&'static str),
}

/// What is too little to speak of.
#[derive(Clone, Copy, Debug)]
pub struct Least {
    /// Bytes a second.
    pub bytes_per_second: u64,
    /// For how long all was watched, in seconds.
    pub seconds: f64,
    /// Calls at which the kernel skipped zc, of whatever process: as many changes may be of bytes
    /// whose coming in was not seen.
    pub skipped: u64,
}

/// Fewer calls tell nothing.
const FEW: u64 = 16;

/// A process of these, or one that was made by one of these, and so on.
#[must_use]
pub fn family(
    mut of: BTreeSet<u32>,
    parents: impl Iterator<Item = (u32, u32)> + Clone,
) -> BTreeSet<u32> {
    loop {
        let before = of.len();
        let children: Vec<_> =
            parents.clone().filter(|(_, parent)| of.contains(parent)).map(|(pid, _)| pid).collect();
        of.extend(children);
        if of.len() == before {
            return of;
        }
    }
}

fn share(part: u64, of: u64) -> f64 {
    real(part) / real(of.max(1))
}

#[expect(clippy::cast_precision_loss, reason = "shares and rates are shown to a few digits")]
fn real(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_all_that_came_of_it() {
        let parents = [(3, 2), (2, 1), (9, 8)];
        assert_eq!(family([1].into(), parents.iter().copied()), [1, 2, 3].into());
    }
}
