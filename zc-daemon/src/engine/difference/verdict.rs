//! What is to be thought of a change: large enough, and not by chance; or nothing, and why.

use std::fmt;

use statrs::stats_tests::{
    Alternative,
    mannwhitneyu::{MannWhitneyUMethod, mannwhitneyu},
};
use zc_common::flow::Route;

use super::{
    Subject, Value,
    figure::Figure,
    side::{Sample, Side},
};

/// What counts as a change.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The least change of a value, as a share of what it was.
    pub least: f64,
    /// How probable it may be that batches differ as much by chance.
    pub alpha: f64,
}

/// Batches that each recording must have, of what is compared: of fewer hardly anything is
/// improbable.
pub const FEWEST: usize = 5;

/// What is to be thought of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is more.
    More,
    /// It is less.
    Less,
    /// No change is shown.
    Same,
    /// Nothing can be said.
    CannotTell(Doubt),
}

/// Why nothing can be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Nothing went anywhere in one of them, or neither.
    Idle,
    /// Too few batches.
    Few,
    /// A probe was attached nowhere in one of them.
    Down(&'static str),
    /// Copies on a route are measured in one, and inferred in the other.
    Unlike(String),
    /// Bytes may have been copied besides, as many as would make the change or undo it.
    Unknown,
    /// As many events were missed.
    Missed,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => write!(f, "nothing went anywhere in one of them"),
            Self::Few => {
                write!(f, "fewer than {FEWEST} intervals tell; record longer, or by --interval")
            }
            Self::Down(probe) => {
                write!(f, "the probe {probe} was attached nowhere in one of them; see zc doctor")
            }
            Self::Unlike(route) => write!(
                f,
                "copies by {route} are measured in one and inferred in the other; record both on \
                 the same machine"
            ),
            Self::Unknown => {
                write!(f, "zc cannot tell of as many bytes whether they were copied")
            }
            Self::Missed => write!(f, "as many events were missed; see what zc report says of it"),
        }
    }
}

/// A change counts that is large enough and not by chance.
pub(super) fn judged(before: Value, after: Value, p: Option<f64>, limits: Limits) -> Verdict {
    if share(before.whole, after.whole) < limits.least || p.is_none_or(|p| p >= limits.alpha) {
        Verdict::Same
    } else if after.whole > before.whole {
        Verdict::More
    } else {
        Verdict::Less
    }
}

pub(super) fn doubt(
    sides: &[Side<'_>; 2],
    samples: &[Sample; 2],
    subject: &Subject,
    figure: &Figure,
    [before, after]: [Value; 2],
    limits: Limits,
) -> Option<Doubt> {
    if before.spread.count.min(after.spread.count) < FEWEST {
        return Some(Doubt::Few);
    }
    let told = share(before.whole, after.whole).max(limits.least);
    let missed = sides.iter().map(|side| side.missed).fold(0.0, f64::max);
    if missed >= told {
        return Some(Doubt::Missed);
    }
    if !figure.is_of_copies {
        return None;
    }
    if let Some(route) = unlike(sides, subject) {
        return Some(Doubt::Unlike(route));
    }
    let unknown = samples.iter().map(Sample::unknown).fold(0.0, f64::max);
    (unknown >= told).then_some(Doubt::Unknown)
}

/// By how much of what it was a value changed.
fn share(before: f64, after: f64) -> f64 {
    let change = (after - before).abs();
    if change > 0.0 { change / before } else { 0.0 }
}

/// A route used whose copies are not told of in the same way.
fn unlike(sides: &[Side<'_>; 2], subject: &Subject) -> Option<String> {
    let is_asked = |route: Route| match subject {
        Subject::Route(asked) => *asked == route,
        Subject::All | Subject::Group(_) => true,
    };
    let measured = |side: &Side<'_>, route: Route| side.probes.sees_copies(route);
    let used = |route: Route| sides.iter().any(|side| side.uses(route));
    let mut routes = Route::ALL.iter().copied().filter(|route| is_asked(*route) && used(*route));
    let [before, after] = sides;
    let found = routes.find(|route| measured(before, *route) != measured(after, *route));
    found.map(|route| route.name().to_owned())
}

/// How probable it is that two samples of the same differ so much.
pub(super) fn chance([before, after]: [Vec<f64>; 2]) -> f64 {
    let first = before.first().copied();
    if before.iter().chain(&after).all(|value| Some(*value) == first) {
        return 1.0;
    }
    let tested =
        mannwhitneyu(&before, &after, MannWhitneyUMethod::Automatic, Alternative::TwoSided);
    tested.map_or(1.0, |(_, p)| p.clamp(0.0, 1.0))
}
