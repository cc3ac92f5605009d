//! Ways of bytes through a process: taken in, and put out again from the same memory.

use std::collections::{BTreeMap, BTreeSet};

use zc_common::{
    file::Kind,
    relay::{CERTAIN, Sums},
};

use super::{Confidence, Counted, FEW, Least, Process, Verdict, real, remedy, share};

/// All that went one way through one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Whose.
    pub process: Process,
    /// From where.
    pub from: Kind,
    /// To where.
    pub to: Kind,
    /// How much, on all stacks.
    pub sums: Sums,
    /// Which of what was counted has the stack of the most bytes, by position.
    pub most_at: usize,
    /// All bytes that the process took in from there.
    pub bytes_in: u64,
    /// All that it put out to there.
    pub out: Total,
}

/// Calls that moved bytes, whatever became of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Bytes.
    pub bytes: u64,
    /// Calls.
    pub calls: u64,
}

impl Total {
    const fn add(&mut self, more: &Sums) {
        self.bytes += more.bytes;
        self.calls += more.calls;
    }
}

/// So many sightings of a changed byte are expected, if there was one in each piece: with a
/// chance of `exp(-3)` (5 %) none would have been seen; of `exp(-7)`, 0.1 %.
const LIKELY: f64 = 3.0;
const SURE: f64 = 7.0;
/// The share of pieces whose bytes may have been changed: for an advice, and for a sure one.
const CHANGED: f64 = 0.05;
const UNCHANGED: f64 = 0.01;
/// The share of pieces that are all that was taken in, for a sure advice.
const WHOLE: f64 = 0.99;
/// The share of what was taken in that goes on, for a sure advice.
const PASSED_ON: f64 = 0.9;
/// Calls of fewer bytes cost more than what they copy.
const SMALL: u64 = 4096;

/// The ways of these processes, the most bytes first.
#[must_use]
pub fn ways(counted: &[Counted], of: &BTreeSet<u32>) -> Vec<Way> {
    let mut ways: BTreeMap<(Process, u8, u8), (Way, u64)> = BTreeMap::new();
    let mut taken_in: BTreeMap<_, Total> = BTreeMap::new();
    let mut put_out: BTreeMap<_, Total> = BTreeMap::new();
    for (position, Counted { process, ends, sums, .. }) in counted.iter().enumerate() {
        match *ends {
            (Some(from), None) => taken_in.entry((*process, from as u8)).or_default().add(sums),
            (None, Some(to)) => put_out.entry((*process, to as u8)).or_default().add(sums),
            (Some(from), Some(to)) if of.contains(&process.0) => {
                let new = Way {
                    process: *process,
                    from,
                    to,
                    sums: Sums::default(),
                    most_at: position,
                    bytes_in: 0,
                    out: Total::default(),
                };
                let key = (*process, from as u8, to as u8);
                let (way, most) = ways.entry(key).or_insert((new, 0));
                add(&mut way.sums, sums);
                if sums.bytes > *most {
                    (way.most_at, *most) = (position, sums.bytes);
                }
            }
            _ => {}
        }
    }
    let whole = |(way, _): (Way, u64)| {
        let total = |of: &BTreeMap<_, Total>, end| of.get(&(way.process, end)).copied();
        let bytes_in = total(&taken_in, way.from as u8).unwrap_or_default().bytes;
        Way { bytes_in, out: total(&put_out, way.to as u8).unwrap_or_default(), ..way }
    };
    let mut ways: Vec<_> = ways.into_values().map(whole).collect();
    ways.sort_by_key(|way| std::cmp::Reverse(way.sums.bytes));
    ways
}

fn add(to: &mut Sums, more: &Sums) {
    to.bytes += more.bytes;
    to.calls += more.calls;
    to.whole += more.whole;
    to.certainty += more.certainty;
    to.changed += more.changed;
    to.changed_bytes += more.changed_bytes;
    to.unsampled += more.unsampled;
}

/// What speaks against a relay.
const CHANGES: &str = "it changes bytes on their way";
/// The same, where that may only seem so.
const SKIPPED: &str = "it seems to change bytes on their way, but the kernel skipped zc at as many \
                       calls, and what these took in is not known";

impl Way {
    /// What there is to say of it.
    #[must_use]
    pub fn verdict(&self, least: Least) -> Verdict {
        let changed = self.changed_share();
        if changed > CHANGED {
            let is_sure = self.sums.changed > least.skipped;
            return Verdict::Not(if is_sure { CHANGES } else { SKIPPED });
        }
        if self.sums.calls < FEW || self.rate(least.seconds) < real(least.bytes_per_second) {
            return Verdict::Not("it is too little to matter");
        }
        let remedy = match remedy(self.from, self.to) {
            Ok(remedy) => remedy,
            Err(why) => return Verdict::Not(why),
        };
        let sightings = self.sightings();
        if sightings < LIKELY {
            return Verdict::Not("too few bytes were looked at to tell that none is changed");
        }
        let sure = sightings >= SURE
            && changed <= UNCHANGED
            && share(self.sums.whole, self.sums.calls) >= WHOLE
            && share(self.sums.unsampled, self.sums.calls) <= UNCHANGED
            && share(self.sums.bytes, self.bytes_in) >= PASSED_ON;
        Verdict::Advised(remedy, if sure { Confidence::High } else { Confidence::Medium })
    }

    /// Bytes a second.
    #[must_use]
    pub fn rate(&self, seconds: f64) -> f64 {
        real(self.sums.bytes) / seconds.max(f64::MIN_POSITIVE)
    }

    /// How many changes would have been seen, had there been one byte in each piece.
    fn sightings(&self) -> f64 {
        real(self.sums.certainty) / real(CERTAIN)
    }

