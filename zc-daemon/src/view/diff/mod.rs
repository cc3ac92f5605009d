//! What `zc diff` shows of two recordings: what is more, what is less, and of what nothing can
//! be said. `docs/recordings.md` documents the JSON. What is not known is null, not zero.

mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use super::{inert, recording::Recording};
use crate::engine::{
    difference::{self, Change, Limits, Subject, Verdict, figure::Figure, series::Series},
    recording::sums::Spread,
};

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct Diff<'a> {
    /// The version of this format.
    version: u32,
    before: Side<'a>,
    after: Side<'a>,
    /// The least change that counts, as a share.
    least: f64,
    /// How probable a change may be by chance that counts.
    alpha: f64,
    rows: Vec<Row>,
}

/// One of the two.
#[derive(Debug, Serialize)]
struct Side<'a> {
    recording: Recording<'a>,
    /// How long all intervals were.
    seconds: f64,
    /// Intervals, or several merged, that are compared.
    batches: usize,
    /// Events missed, of any process, by reason.
    lost: &'a BTreeMap<String, u64>,
}

/// One figure of one subject.
#[derive(Debug, Serialize)]
struct Row {
    /// `all`, `group` or `route`.
    of: &'static str,
    /// The group's or route's name.
    name: Option<String>,
    figure: &'static str,
    before: Option<Value>,
    after: Option<Value>,
    /// As a share of what it was; null if that is unknown or was zero.
    change: Option<f64>,
    p: Option<f64>,
    /// `more`, `less`, `same` or `cannot tell`.
    verdict: &'static str,
    /// Why nothing can be told.
    why: Option<String>,
    #[serde(skip)]
    shown: &'static Figure,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Value {
    /// Of the whole.
    value: f64,
    #[serde(flatten)]
    spread: Spread,
}

/// The difference of two recordings.
#[must_use]
pub fn of<'a>(before: &'a Series, after: &'a Series, limits: Limits) -> Diff<'a> {
    let changes = difference::of(before, after, limits);
    Diff {
        version: 1,
        before: Side::of(before),
        after: Side::of(after),
        least: limits.least,
        alpha: limits.alpha,
        rows: changes.into_iter().map(Row::of).collect(),
    }
}

impl<'a> Side<'a> {
    fn of(series: &'a Series) -> Self {
        Self {
            recording: Recording::of(&series.read),
            seconds: series.batches.iter().map(|batch| batch.seconds()).sum(),
            batches: series.batches.len(),
            lost: &series.read.lost,
        }
    }
}

impl Row {
    fn of(change: Change) -> Self {
        let (of, name) = match change.subject {
            Subject::All => ("all", None),
            Subject::Group(group) => ("group", Some(group)),
            Subject::Route(route) => ("route", Some(route.name().to_owned())),
        };
        let (verdict, why) = match &change.verdict {
            Verdict::More => ("more", None),
            Verdict::Less => ("less", None),
            Verdict::Same => ("same", None),
            Verdict::CannotTell(doubt) => ("cannot tell", Some(doubt.to_string())),
        };
        let value = |of: difference::Value| Value { value: of.whole, spread: of.spread };
        let by = change.before.zip(change.after).filter(|(before, _)| before.whole > 0.0);
        Self {
            of,
            name,
            figure: change.figure.name,
            before: change.before.map(value),
            after: change.after.map(value),
            change: by.map(|(before, after)| (after.whole - before.whole) / before.whole),
            p: change.p,
            verdict,
            why,
            shown: change.figure,
        }
    }
}

impl Diff<'_> {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        inert::page(&text::of(self))
    }

    /// Whether all that was recorded copies more, for each byte or each second; none if either
    /// cannot be told, and the other is not more, or if one recording is of a part.
    #[must_use]
    pub fn copies_more(&self) -> Option<bool> {
        let asked = |row: &&Row| row.of == "all" && GATED.contains(&row.figure);
        let verdicts = || self.rows.iter().filter(asked).map(|row| row.verdict);
        if verdicts().any(|verdict| verdict == "more") {
            return Some(true);
        }
        let whole = [&self.before, &self.after].iter().all(|side| side.recording.is_all());
        (whole && verdicts().all(|verdict| verdict != "cannot tell")).then_some(false)
    }
}

/// The figures that `--fail-on-more` is about.
const GATED: [&str; 2] = ["copies_per_byte", "copied_bytes_per_second"];

#[cfg(test)]
mod tests;
