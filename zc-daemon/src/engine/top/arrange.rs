//! Which rows are shown, and in which order.

use std::cmp::Ordering;

use super::{Key, rates::Row};

/// What rows can be sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Bytes copied a second.
    #[default]
    Copied,
    /// Copies of each byte.
    PerByte,
    /// Bytes a second that changed hands by reference.
    Moved,
    /// Bytes a second that went somewhere.
    Bytes,
    /// Context switches a second.
    Switches,
    /// Page faults a second.
    Faults,
    /// The route that copied most.
    Route,
    /// The verdict, the worst first.
    Verdict,
    /// The name.
    Name,
}

impl Sort {
    /// Every one.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("copied", Self::Copied),
        ("copies-per-byte", Self::PerByte),
        ("moved", Self::Moved),
        ("bytes", Self::Bytes),
        ("switches", Self::Switches),
        ("faults", Self::Faults),
        ("route", Self::Route),
        ("verdict", Self::Verdict),
        ("name", Self::Name),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, sort)| *sort == self).map_or("", |(name, _)| name)
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(of, _)| *of == name).map(|(_, sort)| *sort)
    }

    /// The one so many places further on.
    #[must_use]
    pub fn step(self, by: isize) -> Self {
        let at = Self::ALL.iter().position(|(_, sort)| *sort == self).unwrap_or(0);
        let count = Self::ALL.len().cast_signed();
        let to = (at.cast_signed() + by).rem_euclid(count);
        Self::ALL[to.cast_unsigned()].1
    }

    /// Numbers have the largest first, texts the first.
    fn compare(self, a: &Row, b: &Row) -> Ordering {
        let by = |key: fn(&Row) -> Option<f64>| {
            // What is unknown is last; nothing is no number.
            let (a, b) = (key(a).unwrap_or(-1.0), key(b).unwrap_or(-1.0));
            b.total_cmp(&a)
        };
        match self {
            Self::Copied => by(|row| row.rate(row.bytes()?.copied())),
            Self::PerByte => by(|row| row.bytes()?.copies_per_byte()),
            Self::Moved => by(|row| row.rate(row.bytes()?.by_reference)),
            Self::Bytes => by(|row| row.rate(row.bytes()?.size())),
            Self::Switches => by(|row| row.rate(row.change.as_ref().map(|c| c.switches())?)),
            Self::Faults => by(|row| row.rate(row.change.as_ref().map(|c| c.faults())?)),
            Self::Route => route(a).cmp(&route(b)),
            Self::Verdict => a.mark().cmp(&b.mark()),
            Self::Name => a.name.cmp(&b.name),
        }
    }
}

/// Those without one are last.
fn route(row: &Row) -> (bool, &'static str) {
    let route = row.bytes().and_then(|bytes| bytes.top_route());
    (route.is_none(), route.map_or("", |route| route.name()))
}

/// How rows are ordered and chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub sort: Sort,
    /// Whether the last is shown first.
    pub reverse: bool,
    /// Only rows with this in their name, group or process id, in whatever case.
    pub filter: String,
}

impl Order {
    /// The rows of this order.
    #[must_use]
    pub fn apply<'a>(&self, rows: &'a [Row]) -> Vec<&'a Row> {
        let mut chosen: Vec<_> = rows.iter().filter(|row| self.has(row)).collect();
        chosen.sort_by(|a, b| self.compare(a, b));
        chosen
    }

    pub(super) fn compare(&self, a: &Row, b: &Row) -> Ordering {
        let order = self.sort.compare(a, b);
        let order = if self.reverse { order.reverse() } else { order };
        order.then_with(|| a.name.cmp(&b.name)).then_with(|| a.key.cmp(&b.key))
    }

    /// Whether a row is shown.
    #[must_use]
    pub fn has(&self, row: &Row) -> bool {
        let wanted = self.filter.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&wanted);
        has(&row.name)
            || has(&row.group)
            || matches!(row.key, Key::Process(pid, _) if has(&pid.to_string()))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use zc_common::flow::Flow;

    use super::*;
    use crate::engine::top::{
        Standing,
        rates::{
            rows,
            tests::{listing, totals},
        },
    };

    /// Rows of one second, by flow.
    pub(in crate::engine::top) fn shown(all: &[(&str, Flow, u64)]) -> Vec<Row> {
        let totals = all.iter().map(|(name, flow, bytes)| totals(name, &[(*flow, *bytes)]));
        let now = listing(2.0, totals.collect());
        rows(Some(&listing(1.0, Vec::new())), &now, &Standing::default())
    }

    fn names(order: &Order, rows: &[Row]) -> Vec<String> {
        order.apply(rows).iter().map(|row| row.name.clone()).collect()
    }

    #[test]
    fn rows_are_sorted_reversed_and_filtered() {
        let mut rows = shown(&[
            ("small", Flow::ReadFile, 10),
            ("large", Flow::ReadFile, 1000),
            ("free", Flow::SendfileSocket, 9000),
        ]);
        let name = "unknown".to_owned();
        rows.push(Row { name: name.clone(), group: name, change: None, ..rows[0].clone() });
        let mut order = Order::default();
        assert_eq!(names(&order, &rows), ["large", "small", "free", "unknown"]);
        order.sort = Sort::Bytes;
        assert_eq!(names(&order, &rows)[0], "free");
        order.reverse = true;
        assert_eq!(names(&order, &rows), ["unknown", "small", "large", "free"]);
        order = Order { sort: Sort::Verdict, ..Order::default() };
        assert_eq!(names(&order, &rows), ["large", "small", "free", "unknown"]);
        order = Order { sort: Sort::Name, filter: "L".to_owned(), ..Order::default() };
        assert_eq!(names(&order, &rows), ["large", "small"]);
    }

    #[test]
    fn every_sort_has_its_name_and_its_turn() {
        let mut sort = Sort::default();
        for (name, of) in Sort::ALL {
            assert_eq!(sort, *of);
            assert_eq!(Sort::named(name), Some(sort));
            assert_eq!(sort.step(1).step(-1), sort);
            sort = sort.step(1);
        }
        assert_eq!(sort, Sort::default());
    }
}
