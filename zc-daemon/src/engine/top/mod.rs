//! What `zc top` shows: two looks at totals, a time apart, become rows of what was done between.
//!
//! A [`Look`] is all totals at one instant, whoever told of them; [`rates`] takes the difference
//! of two; [`told`] reads what a daemon tells; [`arrange`] sorts and filters rows, [`tree`] nests them; [`history`] remembers the last minute.

pub mod arrange;
pub mod history;
pub mod rates;
pub mod told;
pub mod tree;

use zc_common::flow::Route;

use super::{sparse::Sparse, traffic::Traffic};

/// Whose row it is; the same at each look.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// A group, by its name.
    Group(String),
    /// A process: its id, and when it started.
    Process(u32, u64),
}

/// The totals of a group or a process.
#[derive(Clone, Debug)]
pub struct Totals {
    /// Whose.
    pub key: Key,
    /// What it is called.
    pub name: String,
    /// The group that it is, or is in.
    pub group: String,
    /// Every counter that is known of it.
    pub tally: Sparse,
    /// What moved and was copied.
    pub moves: Moves,
}

/// What is known of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moves {
    /// All: the tally tells it.
    Tallied,
    /// What a daemon has summed by route; the tally tells no more than why.
    Told(Vec<Traffic>),
    /// Nothing: the probe is down, or the daemon does not tell.
    Unknown,
}

/// Totals that were taken together.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// When, in seconds since whoever counts began.
    pub seconds: f64,
    /// Of whom.
    pub rows: Vec<Totals>,
}

/// All totals at one instant.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Of every group.
    pub groups: Listing,
    /// Of every process, if they are wanted.
    pub processes: Option<Listing>,
    /// How the counts stand.
    pub standing: Standing,
}

/// How far counts can be relied on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Routes on which copies are measured.
    pub measured: Vec<Route>,
    /// Routes on which they could be.
    pub routes: usize,
    /// Probes that are down.
    pub down: Vec<String>,
    /// Events known to be missing, since the counting began.
    pub lost: u64,
    /// Processes that live and have run.
    pub processes: usize,
}
