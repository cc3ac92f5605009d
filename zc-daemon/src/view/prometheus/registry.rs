//! The families that the registry keeps: the daemon's own few.

use std::fmt::Write as _;

use prometheus::proto::{Metric, MetricFamily, MetricType};

use super::rows::{Page, escaped, row};
use crate::view::family::Type;

/// Writes them.
pub(super) fn registered(page: &mut Page, families: &[MetricFamily]) {
    for family in families {
        let kind = match family.get_field_type() {
            MetricType::COUNTER => Type::Counter,
            MetricType::GAUGE => Type::Gauge,
            MetricType::HISTOGRAM => Type::Histogram,
            // zc registers none.
            MetricType::SUMMARY | MetricType::UNTYPED => continue,
        };
        let mut rows = String::new();
        for metric in family.get_metric() {
            match kind {
                Type::Counter => {
                    one(&mut rows, family.name(), metric, metric.get_counter().get_value())
                }
                Type::Gauge => {
                    one(&mut rows, family.name(), metric, metric.get_gauge().get_value())
                }
                Type::Histogram => buckets(&mut rows, page, family.name(), metric),
            }
        }
        if !rows.is_empty() {
            page.family(family.name(), kind, family.help(), &rows);
        }
    }
}

/// A sample that is one number.
fn one(rows: &mut String, name: &str, metric: &Metric, value: f64) {
    labelled(rows, name, metric, None, number(value));
}

/// The samples of a histogram.
fn buckets(rows: &mut String, page: &Page, name: &str, metric: &Metric) {
    let histogram = metric.get_histogram();
    let bucket = format!("{name}_bucket");
    let finite = histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite());
    let finite = finite.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    for (bound, count) in finite.chain([(f64::INFINITY, histogram.get_sample_count())]) {
        labelled(rows, &bucket, metric, Some(&page.format.bound(bound)), count.to_string());
    }
    let sum = number(histogram.get_sample_sum());
    labelled(rows, &format!("{name}_sum"), metric, None, sum);
    let count = histogram.get_sample_count().to_string();
    labelled(rows, &format!("{name}_count"), metric, None, count);
}

fn labelled(rows: &mut String, name: &str, metric: &Metric, bound: Option<&str>, value: String) {
    let labels: Vec<_> =
        metric.get_label().iter().map(|label| (label.name(), escaped(label.value()))).collect();
    let labels = labels.iter().map(|(name, value)| (*name, value.as_ref()));
    row(rows, name, labels.chain(bound.map(|bound| ("le", bound))), value);
}

/// A number as both formats have it.
fn number(value: f64) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match value {
        f64::INFINITY => write!(text, "+Inf"),
        f64::NEG_INFINITY => write!(text, "-Inf"),
        finite => write!(text, "{finite}"),
    };
    text
}
