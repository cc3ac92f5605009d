//! A tally that keeps only what is not zero: of its hundreds of counters a process charges
//! some dozen, and there are many processes.

use zc_common::counter::Tally;

/// A counter's position in the tally, and its value, by position; no value is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sparse(Vec<(u16, u64)>);

/// Words of a tally that are looked at together.
const ROW: usize = 8;

impl Sparse {
    /// A tally without its zeroes.
    #[must_use]
    pub fn of(tally: &Tally) -> Self {
        Self(nonzero(tally).collect())
    }

    /// The whole tally.
    #[must_use]
    pub fn whole(&self) -> Tally {
        let mut tally = Tally::default();
        self.add_to(&mut tally);
        tally
    }

    /// Whether every counter is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// Becomes `now`; `delta` becomes what was charged since, as [`Tally::since`] has it.
    pub fn advance(&mut self, now: &Tally, delta: &mut Self) {
        delta.0.clear();
        let mut place = 0;
        for (position, value) in nonzero(now) {
            // What has become zero meanwhile.
            while self.0.get(place).is_some_and(|(known, _)| *known < position) {
                self.0.remove(place);
            }
            let charged = match self.0.get_mut(place) {
                Some((known, before)) if *known == position => {
                    let charged = value.checked_sub(*before).unwrap_or(value);
                    *before = value;
                    charged
                }
                _ => {
                    self.insert(place, position, value);
                    value
                }
            };
            if charged > 0 {
                delta.0.push((position, charged));
            }
            place += 1;
        }
        self.0.truncate(place);
    }

    /// Adds another one to this one, counter by counter.
    pub fn add(&mut self, other: &Self) {
        for (position, value) in &other.0 {
            match self.0.binary_search_by_key(position, |(known, _)| *known) {
                Ok(place) => self.0[place].1 = self.0[place].1.wrapping_add(*value),
                Err(place) => self.insert(place, *position, *value),
            }
        }
    }

    /// Adds it to a whole one.
    pub fn add_to(&self, tally: &mut Tally) {
        let words = tally.words_mut();
        for (position, value) in &self.0 {
            let word = &mut words[usize::from(*position)];
            *word = word.wrapping_add(*value);
        }
    }

    /// With room for a few more, not for twice as many: there are many of these.
    fn insert(&mut self, place: usize, position: u16, value: u64) {
        const MORE: usize = 4;
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(MORE);
        }
        self.0.insert(place, (position, value));
    }
}

/// The counters that are not zero.
fn nonzero(tally: &Tally) -> impl Iterator<Item = (u16, u64)> {
    let rows = tally.words().chunks(ROW).zip((0_u16..).step_by(ROW));
    let rows = rows.filter(|(row, _)| row.iter().fold(0, |all, word| all | word) != 0);
    rows.flat_map(|(row, first)| (first..).zip(row.iter().copied()))
        .filter(|(_, value)| *value != 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zc_common::counter::Counter;

    use super::*;

    /// Tallies in which most counters are zero, and none is too large to be added up.
    fn tallies() -> impl Strategy<Value = Tally> {
        prop::collection::vec((0..Counter::COUNT, 0..u64::MAX / 8), 0..40).prop_map(|charges| {
            let mut words = [0; Counter::COUNT];
            for (position, value) in charges {
                words[position] = value;
            }
            Tally::from_words(words)
        })
    }

    proptest! {
        #[test]
        fn it_does_as_the_whole_one(one in tallies(), other in tallies()) {
            let mut seen = Sparse::of(&one);
            prop_assert_eq!(seen.whole(), one.clone());
            let mut delta = Sparse::of(&other);
            seen.advance(&other, &mut delta);
            prop_assert_eq!(delta.whole(), other.since(&one));
            prop_assert_eq!(delta.is_zero(), other.since(&one).is_zero());
            prop_assert_eq!(&seen, &Sparse::of(&other));
            let mut sum = one.clone();
            sum.add(&other);
            let mut sparse = Sparse::of(&one);
            sparse.add(&Sparse::of(&other));
            prop_assert_eq!(sparse, Sparse::of(&sum));
        }
    }
}
