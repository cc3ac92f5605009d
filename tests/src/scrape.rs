//! One reading of the daemon's pages.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use prometheus_parse::{Sample, Scrape, Value};

/// One scrape of `/metrics`.
#[derive(Debug)]
pub struct Metrics(Vec<Sample>);

/// The value of each series of a family, by the values of some of its labels.
pub type Rows = BTreeMap<Vec<String>, u64>;

impl Metrics {
    /// Parses an exposition.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn parse(page: &str) -> Result<Self> {
        let lines = page.lines().map(|line| Ok(line.to_owned()));
        let scrape = Scrape::parse(lines).context("/metrics is no exposition")?;
        Ok(Self(scrape.samples))
    }

    /// Every series of `family` whose `label` has this value, by `by`.
    ///
    /// # Errors
    ///
    /// If two series have the same labels, or one is no whole number.
    pub fn rows(&self, family: &str, label: (&str, &str), by: &[&str]) -> Result<Rows> {
        self.select(family, |sample| sample.labels.get(label.0) == Some(label.1), by)
    }

    /// Every series of `family`, by `by`.
    ///
    /// # Errors
    ///
    /// As [`Self::rows`].
    pub fn all(&self, family: &str, by: &[&str]) -> Result<Rows> {
        self.select(family, |_| true, by)
    }

    fn select(&self, family: &str, wanted: impl Fn(&Sample) -> bool, by: &[&str]) -> Result<Rows> {
        let mut rows = Rows::new();
        for sample in self.0.iter().filter(|sample| sample.metric == family && wanted(sample)) {
            let key = by.iter().map(|name| sample.labels.get(name).unwrap_or("").to_owned());
            let key: Vec<_> = key.collect();
            if rows.insert(key.clone(), whole(sample)?).is_some() {
                bail!("{family} has {key:?} twice");
            }
        }
        Ok(rows)
    }

    /// The rows of a family of one group.
    ///
    /// # Errors
    ///
    /// As [`Self::rows`].
    pub fn group(&self, family: &str, group: &str, by: &[&str]) -> Result<Rows> {
        self.rows(family, ("group", group), by)
    }

    /// The one series of a family with this label, or 0.
    ///
    /// # Errors
    ///
    /// As [`Self::rows`].
    pub fn value(&self, family: &str, label: (&str, &str)) -> Result<u64> {
        Ok(self.rows(family, label, &[])?.into_values().sum())
    }

    /// Every series as `name{labels}` and its value, but for times, which are no whole
    /// numbers.
    ///
    /// # Errors
    ///
    /// If one is no number.
    pub fn counters(&self) -> Result<BTreeMap<String, u64>> {
        let counters = self.0.iter().filter(|sample| matches!(sample.value, Value::Counter(_)));
        let own = counters.filter(|sample| {
            sample.metric.starts_with("zc_") && !sample.metric.ends_with("_seconds_total")
        });
        own.map(|sample| Ok((format!("{}{}", sample.metric, sample.labels), whole(sample)?)))
            .collect()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "checked to be a whole number that f64 holds exactly"
)]
fn whole(sample: &Sample) -> Result<u64> {
    const EXACT: f64 = (1_u64 << 53) as f64;
    match sample.value {
        Value::Counter(value) | Value::Gauge(value)
            if value.fract() == 0.0 && (0.0..=EXACT).contains(&value) =>
        {
            Ok(value as u64)
        }
        ref other @ (Value::Counter(_)
        | Value::Gauge(_)
        | Value::Untyped(_)
        | Value::Histogram(_)
        | Value::Summary(_)) => bail!("{} is no whole number: {other:?}", sample.metric),
    }
}

/// What was added between two readings; rows that did not change are left out.
#[must_use]
pub fn difference(after: &Rows, before: &Rows) -> Rows {
    let rows = after.iter().map(|(key, value)| {
        let earlier = before.get(key).copied().unwrap_or(0);
        (key.clone(), value.wrapping_sub(earlier))
    });
    rows.filter(|(_, value)| *value != 0).collect()
}
