//! The difference of two looks.

use std::collections::HashMap;

use zc_common::{
    counter::{Counter, Fault, Switch, Tally},
    flow::Route,
};

use super::{Key, Listing, Moves, Standing, Totals};
use crate::engine::{
    policy::MAX_COPIES_PER_BYTE,
    reason::{self, Reason},
    summary,
    traffic::{self, Traffic},
};

/// What a group or process did between two looks.
#[derive(Clone, Debug)]
pub struct Row {
    /// Who.
    pub key: Key,
    /// What it is called.
    pub name: String,
    /// The group that it is, or is in.
    pub group: String,
    /// Between which two looks, in seconds.
    pub seconds: f64,
    /// What it did; unknown after the first look.
    pub change: Option<Change>,
}

/// What was counted between two looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Bytes; unknown while the probe is down.
    pub bytes: Option<Moved>,
    /// Context switches that were wanted.
    pub voluntary: u64,
    /// Context switches that were not.
    pub involuntary: u64,
    /// Page faults without a read from disk.
    pub minor: u64,
    /// Page faults with one.
    pub major: u64,
}

/// Bytes that went somewhere, and those copied on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// By route.
    pub traffic: Vec<Traffic>,
    /// What changed hands by reference.
    pub by_reference: u64,
    /// Why bytes were copied, the weightiest first.
    pub reasons: Vec<Reason>,
    /// Whether all that is said of copies was measured.
    pub is_measured: bool,
}

/// What is to be thought of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// More was copied than the default policy of `zc verify` allows.
    Copies,
    /// It depends on bytes of whose copies nothing is known.
    Unsure,
    /// Next to nothing was copied.
    ZeroCopy,
    /// Nothing moved.
    Idle,
    /// Nothing is known.
    Unknown,
}

impl Mark {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Copies => "copies",
            Self::Unsure => "unsure",
            Self::ZeroCopy => "zero-copy",
            Self::Idle => "idle",
            Self::Unknown => "unknown",
        }
    }
}

/// The rows of a listing, and what changed since the one before; unknown if there is none.
#[must_use]
pub fn rows(before: Option<&Listing>, now: &Listing, standing: &Standing) -> Vec<Row> {
    // Whoever counts has begun anew if its clock went back: then all was counted since.
    let begun_anew = before.is_some_and(|before| before.seconds > now.seconds);
    let earlier = before.map(|before| if begun_anew { (0.0, &[][..]) } else { known(before) });
    let seconds = earlier.map_or(0.0, |(seconds, _)| now.seconds - seconds);
    let totals = earlier.map_or(&[][..], |(_, rows)| rows).iter();
    let totals: HashMap<&Key, &Totals> = totals.map(|totals| (&totals.key, totals)).collect();
    let row = |now: &Totals| Row {
        key: now.key.clone(),
        name: now.name.clone(),
        group: now.group.clone(),
        seconds,
        change: earlier.map(|_| change(totals.get(&now.key).copied(), now, standing)),
    };
    now.rows.iter().map(row).collect()
}

fn known(listing: &Listing) -> (f64, &[Totals]) {
    (listing.seconds, &listing.rows)
}

fn change(before: Option<&Totals>, now: &Totals, standing: &Standing) -> Change {
    let delta = match before {
        Some(before) if before.tally == now.tally => Tally::default(),
        Some(before) => now.tally.whole().since(&before.tally.whole()),
        None => now.tally.whole(),
    };
    let traffic = match &now.moves {
        Moves::Tallied => Some(traffic::of(&delta)),
        Moves::Told(rows) => told(before, rows),
        Moves::Unknown => None,
    };
    Change {
        bytes: traffic.map(|traffic| Moved::new(traffic, &delta, standing)),
        voluntary: delta[Counter::switches(Switch::Voluntary)],
        involuntary: delta[Counter::switches(Switch::Involuntary)],
        minor: delta[Counter::faults(Fault::Minor)],
        major: delta[Counter::faults(Fault::Major)],
    }
}

/// The difference of what a daemon has summed; unknown if it did not before.
fn told(before: Option<&Totals>, now: &[Traffic]) -> Option<Vec<Traffic>> {
    let earlier = match before.map(|before| &before.moves) {
        None => &[][..],
        Some(Moves::Told(rows)) => rows,
        Some(Moves::Tallied | Moves::Unknown) => return None,
    };
    let rows = now.iter().map(|now| {
        let before = earlier.iter().find(|row| row.route == now.route);
        before.map_or(*now, |before| Traffic {
            route: now.route,
            bytes: since(now.bytes, before.bytes),
            measured: since(now.measured, before.measured),
            inferred: since(now.inferred, before.inferred),
            unknown: since(now.unknown, before.unknown),
        })
    });
    Some(rows.filter(|row| row.size() > 0).collect())
}

