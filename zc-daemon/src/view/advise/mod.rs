//! What `zc advise` prints: who could copy less, by what, and how that is known.

mod moved;
#[cfg(test)]
mod tests;
mod text;

use serde::Serialize;
use zc_common::relay::Unseen;

pub use self::moved::Moved;
pub(super) use self::text::of_a_core;
use super::site::Frame;
use crate::engine::advice::{Confidence, Cost, Remedy};

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of this format.
    pub version: u32,
    /// The running kernel.
    pub kernel: String,
    /// Who was looked at.
    pub target: String,
    /// For how long.
    pub seconds: f64,
    /// Seconds of a core that copies of a GiB take on this machine, at least and at most; none
    /// if that could not be measured.
    pub copy_seconds_per_gib: Option<[f64; 2]>,
    /// Who could copy less, the most bytes first.
    pub findings: Vec<Finding>,
    /// What was looked at and is not advised.
    pub not_advised: Vec<NotAdvised>,
    /// Calls that were not looked at, or not in whole.
    pub not_seen: Vec<NotSeen>,
}

/// One advice.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What it is of.
    #[serde(flatten)]
    pub moved: Moved,
    /// `high` or `medium`.
    pub confidence: &'static str,
    /// The system call to use.
    #[serde(rename = "use")]
    pub call: &'static str,
    /// How.
    pub how: &'static str,
    /// Bytes a second.
    pub bytes_per_second: f64,
    /// Copies of each byte now, at least and at most.
    pub copies_now: [u64; 2],
    /// The same with that call.
    pub copies_then: [u64; 2],
    /// Bytes a second that would not be copied any more, at least and at most.
    pub saved_bytes_per_second: [f64; 2],
    /// The share of a core that these copies take, at least and at most.
    pub saved_cpu_share: Option<[f64; 2]>,
    /// Whether calls out to there are so small that they cost more than what they copy.
    pub small_calls: bool,
    /// Where the process puts most of it out, the innermost frame first.
    pub frames: Vec<Frame>,
}

/// What is not advised.
#[derive(Debug, Serialize)]
pub struct NotAdvised {
    /// What it is of.
    #[serde(flatten)]
    pub moved: Moved,
    /// Why.
    pub why: &'static str,
}

/// Calls that were not looked at.
#[derive(Debug, Serialize)]
pub struct NotSeen {
    /// Why, as a word.
    pub reason: &'static str,
    /// How many.
    pub calls: u64,
    /// Why.
    pub what: &'static str,
}

/// What is said of calls that are not seen.
#[must_use]
pub const fn unseen(why: Unseen) -> &'static str {
    match why {
        Unseen::Short => "of pieces of fewer than 128 bytes",
        Unseen::Pieces => "of more than eight pieces of memory: what is beyond",
        Unseen::Memory => "with memory that could not be looked at",
        Unseen::Late => "that put out what was taken in more than a second before",
        Unseen::Messages => {
            "of several messages, or with flags (MSG_PEEK, MSG_TRUNC, MSG_ERRQUEUE, MSG_ZEROCOPY)"
        }
        Unseen::IoUring => "that handed requests to an io_uring: what those move",
        Unseen::Descriptor => "on descriptors that could not be resolved",
        Unseen::Compat => "by 32-bit programs",
    }
}

impl Finding {
    /// An advice, with what it stands on, and bytes a second.
    #[must_use]
    pub fn new(
        (moved, rate): (Moved, f64),
        (remedy, confidence): (Remedy, Confidence),
        cost: Option<Cost>,
    ) -> Self {
        let Remedy { call, how, now, then } = remedy;
        let saved = |more: u64, less: u64| {
            #[expect(clippy::cast_precision_loss, reason = "a copy or two")]
            let copies = more.saturating_sub(less) as f64;
            copies * rate
        };
        let saved = [saved(now.0, then.1), saved(now.1, then.0)];
        Self {
            moved,
            confidence: match confidence {
                Confidence::High => "high",
                Confidence::Medium => "medium",
            },
            call,
            how,
            bytes_per_second: rate,
            copies_now: now.into(),
            copies_then: then.into(),
            saved_bytes_per_second: saved,
            saved_cpu_share: cost.map(|cost| cost.share(saved)),
            small_calls: false,
            frames: Vec::new(),
        }
    }
}
