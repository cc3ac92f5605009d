//! What `zc advise` prints: who could copy less, by what, and how that is known.

#[cfg(test)]
mod tests;
mod text;

use serde::Serialize;
use zc_common::{file::Kind, relay::Unseen};

use super::site::Frame;
use crate::engine::advice::{Confidence, Cost, Remedy, Way};

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

/// One way of one process.
#[derive(Debug, Serialize)]
pub struct Moved {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub process: String,
    /// From where.
    pub from: &'static str,
    /// To where.
    pub to: &'static str,
    /// Bytes that went out unchanged, as far as was looked.
    pub bytes: u64,
    /// Calls that put them out.
    pub calls: u64,
    /// Those of them that put out at once all that a call had taken in.
    pub whole_calls: u64,
    /// Calls that put out what had been changed, and their bytes.
    pub changed_calls: u64,
    /// See there.
    pub changed_bytes: u64,
    /// Calls so short, or so late a part of what was taken in, that none of it was looked at.
    pub unsampled_calls: u64,
    /// All bytes that the process took in from there.
    pub bytes_in: u64,
    /// All that it put out to there.
    pub bytes_out: u64,
    /// Had one byte been changed in each call, the chance that none of them was seen: 0 to 1.
    pub chance_missed: f64,
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
    /// Whether calls are so small that they cost more than what they copy.
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

impl Moved {
    /// Of this process.
    #[must_use]
    pub fn new(way: &Way, process: String) -> Self {
        let Way { process: (pid, _), from, to, sums, bytes_in, bytes_out, .. } = *way;
        Self {
            pid,
            process,
            from: name(from),
            to: name(to),
            bytes: sums.bytes,
            calls: sums.calls,
            whole_calls: sums.whole,
            changed_calls: sums.changed,
            changed_bytes: sums.changed_bytes,
            unsampled_calls: sums.unsampled,
            bytes_in,
            bytes_out,
            chance_missed: way.chance_missed(),
        }
    }
}

impl Finding {
    /// An advice, with what it stands on.
    #[must_use]
    pub fn new(
        way: &Way,
        process: String,
        (remedy, confidence): (Remedy, Confidence),
        (seconds, cost): (f64, Option<Cost>),
        frames: Vec<Frame>,
    ) -> Self {
        let rate = way.rate(seconds);
        let Remedy { call, how, now, then } = remedy;
        let saved = |more: u64, less: u64| {
            #[expect(clippy::cast_precision_loss, reason = "a copy or two")]
            let copies = more.saturating_sub(less) as f64;
            copies * rate
        };
        let saved = [saved(now.0, then.1), saved(now.1, then.0)];
        Self {
            moved: Moved::new(way, process),
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
            small_calls: way.is_small(),
            frames,
        }
    }
}

/// What an end is called.
const fn name(end: Kind) -> &'static str {
    match end {
        Kind::File | Kind::PlainFile => "file",
        Kind::DirectFile | Kind::DirectOpaque => "direct file",
        Kind::Opaque => "other file",
        Kind::Socket => "other socket",
        Kind::TcpSocket => "TCP socket",
        Kind::UnixStream => "unix stream",
        Kind::Pipe => "pipe",
        Kind::Null | Kind::Other => "device",
        Kind::Unknown => "unknown",
    }
}
