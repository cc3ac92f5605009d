//! One of two recordings, as it is asked about over and over.

use zc_common::{
    counter::{Counter, Tally},
    flow::{Flow, Route},
};

use super::{
    Subject, Value,
    figure::{Amounts, Figure},
    series::Series,
};
use crate::engine::{
    probes::Probes,
    recording::{Interval, sums::Spread},
};

/// One of the two, with what is asked of it over and over.
pub(super) struct Side<'a> {
    pub(super) series: &'a Series,
    pub(super) probes: Probes,
    /// The share of events that were missed.
    pub(super) missed: f64,
    used: Vec<Route>,
}

/// One value's sources: the whole, and each batch.
pub(super) struct Sample {
    pub(super) whole: Amounts,
    pub(super) batches: Vec<Amounts>,
}

impl<'a> Side<'a> {
    pub(super) fn new(series: &'a Series) -> Self {
        let total = series.read.total.whole();
        let calls: u64 = Flow::ALL.iter().map(|flow| total[Counter::calls(*flow)]).sum();
        let lost: u64 = series.read.lost.values().sum();
        #[expect(clippy::cast_precision_loss, reason = "a share to compare")]
        let missed = if lost > 0 { lost as f64 / (lost + calls) as f64 } else { 0.0 };
        let is_used = |route: &Route| {
            let amounts = Amounts::of(&total, Some(*route), 0.0);
            amounts.bytes + amounts.moved > 0
        };
        let used = Route::ALL.iter().copied().filter(is_used).collect();
        Self { series, probes: series.read.header.probes(), missed, used }
    }

    /// Whether anything went by a route.
    pub(super) fn uses(&self, route: Route) -> bool {
        self.used.contains(&route)
    }

    pub(super) fn sample(&self, subject: &Subject) -> Sample {
        let batches: Vec<_> =
            self.series.batches.iter().map(|batch| amounts(batch, subject)).collect();
        let mut whole = Amounts::default();
        batches.iter().for_each(|batch| whole.add(batch));
        Sample { whole, batches }
    }
}

fn amounts(batch: &Interval, subject: &Subject) -> Amounts {
    let seconds = batch.seconds();
    let belongs = |group: &str| match subject {
        Subject::All | Subject::Route(_) => true,
        Subject::Group(asked) => asked == group,
    };
    let rows = batch.rows.iter().filter(|(who, _)| belongs(&who.group));
    let mut rows = rows.map(|(_, delta)| delta).peekable();
    if rows.peek().is_none() {
        return Amounts { seconds, ..Amounts::default() };
    }
    let mut tally = Tally::default();
    rows.for_each(|delta| delta.add_to(&mut tally));
    let route = match subject {
        Subject::Route(route) => Some(*route),
        Subject::All | Subject::Group(_) => None,
    };
    Amounts::of(&tally, route, seconds)
}

impl Sample {
    pub(super) fn of(&self, figure: &Figure) -> Vec<f64> {
        self.batches.iter().filter_map(|batch| figure.of(batch)).collect()
    }

    pub(super) fn value(&self, figure: &Figure) -> Option<Value> {
        let spread = Spread::of(self.of(figure))?;
        Some(Value { whole: figure.of(&self.whole)?, spread })
    }

    /// The bytes of which zc cannot tell whether they were copied, as a share of those that were.
    #[expect(clippy::cast_precision_loss, reason = "a share to compare")]
    pub(super) fn unknown(&self) -> f64 {
        let Amounts { copied, unknown, .. } = self.whole;
        if unknown > 0 { unknown as f64 / copied as f64 } else { 0.0 }
    }
}
