//! The flight recorder: what each group did lately, at several resolutions, in bounded memory.
//!
//! Each ring holds intervals of one length, all fed at once. An interval is as long as the
//! readings it is made of lie apart, which is said; where nothing was read there is none.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{deltas::Deltas, probes::Probes, snapshot::Snapshot, sparse::Sparse};

/// Seconds of an interval of each ring but the last, and for how many seconds they are kept.
const RINGS: [(u64, u64); 2] = [(1, 15 * 60), (10, 3 * 3600)];

/// Seconds of an interval of the last ring.
const COARSE: u64 = 60;

/// Every length of an interval, in seconds.
pub const STEPS: [u64; 3] = [RINGS[0].0, RINGS[1].0, COARSE];

/// What was done in an interval.
#[derive(Clone, Debug, Default)]
pub struct Bin {
    number: u64,
    /// Its beginning, since zc's own.
    pub from: Duration,
    /// Its end.
    pub to: Duration,
    /// What each group did; who did nothing is not in it.
    pub groups: BTreeMap<Arc<str>, Sparse>,
    /// Events missed.
    pub lost: u64,
    /// What the probes saw at its end.
    pub probes: Arc<Probes>,
}

impl Bin {
    /// Bytes of an interval, without its groups.
    pub const SIZE: usize = size_of::<Self>() + 16;
    /// Bytes of a group in it, with the free room of a map, without its counters.
    pub const A_GROUP: usize = 2 * (size_of::<(Arc<str>, Sparse)>());
}

#[derive(Debug)]
struct Ring {
    step: u64,
    keep: u64,
    bins: VecDeque<Arc<Bin>>,
    size: usize,
}

/// The one that a sampler feeds and others read.
pub type Shared = Arc<Mutex<History>>;

/// What was done lately.
#[derive(Debug)]
pub struct History {
    rings: Vec<Ring>,
    memory: usize,
    deltas: Deltas,
    lost: u64,
    seen: Option<Duration>,
}

/// Intervals of one length.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Their length, in seconds.
    pub step: u64,
    /// The intervals, the oldest first.
    pub bins: Vec<Arc<Bin>>,
    /// When the last reading was, since zc's beginning.
    pub now: Duration,
}

impl History {
    /// An empty one, which takes so many bytes at most, and keeps nothing for longer.
    #[must_use]
    pub fn new(memory: usize, last: Duration) -> Self {
        let ring = |(step, keep): (u64, u64)| Ring {
            step,
            keep: keep.min(last.as_secs()).div_ceil(step),
            bins: VecDeque::new(),
            size: 0,
        };
        let rings = RINGS.into_iter().chain([(COARSE, last.as_secs())]).map(ring).collect();
        Self { rings, memory, deltas: Deltas::default(), lost: 0, seen: None }
    }

    /// Takes in a snapshot, so long after zc's beginning. What was done before the first one
    /// counts for nothing.
    pub fn look(&mut self, now: Duration, snapshot: &Snapshot) {
        let lost_now: u64 = snapshot.lost.iter().map(|(_, count)| count).sum();
        let lost = lost_now.saturating_sub(std::mem::replace(&mut self.lost, lost_now));
        let Some(before) = self.seen.replace(now) else {
            self.deltas.look(&snapshot.groups, &mut |_, _| ());
            return;
        };
        for ring in &mut self.rings {
            ring.open(before, now, lost, &snapshot.probes);
        }
        let rings = &mut self.rings;
        self.deltas.look(&snapshot.groups, &mut |name, delta| {
            rings.iter_mut().for_each(|ring| ring.book(name, delta));
        });
        while self.size() > self.memory && self.forget() {}
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.rings.iter().map(|ring| ring.size).sum()
    }

    /// Forgets the oldest interval of the ring that takes most; whether there was one to spare.
    fn forget(&mut self) -> bool {
        let spare = self.rings.iter_mut().filter(|ring| ring.bins.len() > 1);
        spare.max_by_key(|ring| ring.size).is_some_and(Ring::pop)
    }

    /// The last so many seconds, by intervals of a length of [`STEPS`]: else by the shortest that
    /// are not many.
    #[must_use]
    pub fn last(&self, last: Duration, step: Option<u64>) -> Option<Kept> {
        const MANY: u64 = 180;
        let now = self.seen?;
        let few = |ring: &&Ring| last.as_secs().div_ceil(ring.step) <= MANY;
        let ring = match step {
            Some(step) => self.rings.iter().find(|ring| ring.step == step)?,
            None => self.rings.iter().find(few).or(self.rings.last())?,
        };
        let since = now.saturating_sub(last);
        let bins = ring.bins.iter().filter(|bin| bin.to > since).cloned().collect();
        Some(Kept { step: ring.step, bins, now })
    }
}