    /// How likely it is that none would have been seen.
    #[must_use]
    pub fn chance_missed(&self) -> f64 {
        (-self.sightings()).exp()
    }

    /// The share of pieces whose bytes may have been changed: as if for each that was seen so
    /// there were as many more as a change of one byte goes unseen.
    fn changed_share(&self) -> f64 {
        if self.sums.changed == 0 {
            return 0.0;
        }
        let seen = self.sightings() / real(self.sums.calls.max(1));
        let changed = real(self.sums.changed) / seen.max(f64::MIN_POSITIVE);
        (changed / real(self.sums.calls + self.sums.changed)).min(1.0)
    }

    /// Whether calls that put out to there are so small that they cost more than what they copy.
    #[must_use]
    pub const fn is_small(&self) -> bool {
        self.out.bytes < SMALL.saturating_mul(self.out.calls)
    }
}

#[cfg(test)]
mod tests {
    use zc_common::relay::Ends;

    use super::*;

    const KIB: u64 = 1024;
    const LEAST: Least = Least { bytes_per_second: 1024 * KIB, seconds: 1.0, skipped: 0 };

    /// A thousand calls of 64 KiB, of which 3 % of the bytes were looked at.
    fn sums() -> Sums {
        Sums {
            bytes: 64_000 * KIB,
            calls: 1000,
            whole: 1000,
            certainty: 32 * 1000,
            ..Sums::default()
        }
    }

    fn counted(ends: Ends, sums: Sums) -> Counted {
        Counted { process: (7, 1), ends, sums, large: false }
    }

    const ENDS: Ends = (Some(Kind::PlainFile), Some(Kind::TcpSocket));

    fn verdict(sums: Sums) -> Verdict {
        verdict_but(sums, 0)
    }

    /// The same where so many calls were skipped.
    fn verdict_but(sums: Sums, skipped: u64) -> Verdict {
        let total = Sums { bytes: 64_000 * KIB, ..Sums::default() };
        let rows = [counted(ENDS, sums), counted((ENDS.0, None), total)];
        ways(&rows, &[7].into())[0].verdict(Least { skipped, ..LEAST })
    }

    fn confidence(sums: Sums) -> Option<Confidence> {
        match verdict(sums) {
            Verdict::Advised(remedy, confidence) => {
                assert_eq!(remedy.call, "sendfile");
                Some(confidence)
            }
            Verdict::Not(_) => None,
        }
    }

    #[test]
    fn a_relay_is_advised() {
        assert_eq!(confidence(sums()), Some(Confidence::High));
    }

    #[test]
    fn less_evidence_is_less_sure() {
        assert_eq!(confidence(Sums { whole: 980, ..sums() }), Some(Confidence::Medium));
        assert_eq!(confidence(Sums { certainty: 5 * CERTAIN, ..sums() }), Some(Confidence::Medium));
        assert_eq!(confidence(Sums { unsampled: 20, ..sums() }), Some(Confidence::Medium));
        assert_eq!(confidence(Sums { bytes: 50_000 * KIB, ..sums() }), Some(Confidence::Medium));
        assert_eq!(confidence(Sums { certainty: 2 * CERTAIN, ..sums() }), None);
    }

    /// One byte of each block is changed, which is seen in 3 % of them.
    #[test]
    fn who_changes_bytes_is_not_advised() {
        let proxy = Sums { calls: 970, changed: 30, certainty: 32 * 970, ..sums() };
        assert_eq!(verdict(proxy), Verdict::Not(CHANGES));
        assert_eq!(verdict_but(proxy, 29), Verdict::Not(CHANGES));
        assert_eq!(verdict_but(proxy, 30), Verdict::Not(SKIPPED));
        let always = Sums { changed: 1000, ..Sums::default() };
        assert_eq!(verdict(always), Verdict::Not(CHANGES));
        // One message in a thousand is something else.
        assert_eq!(confidence(Sums { changed: 1, ..sums() }), Some(Confidence::Medium));
        let seen_whole = Sums { certainty: 1000 * CERTAIN, changed: 9, ..sums() };
        assert_eq!(confidence(seen_whole), Some(Confidence::High));
    }

    #[test]
    fn what_is_little_is_not_advised() {
        let little = Verdict::Not("it is too little to matter");
        assert_eq!(verdict(Sums { calls: 15, ..sums() }), little);
        assert_eq!(verdict(Sums { bytes: 1023 * KIB, ..sums() }), little);
    }

    #[test]
    fn stacks_and_totals_of_a_way_come_together() {
        let other = Counted { process: (8, 1), ..counted(ENDS, sums()) };
        let twice = Sums { bytes: 2 * sums().bytes, ..sums() };
        let all = Sums { bytes: 9, ..Sums::default() };
        let rows = [
            other,
            counted(ENDS, sums()),
            counted(ENDS, twice),
            counted((None, ENDS.1), all),
            counted((None, None), all),
        ];
        let ways = ways(&rows, &[7].into());
        let [way] = ways[..] else { panic!("{ways:?}") };
        assert_eq!((way.sums.bytes, way.sums.calls, way.most_at), (192_000 * KIB, 2000, 2));
        assert_eq!((way.bytes_in, way.out.bytes, way.out.calls), (0, 9, 0));
    }

    /// One of them may put out several pieces.
    #[test]
    fn calls_are_small_that_are_so_themselves() {
        let is_small = |bytes| {
            let out = Sums { bytes, calls: 2, ..Sums::default() };
            let rows = [counted(ENDS, sums()), counted((None, ENDS.1), out)];
            ways(&rows, &[7].into())[0].is_small()
        };
        assert!(is_small(2 * SMALL - 1) && !is_small(2 * SMALL));
    }
}