/// As [`Tally::since`] has it: what went down was begun anew.
fn since(now: u64, before: u64) -> u64 {
    now.checked_sub(before).unwrap_or(now)
}

impl Moved {
    fn new(traffic: Vec<Traffic>, delta: &Tally, standing: &Standing) -> Self {
        let sees = |row: &Traffic| standing.measured.contains(&row.route) && row.inferred == 0;
        Self {
            is_measured: traffic.iter().all(sees),
            traffic,
            by_reference: summary::moved(delta).map(|(_, bytes)| bytes).sum(),
            reasons: reason::of(delta),
        }
    }

    fn add(&mut self, other: &Self) {
        for more in &other.traffic {
            match self.traffic.iter_mut().find(|row| row.route == more.route) {
                Some(sum) => {
                    sum.bytes += more.bytes;
                    sum.measured += more.measured;
                    sum.inferred += more.inferred;
                    sum.unknown += more.unknown;
                }
                None => self.traffic.push(*more),
            }
        }
        self.by_reference += other.by_reference;
        self.is_measured &= other.is_measured;
        reason::add(&mut self.reasons, other.reasons.clone());
        self.reasons.sort_by_key(|reason| std::cmp::Reverse(reason.bytes));
    }

    fn sum(&self, of: impl Fn(&Traffic) -> u64) -> u64 {
        self.traffic.iter().map(of).sum()
    }

    /// Bytes that went somewhere.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.sum(Traffic::size)
    }

    /// Bytes copied, as far as that is known.
    #[must_use]
    pub fn copied(&self) -> u64 {
        self.sum(|row| row.measured + row.inferred)
    }

    /// Bytes seen copied.
    #[must_use]
    pub fn measured(&self) -> u64 {
        self.sum(|row| row.measured)
    }

    /// Bytes of whose copies nothing is known.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.sum(|row| row.unknown)
    }

    /// Bytes copied for each that went somewhere; none if nothing did.
    #[must_use]
    pub fn copies_per_byte(&self) -> Option<f64> {
        (self.size() > 0).then(|| number(self.copied()) / number(self.size()))
    }

    /// The route that copied most, or for want of copies moved most; of equals the first.
    #[must_use]
    pub fn top_route(&self) -> Option<Route> {
        let weight = |row: &&Traffic| (row.measured + row.inferred, row.size());
        self.traffic.iter().rev().max_by_key(weight).map(|row| row.route)
    }

    /// What is to be thought of it.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let allowed = number(self.size()) * MAX_COPIES_PER_BYTE;
        if self.traffic.is_empty() {
            Mark::Idle
        } else if number(self.copied()) > allowed {
            Mark::Copies
        } else if number(self.copied() + self.unknown()) > allowed {
            Mark::Unsure
        } else {
            Mark::ZeroCopy
        }
    }

    /// Whether the mark rests on what is inferred.
    #[must_use]
    pub fn is_inferred(&self) -> bool {
        match self.mark() {
            Mark::Copies => number(self.measured()) <= number(self.size()) * MAX_COPIES_PER_BYTE,
            Mark::ZeroCopy => !self.is_measured,
            Mark::Unsure | Mark::Idle | Mark::Unknown => false,
        }
    }
}

impl Change {
    /// All context switches.
    #[must_use]
    pub fn switches(&self) -> u64 {
        self.voluntary + self.involuntary
    }

    /// All page faults.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.minor + self.major
    }

    fn add(&mut self, other: &Self) {
        self.bytes = match (self.bytes.take(), &other.bytes) {
            (Some(mut sum), Some(more)) => {
                sum.add(more);
                Some(sum)
            }
            // A sum of which a part is unknown is unknown.
            _ => None,
        };
        self.voluntary += other.voluntary;
        self.involuntary += other.involuntary;
        self.minor += other.minor;
        self.major += other.major;
    }
}

impl Row {
    /// Adds another one's numbers of the same time.
    pub fn add(&mut self, other: &Self) {
        match (&mut self.change, &other.change) {
            (Some(sum), Some(more)) => sum.add(more),
            (change, _) => *change = None,
        }
    }

    /// Its bytes, if they are known.
    #[must_use]
    pub fn bytes(&self) -> Option<&Moved> {
        self.change.as_ref()?.bytes.as_ref()
    }