impl Ring {
    /// Goes on to the interval of this moment.
    fn open(&mut self, before: Duration, now: Duration, lost: u64, probes: &Arc<Probes>) {
        let number = now.as_secs() / self.step;
        if self.bins.back().is_none_or(|bin| bin.number != number) {
            self.bins.push_back(Arc::new(Bin { number, from: before, ..Bin::default() }));
            self.size += Bin::SIZE;
        }
        if let Some(bin) = self.bins.back_mut().map(Arc::make_mut) {
            bin.to = now;
            bin.lost += lost;
            // A probe is given up, and never taken back: the last state is the least.
            bin.probes = Arc::clone(probes);
        }
        while self.bins.front().is_some_and(|bin| bin.number + self.keep <= number) {
            self.pop();
        }
    }

    fn book(&mut self, name: &Arc<str>, delta: &Sparse) {
        let Some(bin) = self.bins.back_mut().map(Arc::make_mut) else { return };
        if !bin.groups.contains_key(name) {
            self.size += Bin::A_GROUP;
        }
        let sum = bin.groups.entry(Arc::clone(name)).or_default();
        let before = sum.heap();
        sum.add(delta);
        self.size += sum.heap().saturating_sub(before);
    }

    fn pop(&mut self) -> bool {
        let Some(bin) = self.bins.pop_front() else { return false };
        let groups = bin.groups.values().map(|sum| Bin::A_GROUP + sum.heap()).sum::<usize>();
        self.size = self.size.saturating_sub(Bin::SIZE + groups);
        true
    }
}

#[cfg(test)]
mod tests {
    use zc_common::{
        counter::{Counter, Tally},
        flow::Flow,
    };

    use super::*;
    use crate::engine::snapshot::Group;

    const BYTES: Counter = Counter::bytes(Flow::ReadFile);
    const DAY: Duration = Duration::from_secs(86400);

    /// Groups that have read so much.
    fn snapshot(groups: u64, bytes: u64, lost: u64) -> Snapshot {
        let group = |number: u64| {
            let mut tally = Tally::default();
            tally[BYTES] = bytes * (number + 1);
            Group { name: format!("group-{number}"), tally, identity: None }
        };
        Snapshot {
            groups: (0..groups).map(group).collect(),
            lost: vec![("no_slot", lost)],
            ..Snapshot::default()
        }
    }

    fn sum(kept: &Kept, group: &str) -> u64 {
        kept.bins.iter().filter_map(|bin| Some(bin.groups.get(group)?.whole()[BYTES])).sum()
    }

    fn seconds(history: &History, last: u64, step: u64) -> Kept {
        history.last(Duration::from_secs(last), Some(step)).unwrap()
    }

    #[test]
    fn bytes_are_in_their_interval_and_stay_right_where_the_ring_is_coarser() {
        let mut history = History::new(64 << 20, DAY);
        assert!(history.last(DAY, None).is_none());
        // A byte a second for two hours; a thousand more in the second 1800.
        let mut total = 1_000_000;
        for second in 0..7200 {
            history.look(Duration::from_millis(second * 1000 + 500), &snapshot(2, total, second));
            total += if second == 1799 { 1001 } else { 1 };
        }
        // By then it is in no interval of a second.
        let fine = seconds(&history, 900, 1);
        assert_eq!((fine.bins.len(), sum(&fine, "group-0")), (900, 900));
        let ten = seconds(&history, 7200, 10);
        assert_eq!((ten.bins.len(), sum(&ten, "group-0")), (720, 7199 + 1000));
        assert_eq!(ten.bins.iter().map(|bin| bin.lost).sum::<u64>(), 7199);
        let of = |kept: &Kept, step: u64| {
            let found =
                kept.bins.iter().find(|bin| bin.to.as_secs() / step == 1800 / step).unwrap();
            (found.groups["group-0"].whole()[BYTES], found.groups["group-1"].whole()[BYTES])
        };
        assert_eq!(of(&ten, 10), (1010, 2020));
        let minutes = seconds(&history, 7200, 60);
        assert_eq!((minutes.bins.len(), sum(&minutes, "group-1")), (120, 2 * (7199 + 1000)));
        assert_eq!(of(&minutes, 60), (1060, 2120));
        // An interval is as long as its readings lie apart, and they join.
        assert!(ten.bins.windows(2).all(|pair| pair[0].to == pair[1].from));
        // The shortest that are few.
        let step = |last| history.last(Duration::from_secs(last), None).unwrap().step;
        assert_eq!((step(60), step(900), step(86400)), (1, 10, 60));
    }

    #[test]
    fn it_stays_within_its_memory_and_forgets_the_oldest() {
        const MEMORY: usize = 1 << 20;
        let mut history = History::new(MEMORY, DAY);
        for second in 0..2000 {
            history.look(Duration::from_secs(second), &snapshot(100, second * 7, 0));
            assert!(history.size() <= MEMORY, "{second}: {}", history.size());
        }
        for step in STEPS {
            let kept = seconds(&history, 86400, step);
            let newest = kept.bins.last().unwrap();
            assert_eq!(newest.to, Duration::from_secs(1999), "{step}");
            let each: u64 = kept.bins.iter().map(|bin| bin.groups["group-0"].whole()[BYTES]).sum();
            let span = newest.to - kept.bins[0].from;
            assert_eq!(each, 7 * span.as_secs(), "{step}");
        }
    }
}
