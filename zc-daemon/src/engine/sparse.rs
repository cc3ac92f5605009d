//! A tally that keeps only what is not zero: of its hundreds of counters a process charges
//! some dozen, and there are many processes.

use zc_common::counter::Tally;

/// The counters that are not zero, by position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sparse(Vec<Entry>);

/// One counter: ten bytes, not sixteen, as the value need not be aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// Its position in the tally.
    position: u16,
    value: [u8; 8],
}

impl Entry {
    const fn new(position: u16, value: u64) -> Self {
        Self { position, value: value.to_ne_bytes() }
    }

    const fn value(self) -> u64 {
        u64::from_ne_bytes(self.value)
    }
}

const _: () = assert!(size_of::<Entry>() == 10);

/// Words of a tally that are looked at together.
const ROW: usize = 8;

impl Sparse {
    /// Bytes that a counter takes.
    pub const ENTRY: usize = size_of::<Entry>();

    /// A tally without its zeroes.
    #[must_use]
    pub fn of(tally: &Tally) -> Self {
        Self(nonzero(tally).map(|(position, value)| Entry::new(position, value)).collect())
    }

    /// The whole tally.
    #[must_use]
    pub fn whole(&self) -> Tally {
        let mut tally = Tally::default();
        self.add_to(&mut tally);
        tally
    }

    /// One of such counters, by position, in any order. What is beyond a tally is left out.
    #[must_use]
    pub fn from_entries(entries: impl IntoIterator<Item = (u16, u64)>) -> Self {
        let mut tally = Tally::default();
        let words = tally.words_mut();
        for (position, value) in entries {
            if let Some(word) = words.get_mut(usize::from(position)) {
                *word = word.wrapping_add(value);
            }
        }
        Self::of(&tally)
    }

    /// The counters that are not zero, by position.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (u16, u64)> {
        self.0.iter().map(|entry| (entry.position, entry.value()))
    }

    /// Bytes that it takes, besides its own few.
    #[must_use]
    pub fn heap(&self) -> usize {
        self.0.capacity() * Self::ENTRY
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
            while self.0.get(place).is_some_and(|known| known.position < position) {
                self.0.remove(place);
            }
            let charged = match self.0.get_mut(place) {
                Some(known) if known.position == position => {
                    let before = known.value();
                    *known = Entry::new(position, value);
                    value.checked_sub(before).unwrap_or(value)
                }
                _ => {
                    self.insert(place, Entry::new(position, value));
                    value
                }
            };
            if charged > 0 {
                delta.0.push(Entry::new(position, charged));
            }
            place += 1;
        }
        self.0.truncate(place);
    }

    /// Adds another one to this one, counter by counter.
    pub fn add(&mut self, other: &Self) {
        let mut from = 0;
        for entry in &other.0 {
            let rest = &self.0[from..];
            let found = rest.binary_search_by_key(&entry.position, |known| known.position);
            match found {
                Ok(place) => {
                    from += place;
                    let sum = self.0[from].value().wrapping_add(entry.value());
                    self.0[from] = Entry::new(entry.position, sum);
                }
                Err(place) => {
                    from += place;
                    self.insert(from, *entry);
                }
            }
        }
    }

    /// Adds it to a whole one.
    pub fn add_to(&self, tally: &mut Tally) {
        let words = tally.words_mut();
        for entry in &self.0 {
            let word = &mut words[usize::from(entry.position)];
            *word = word.wrapping_add(entry.value());
        }
    }

    /// With room for a few more, not for twice as many: there are many of these.
    fn insert(&mut self, place: usize, entry: Entry) {
        const MORE: usize = 4;
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(MORE);
        }
        self.0.insert(place, entry);
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
            prop_assert_eq!(&Sparse::from_entries(seen.entries()), &seen);
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