    /// What is to be thought of it.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.bytes().map_or(Mark::Unknown, Moved::mark)
    }

    /// So many a second; none if no time went by.
    #[must_use]
    pub fn rate(&self, count: u64) -> Option<f64> {
        (self.seconds > 0.0).then(|| number(count) / self.seconds)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
pub(crate) mod tests {
    use zc_common::flow::Flow;

    use super::*;
    use crate::engine::sparse::Sparse;

    /// Totals of a group by flow.
    pub(crate) fn totals(name: &str, flows: &[(Flow, u64)]) -> Totals {
        let mut tally = Tally::default();
        for (flow, bytes) in flows {
            tally[Counter::bytes(*flow)] = *bytes;
            tally[Counter::calls(*flow)] = 1 + bytes / 4096;
        }
        tally[Counter::switches(Switch::Voluntary)] = 7;
        Totals {
            key: Key::Group(name.to_owned()),
            name: name.to_owned(),
            group: name.to_owned(),
            tally: Sparse::of(&tally),
            moves: Moves::Tallied,
        }
    }

    pub(crate) fn listing(seconds: f64, rows: Vec<Totals>) -> Listing {
        Listing { seconds, rows }
    }

    fn between(before: Option<&Listing>, now: &Listing) -> Row {
        rows(before, now, &Standing::default()).remove(0)
    }

    #[test]
    fn a_row_is_what_was_done_between_two_looks() {
        let before = listing(1.0, vec![totals("a", &[(Flow::ReadFile, 1000)])]);
        let now = listing(3.0, vec![totals("a", &[(Flow::ReadFile, 5000)])]);
        let row = between(Some(&before), &now);
        let bytes = row.bytes().unwrap();
        assert_eq!((bytes.size(), bytes.copied(), bytes.measured()), (4000, 4000, 0));
        assert_eq!(row.rate(bytes.copied()), Some(2000.0));
        assert_eq!(bytes.top_route(), Some(Route::Read));
        assert_eq!((bytes.mark(), bytes.is_inferred()), (Mark::Copies, true));
        assert_eq!(row.change.unwrap().voluntary, 0);
    }

    #[test]
    fn nothing_is_known_after_one_look() {
        let row = between(None, &listing(1.0, vec![totals("a", &[(Flow::ReadFile, 1000)])]));
        assert!(row.change.is_none() && row.rate(5).is_none());
        assert_eq!(row.mark(), Mark::Unknown);
    }

    #[test]
    fn who_is_new_did_it_all_since() {
        let row = between(
            Some(&listing(1.0, Vec::new())),
            &listing(2.0, vec![totals("a", &[(Flow::SendfileSocket, 1 << 20)])]),
        );
        assert_eq!(row.bytes().unwrap().size(), 1 << 20);
        assert_eq!(row.mark(), Mark::ZeroCopy);
        assert!(row.bytes().unwrap().is_inferred());
    }

    #[test]
    fn counters_and_daemons_begin_anew() {
        let before = listing(50.0, vec![totals("a", &[(Flow::ReadFile, 9000)])]);
        let reset = listing(51.0, vec![totals("a", &[(Flow::ReadFile, 500)])]);
        assert_eq!(between(Some(&before), &reset).bytes().unwrap().size(), 500);
        // Another daemon has counted more by now: all of it is since it began.
        let restarted = listing(2.0, vec![totals("a", &[(Flow::ReadFile, 10_000)])]);
        let row = between(Some(&before), &restarted);
        assert_eq!((row.bytes().unwrap().size(), row.seconds), (10_000, 2.0));
    }

    #[test]
    fn what_a_daemon_tells_is_differenced_by_route() {
        let traffic = |bytes, unknown| Traffic {
            route: Route::DirectIo,
            bytes,
            measured: 0,
            inferred: 0,
            unknown,
        };
        let told = |moves| Totals { moves, ..totals("a", &[]) };
        let before = listing(1.0, vec![told(Moves::Told(vec![traffic(100, 0)]))]);
        let now = listing(2.0, vec![told(Moves::Told(vec![traffic(300, 150)]))]);
        let row = between(Some(&before), &now);
        assert_eq!(row.bytes().unwrap().traffic, [traffic(200, 150)]);
        assert_eq!(row.mark(), Mark::Unsure);
        let silent = listing(1.0, vec![told(Moves::Unknown)]);
        assert!(between(Some(&silent), &now).bytes().is_none());
        assert_eq!(between(Some(&now), &listing(3.0, vec![told(Moves::Unknown)])).mark(), {
            Mark::Unknown
        });
    }

    #[test]
    fn what_is_measured_on_each_route_is_no_guess() {
        let standing = Standing { measured: vec![Route::Sendfile], ..Standing::default() };
        let now = listing(2.0, vec![totals("a", &[(Flow::SendfileSocket, 4096)])]);
        let row = rows(Some(&listing(1.0, Vec::new())), &now, &standing).remove(0);
        assert!(!row.bytes().unwrap().is_inferred());
    }
}
