//! Where the connections of processes lead, looked at while they are there.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::{
    engine::advice::Peers,
    host::peers::{self, Ends},
};

/// Time between two looks, at what has been looked at before: each reads the connections of the
/// whole machine.
const STEP: Duration = Duration::from_secs(1);

/// What was seen so far.
#[derive(Default)]
pub(super) struct Connections {
    seen: BTreeMap<u32, Peers>,
    last: Option<Instant>,
}

impl Connections {
    /// Looks if it is time, or there is somebody new.
    pub(super) fn look_in_time(&mut self, pids: &BTreeSet<u32>) {
        let is_due = self.last.is_none_or(|last| last.elapsed() >= STEP);
        if is_due || pids.iter().any(|pid| !self.seen.contains_key(pid)) {
            self.look(pids);
        }
    }

    /// Looks at these.
    pub(super) fn look(&mut self, pids: &BTreeSet<u32>) {
        if pids.is_empty() {
            return;
        }
        self.last = Some(Instant::now());
        let ends = Ends::now();
        for pid in pids {
            let seen = self.seen.entry(*pid).or_default();
            if let Some(peers::Peers { remote, local, unknown }) = peers::of(*pid, &ends) {
                *seen = seen.most(Peers { remote, local, unknown });
            }
        }
    }

    /// What was seen of a process; nothing of one that nobody looked at.
    pub(super) fn of(&self, pid: u32) -> Peers {
        self.seen.get(&pid).copied().unwrap_or_default()
    }
}
