//! What changed between two recordings, by more than chance and by more than is asked about.
//!
//! [`series`] reads a recording as batches of equal length, [`figure`] is the table of what is
//! compared, `side` looks up what is asked of one recording, `verdict` says what is to be thought
//! of a change. A value is that of the whole recording, to the byte; whether it changed is said by
//! how the batches of the two are spread, by the Mann-Whitney U test, which supposes nothing of
//! how they are distributed.

pub mod figure;
pub mod series;
mod side;
mod verdict;

use std::collections::BTreeSet;

use zc_common::flow::Route;

pub use self::verdict::{Doubt, FEWEST, Limits, Verdict};
use self::{
    figure::{FIGURES, Figure},
    series::Series,
    side::{Sample, Side},
    verdict::{chance, doubt, judged},
};
use super::recording::sums::Spread;

/// Whom a value is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// All that is recorded.
    All,
    /// A group.
    Group(String),
    /// What all did by a route.
    Route(Route),
}

/// A value in both recordings.
#[derive(Debug)]
pub struct Change {
    /// Whom it is of.
    pub subject: Subject,
    /// What it is.
    pub figure: &'static Figure,
    /// What it was; none if that is not known, or there was nothing.
    pub before: Option<Value>,
    /// What it is now.
    pub after: Option<Value>,
    /// How probable such batches are if nothing changed.
    pub p: Option<f64>,
    /// What is to be thought of it.
    pub verdict: Verdict,
}

/// A figure in one recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// Of the whole.
    pub whole: f64,
    /// Of its batches.
    pub spread: Spread,
}

/// Every figure of all, of each group and of each route, in both.
#[must_use]
pub fn of(before: &Series, after: &Series, limits: Limits) -> Vec<Change> {
    let sides = [before, after].map(Side::new);
    subjects(&sides).into_iter().flat_map(|subject| changes(&sides, subject, limits)).collect()
}

fn subjects(sides: &[Side<'_>; 2]) -> Vec<Subject> {
    let batches = || sides.iter().flat_map(|side| &side.series.batches);
    let groups: BTreeSet<&str> =
        batches().flat_map(|batch| batch.rows.keys().map(|who| &*who.group)).collect();
    let groups = groups.into_iter().map(|group| Subject::Group(group.to_owned()));
    let routes = Route::ALL.iter().filter(|route| sides.iter().any(|side| side.uses(**route)));
    let routes = routes.map(|route| Subject::Route(*route));
    std::iter::once(Subject::All).chain(groups).chain(routes).collect()
}

fn changes(sides: &[Side<'_>; 2], subject: Subject, limits: Limits) -> Vec<Change> {
    let samples = sides.each_ref().map(|side| side.sample(&subject));
    let of_route = matches!(subject, Subject::Route(_));
    let figures = FIGURES.iter().filter(|figure| figure.is_of_routes || !of_route);
    figures.map(|figure| change(sides, &samples, subject.clone(), figure, limits)).collect()
}

fn change(
    sides: &[Side<'_>; 2],
    samples: &[Sample; 2],
    subject: Subject,
    figure: &'static Figure,
    limits: Limits,
) -> Change {
    let down = figure.probe.filter(|probe| sides.iter().any(|side| !side.probes.has(probe)));
    let known = |side: usize| match figure.probe {
        Some(probe) if !sides[side].probes.has(probe) => None,
        _ => samples[side].value(figure),
    };
    let (before, after) = (known(0), known(1));
    let p = before.and(after).map(|_| chance(samples.each_ref().map(|sample| sample.of(figure))));
    let verdict = match (down, before, after) {
        (Some(probe), ..) => Verdict::CannotTell(Doubt::Down(probe)),
        (_, Some(before), Some(after)) => {
            let doubt = doubt(sides, samples, &subject, figure, [before, after], limits);
            doubt.map_or_else(|| judged(before, after, p, limits), Verdict::CannotTell)
        }
        _ => Verdict::CannotTell(Doubt::Idle),
    };
    Change { subject, figure, before, after, p, verdict }
}

#[cfg(test)]
mod tests;
