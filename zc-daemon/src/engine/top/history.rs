//! The last minute of each row.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{Key, rates::Row};

/// Looks that are remembered.
const LOOKS: usize = 60;

/// Bytes a second at one look; none where they were unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Copied.
    pub copied: Option<f64>,
    /// Gone somewhere.
    pub bytes: Option<f64>,
}

/// What was seen of each row.
#[derive(Clone, Debug, Default)]
pub struct History(HashMap<Key, VecDeque<Point>>);

impl History {
    /// Adds a look, and forgets who is gone.
    pub fn add<'a>(&mut self, rows: impl Iterator<Item = &'a Row>) {
        let mut seen = HashSet::new();
        for row in rows {
            let rate = |of: Option<u64>| of.and_then(|bytes| row.rate(bytes));
            let bytes = row.bytes();
            let point = Point {
                copied: rate(bytes.map(|bytes| bytes.copied())),
                bytes: rate(bytes.map(|bytes| bytes.size())),
            };
            let points = self.0.entry(row.key.clone()).or_default();
            points.push_back(point);
            if points.len() > LOOKS {
                points.pop_front();
            }
            seen.insert(&row.key);
        }
        self.0.retain(|key, _| seen.contains(key));
    }

    /// What is remembered of a row, the oldest first.
    pub fn of(&self, key: &Key) -> impl Iterator<Item = Point> {
        self.0.get(key).into_iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use zc_common::flow::Flow;

    use super::*;
    use crate::engine::top::{
        Standing,
        rates::{
            rows,
            tests::{listing, totals},
        },
    };

    #[test]
    fn a_minute_is_remembered_of_who_is_there() {
        let mut history = History::default();
        let standing = Standing::default();
        let now = listing(2.0, vec![totals("a", &[(Flow::ReadFile, 100)])]);
        let first = rows(None, &now, &standing);
        let later = rows(Some(&listing(1.0, Vec::new())), &now, &standing);
        history.add(first.iter());
        let key = &first[0].key;
        assert_eq!(history.of(key).next(), Some(Point::default()));
        for _ in 0..70 {
            history.add(later.iter());
        }
        assert_eq!(history.of(key).count(), LOOKS);
        assert_eq!(history.of(key).last().unwrap().copied, Some(100.0));
        history.add([].iter());
        assert_eq!(history.of(key).count(), 0);
    }
}
