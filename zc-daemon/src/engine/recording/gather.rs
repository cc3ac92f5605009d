//! What was done since the interval before: by each group, or by each process of a tree.

use std::collections::{HashMap, HashSet};

use zc_common::{counter::Tally, slot::ProcessKey};

use super::{Interval, Process, Who, writer::lost_since};
use crate::engine::{deltas::Deltas, identity, ledger::Seen, snapshot::Snapshot, sparse::Sparse};

/// The interval that has begun.
#[derive(Default)]
pub struct Gatherer {
    groups: Deltas,
    processes: HashMap<ProcessKey, Sparse>,
    lost: Vec<(&'static str, u64)>,
    open: Interval,
}

impl Gatherer {
    /// Begins: what was done and missed until now counts for nothing.
    #[must_use]
    pub fn start<'a>(snapshot: &Snapshot, processes: impl Iterator<Item = Seen<'a>>) -> Self {
        let mut groups = Deltas::default();
        groups.look(&snapshot.groups, &mut |_, _| ());
        let processes = processes.map(|process| (process.key, process.tally.clone())).collect();
        Self { groups, processes, lost: snapshot.lost.clone(), open: Interval::default() }
    }

    /// Takes in a pass: what each process did that belongs to what is recorded.
    pub fn processes<'a>(
        &mut self,
        seen: impl Iterator<Item = Seen<'a>>,
        belongs: impl Fn(&ProcessKey) -> bool,
    ) {
        let mut there = HashSet::new();
        let mut delta = Sparse::default();
        for process in seen {
            there.insert(process.key);
            let before = self.processes.entry(process.key).or_default();
            if *before == *process.tally {
                continue;
            }
            before.advance(&process.tally.whole(), &mut delta);
            if belongs(&process.key) && !delta.is_zero() {
                let ProcessKey { tgid: pid, start } = process.key;
                let comm = identity::text(process.comm).into_owned();
                let who = Who {
                    group: process.group.to_owned(),
                    process: Some(Process { start, pid, comm }),
                };
                self.open.book(who, &delta);
            }
        }
        self.processes.retain(|key, _| there.contains(key));
    }

    /// Takes in a pass: what each group did.
    pub fn groups(&mut self, snapshot: &Snapshot) {
        let open = &mut self.open;
        self.groups.look(&snapshot.groups, &mut |name, delta| {
            open.book(Who { group: name.to_string(), process: None }, delta);
        });
    }

    /// Ends the interval, so many microseconds after the beginning, and begins the next one.
    pub fn cut(&mut self, now_us: u64, lost: &[(&'static str, u64)]) -> Interval {
        self.open.to_us = now_us;
        self.open.merged = 1;
        self.open.lost = lost_since(&self.lost, lost);
        self.lost = lost.to_vec();
        let next = Interval { from_us: now_us, ..Interval::default() };
        std::mem::replace(&mut self.open, next)
    }

    /// When the interval began, in microseconds since the beginning.
    #[must_use]
    pub fn began_us(&self) -> u64 {
        self.open.from_us
    }
}

/// What all rows of an interval sum to.
#[must_use]
pub fn total(interval: &Interval) -> Tally {
    let mut total = Tally::default();
    interval.rows.values().for_each(|delta| delta.add_to(&mut total));
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tgid: u32) -> ProcessKey {
        ProcessKey { tgid, start: 5 }
    }

    #[test]
    fn each_process_counts_from_when_it_was_first_seen() {
        let seen = |tgid, tally| Seen {
            key: key(tgid),
            parent: key(1),
            cgroup: 0,
            comm: b"dd\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            group: "work",
            lives: true,
            tally,
        };
        let at = |value| Sparse::from_entries([(30, value)]);
        let (before, now, other) = (at(100), at(107), at(9));
        let lost = |count| vec![("no_slot", count)];
        let snapshot = Snapshot { lost: lost(3), ..Snapshot::default() };
        let mut gatherer = Gatherer::start(&snapshot, [seen(7, &before)].into_iter());
        // One that was there, one that is new, and one that does not belong to it.
        let all = [seen(7, &now), seen(8, &other), seen(9, &other)];
        gatherer.processes(all.into_iter(), |key| key.tgid != 9);
        gatherer.processes(all.into_iter(), |key| key.tgid != 9);
        let interval = gatherer.cut(1000, &lost(5));
        assert_eq!((interval.from_us, interval.to_us, interval.lost["no_slot"]), (0, 1000, 2));
        let rows: Vec<_> = interval
            .rows
            .iter()
            .map(|(who, delta)| (who.process.as_ref().unwrap().pid, delta.clone()))
            .collect();
        assert_eq!(rows, [(7, at(7)), (8, at(9))]);
        // It has ended, and another one has its id.
        gatherer.processes(std::iter::empty(), |_| true);
        gatherer.processes([seen(7, &other)].into_iter(), |_| true);
        let interval = gatherer.cut(2000, &lost(5));
        assert_eq!((interval.from_us, interval.lost.len()), (1000, 0));
        assert_eq!(Sparse::of(&total(&interval)), other);
    }
}
