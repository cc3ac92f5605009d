//! A recording added up: totals by who, rates by interval.

use std::collections::BTreeMap;

use super::{
    Interval, Who,
    gather::total,
    reader::{self, Read},
};
use crate::engine::{probes::Probes, sparse::Sparse, summary, traffic};

/// A recording, added up.
#[derive(Debug, Default)]
pub struct Sums {
    /// What was read besides.
    pub read: Read,
    /// What each did in all.
    pub rows: BTreeMap<Who, Sparse>,
    /// What all did, interval by interval.
    pub points: Vec<Point>,
    /// How long all intervals were.
    pub seconds: f64,
}

/// One interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// When it began, in seconds since the recording's beginning.
    pub from: f64,
    /// How long it was.
    pub seconds: f64,
    /// Bytes that went somewhere; none if that is not known.
    pub bytes: Option<u64>,
    /// Bytes copied of them, measured or inferred.
    pub copied: Option<u64>,
    /// Context switches.
    pub switches: u64,
    /// Page faults.
    pub faults: u64,
}

impl Sums {
    /// Of a recording's bytes.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn of(bytes: &[u8]) -> Result<Self, String> {
        let mut sums = Self::default();
        let mut probes = None;
        let read = reader::read(bytes, &mut |header, interval| {
            let probes = probes.get_or_insert_with(|| header.probes());
            sums.take(&interval, probes);
        })?;
        sums.read = read;
        Ok(sums)
    }

    fn take(&mut self, interval: &Interval, probes: &Probes) {
        for (who, delta) in &interval.rows {
            match self.rows.get_mut(who) {
                Some(sum) => sum.add(delta),
                None => drop(self.rows.insert(who.clone(), delta.clone())),
            }
        }
        self.seconds += interval.seconds();
        self.points.push(Point::of(interval, probes));
    }

    /// What each group did, whatever its processes.
    #[must_use]
    pub fn groups(&self) -> BTreeMap<&str, Sparse> {
        let mut groups: BTreeMap<&str, Sparse> = BTreeMap::new();
        for (who, sum) in &self.rows {
            groups.entry(&who.group).or_default().add(sum);
        }
        groups
    }
}

impl Point {
    fn of(interval: &Interval, probes: &Probes) -> Self {
        let tally = total(interval);
        let rows = traffic::of(&tally);
        let known = probes.has("transfers");
        let sum = |of: fn(&traffic::Traffic) -> u64| known.then(|| rows.iter().map(of).sum());
        #[expect(clippy::cast_precision_loss, reason = "a time to print")]
        let from = interval.from_us as f64 / 1e6;
        Self {
            from,
            seconds: interval.seconds(),
            bytes: sum(traffic::Traffic::size),
            copied: sum(|row| row.measured + row.inferred),
            switches: summary::context_switches(&tally),
            faults: summary::page_faults(&tally),
        }
    }

    /// How much of something there was in a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate to print")]
    pub fn rate(&self, amount: u64) -> Option<f64> {
        (self.seconds > 0.0).then(|| amount as f64 / self.seconds)
    }
}

/// How values are spread.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// A quarter are no more.
    pub lower: f64,
    /// Half are no more.
    pub median: f64,
    /// Three quarters are no more.
    pub upper: f64,
    /// The most.
    pub max: f64,
    /// How many there are.
    pub count: usize,
}

impl Spread {
    /// Of values; none if there are none.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        // Between two values, so far.
        let at = |quarters: usize| {
            let (place, part) = (last * quarters / 4, last * quarters % 4);
            let next = values[(place + 1).min(last)];
            #[expect(clippy::cast_precision_loss, reason = "0 to 3 quarters")]
            let part = part as f64 / 4.0;
            (next - values[place]).mul_add(part, values[place])
        };
        Some(Self {
            min: values[0],
            lower: at(1),
            median: at(2),
            upper: at(3),
            max: values[last],
            count: values.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_values() {
        let of = |values: &[f64]| Spread::of(values.to_vec());
        assert_eq!(of(&[]), None);
        let one = of(&[3.0]).unwrap();
        assert_eq!((one.lower, one.median, one.upper, one.count), (3.0, 3.0, 3.0, 1));
        let five = of(&[5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!((five.lower, five.median, five.upper), (2.0, 3.0, 4.0));
        let two = of(&[0.0, 1.0]).unwrap();
        assert_eq!((two.min, two.lower, two.median, two.max), (0.0, 0.25, 0.5, 1.0));
    }
}
