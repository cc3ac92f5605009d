//! A recording: what groups or processes did, interval by interval, in a file that can be read
//! as far as it was written.
//!
//! [`frame`] makes records of bytes, [`counters`] names what they count, [`writer`] keeps a
//! recording within its size, [`reader`] reads one back, [`gather`] finds out what was done
//! since the interval before, and [`sums`] adds intervals up.
//! `docs/recordings.md` documents the format.

pub mod counters;
pub mod frame;
pub mod gather;
pub mod reader;
pub mod sums;
mod wire;
pub mod writer;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zc_common::flow::Route;

use super::{
    coverage::Coverage,
    probes::{ASKED, Probes},
    sparse::Sparse,
};

/// How a recording began, and what its counters are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// zc's version.
    pub zc: String,
    /// The kernel's release.
    pub kernel: String,
    /// Which boot of the machine it was.
    pub boot_id: String,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// `command`, `pid` or `system`.
    pub kind: String,
    /// The command line, the id, or nothing.
    pub name: String,
    /// How long an interval was meant to be, in milliseconds.
    pub interval_ms: u64,
    /// Every counter's name; records call them by their place here.
    pub counters: Vec<String>,
    /// Every probe, and its hook if it was attached.
    pub probes: Vec<(String, Option<String>)>,
    /// How well copies were measured, by route.
    pub routes: Vec<(String, String)>,
}

impl Header {
    /// What the probes saw, as views ask for it.
    #[must_use]
    pub fn probes(&self) -> Probes {
        let named = |name: &str| ASKED.iter().find(|asked| **asked == name);
        let states = self.probes.iter();
        let states = states.filter_map(|(name, hook)| Some((*named(name)?, hook.clone())));
        let route = |(route, quality): &(String, String)| {
            let route = Route::ALL.iter().find(|known| known.name() == route)?;
            let quality = Coverage::ALL.iter().find(|known| known.name() == quality)?;
            Some((*route, *quality))
        };
        Probes { states: states.collect(), routes: self.routes.iter().filter_map(route).collect() }
    }

    /// How well a route's copies were measured, by its name there.
    #[must_use]
    pub fn quality(&self, route: &str) -> Option<&str> {
        let found = self.routes.iter().find(|(name, _)| name == route);
        found.map(|(_, quality)| quality.as_str())
    }

    /// The probes that were attached nowhere.
    #[must_use]
    pub fn down(&self) -> Vec<&str> {
        let down = self.probes.iter().filter(|(_, hook)| hook.is_none());
        down.map(|(name, _)| name.as_str()).collect()
    }
}

/// A process of a recording.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Process {
    /// Its start since boot, in nanoseconds.
    pub start: u64,
    /// Its id.
    pub pid: u32,
    /// Its comm.
    pub comm: String,
}

/// Whose counts a row has.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Who {
    /// The group.
    pub group: String,
    /// The process; none where groups are recorded, or it was one of too many.
    pub process: Option<Process>,
}

/// Events missed, by reason.
pub type Lost = BTreeMap<String, u64>;

/// What was done in some time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// Its beginning, in microseconds since the recording's.
    pub from_us: u64,
    /// Its end.
    pub to_us: u64,
    /// How many intervals it was made of.
    pub merged: u32,
    /// What each did; who did nothing is in none.
    pub rows: BTreeMap<Who, Sparse>,
    /// What was missed, of any process.
    pub lost: Lost,
}

impl Interval {
    /// Takes in one that follows.
    pub fn merge(&mut self, later: Self) {
        if self.merged == 0 {
            *self = later;
            return;
        }
        self.to_us = later.to_us;
        self.merged = self.merged.saturating_add(later.merged);
        for (who, delta) in later.rows {
            self.book(who, &delta);
        }
        for (reason, count) in later.lost {
            *self.lost.entry(reason).or_default() += count;
        }
    }

    /// Books what somebody did.
    pub fn book(&mut self, who: Who, delta: &Sparse) {
        self.rows.entry(who).or_default().add(delta);
    }

    /// How long it was.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a time to divide by")]
    pub fn seconds(&self) -> f64 {
        self.to_us.saturating_sub(self.from_us) as f64 / 1e6
    }
}

/// How a recording ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trailer {
    /// When it ended, in microseconds since its beginning.
    pub ended_us: u64,
    /// Records of intervals before it.
    pub records: u32,
    /// Intervals that they were made of.
    pub intervals: u32,
    /// What all did.
    pub total: Sparse,
    /// What was missed.
    pub lost: Lost,
    /// How a command ended, if it was one, as a sentence.
    pub ended: Option<String>,
}
