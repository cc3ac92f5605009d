//! Every group at one instant; every process, for who asks.

use std::sync::Arc;

use zc_common::{counter::Tally, slot::ProcessKey};

use super::{identity::Identity, probes::Probes, sparse::Sparse, tax::Tax};

/// A group and its total since it was first seen.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its total; it never falls.
    pub tally: Tally,
    /// What its members share, while it has any.
    pub identity: Option<Identity>,
}

/// A process that lives, and its total since zc first saw it run.
#[derive(Clone, Debug)]
pub struct Process {
    /// Who it is.
    pub key: ProcessKey,
    /// Its comm.
    pub name: String,
    /// Its group's name.
    pub group: String,
    /// Its threads that have run since the daemon started.
    pub threads: u32,
    /// Its total.
    pub tally: Sparse,
}

/// All that the views show.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every group that has traffic and has not expired.
    pub groups: Vec<Group>,
    /// How many processes live and have run.
    pub processes: usize,
    /// Slots in use.
    pub threads: usize,
    /// Slots there are.
    pub thread_capacity: u32,
    /// How often something was booked to `other` for want of a group.
    pub group_overflow: u64,
    /// How many groups have expired.
    pub group_expired: u64,
    /// What was missed since the daemon started, by reason.
    pub lost: Vec<(&'static str, u64)>,
    /// What the probes see.
    pub probes: Arc<Probes>,
    /// What observing costs, where the kernel tells.
    pub tax: Option<Tax>,
}
