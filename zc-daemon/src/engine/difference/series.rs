//! A recording as a series of batches: what each group did in equal parts of its time.

use crate::engine::recording::{
    Interval, Who,
    reader::{self, Read},
};

/// Batches are merged by twos once there are more than twice as many. Neighbouring intervals
/// resemble each other, so that they are fewer witnesses than they seem; means of longer
/// stretches depend less on each other.
pub const BATCHES: usize = 64;

/// A recording in batches.
#[derive(Debug, Default)]
pub struct Series {
    /// What was read besides.
    pub read: Read,
    /// What each group did, batch by batch; no processes.
    pub batches: Vec<Interval>,
    /// Intervals to a batch; fewer are in the last one, but no less than half as many.
    width: u32,
}

impl Series {
    /// Of a recording's bytes.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn of(bytes: &[u8]) -> Result<Self, String> {
        let mut series = Self { width: 1, ..Self::default() };
        series.read = reader::read(bytes, &mut |_, interval| series.take(of_groups(interval)))?;
        series.close();
        Ok(series)
    }

    fn take(&mut self, interval: Interval) {
        // What was merged as it was recorded is not told apart any more.
        if interval.merged > self.width {
            self.widen(interval.merged);
        }
        self.push(interval);
        if self.batches.len() > 2 * BATCHES {
            self.widen(2 * self.width);
        }
    }

    /// Makes batches of so many intervals.
    fn widen(&mut self, width: u32) {
        self.width = width;
        let narrow = std::mem::take(&mut self.batches);
        narrow.into_iter().for_each(|batch| self.push(batch));
    }

    fn push(&mut self, interval: Interval) {
        match self.batches.last_mut() {
            Some(open) if open.merged < self.width => open.merge(interval),
            _ => self.batches.push(interval),
        }
    }

    /// A last batch that is short would weigh as much as the others.
    fn close(&mut self) {
        if self.batches.len() > 1
            && let Some(last) = self.batches.pop_if(|last| last.merged * 2 < self.width)
            && let Some(open) = self.batches.last_mut()
        {
            open.merge(last);
        }
    }
}

fn of_groups(interval: Interval) -> Interval {
    let mut groups = Interval { rows: std::collections::BTreeMap::new(), ..interval };
    for (who, delta) in interval.rows {
        groups.book(Who { process: None, ..who }, &delta);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(merged: &[u32]) -> Vec<(u64, u64, u32)> {
        let mut series = Series { width: 1, ..Series::default() };
        let mut from_us = 0;
        for merged in merged {
            let to_us = from_us + u64::from(*merged);
            series.take(Interval { from_us, to_us, merged: *merged, ..Interval::default() });
            from_us = to_us;
        }
        series.close();
        series.batches.iter().map(|batch| (batch.from_us, batch.to_us, batch.merged)).collect()
    }

    #[test]
    fn batches_are_bounded_and_of_equal_length() {
        assert_eq!(series(&[1, 1, 1]), [(0, 1, 1), (1, 2, 1), (2, 3, 1)]);
        for count in [127, 128, 129, 1000, 4097] {
            let batches = series(&vec![1; count]);
            assert!((BATCHES..=2 * BATCHES).contains(&batches.len()), "{count}: {batches:?}");
            assert_eq!(batches.last().unwrap().1, count as u64);
            let (widest, all) = (batches[0].2, batches.iter().map(|batch| batch.2).sum::<u32>());
            assert_eq!(all as usize, count);
            let even =
                batches.iter().all(|batch| batch.2 * 2 >= widest && batch.2 <= widest * 3 / 2);
            assert!(even, "{count}: {batches:?}");
        }
    }

    #[test]
    fn what_came_before_is_merged_as_what_follows_was() {
        assert_eq!(series(&[1, 1, 2, 2]), [(0, 2, 2), (2, 4, 2), (4, 6, 2)]);
        assert_eq!(series(&[4, 4, 1]), [(0, 4, 4), (4, 9, 5)]);
    }
}
