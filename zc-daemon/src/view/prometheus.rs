//! The exposition: a collector that turns the latest snapshot into families.

use std::sync::Arc;

use prometheus::{
    core::{Collector, Desc},
    proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType},
};
use tokio::sync::watch;
use zc_common::{
    counter::{Counter as Count, Fault, Switch, Tally},
    flow::Route,
    syscall::Class,
};

use super::family::{self, Family, Type};
use crate::engine::{
    coverage::Coverage,
    snapshot::Snapshot,
    summary::{self, Copied, Copies, Transferred},
};

/// What is known of a probe: its name, and the hook it is attached to.
pub type ProbeState = (&'static str, Option<String>);

/// Facts that never change while the daemon lives.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Every probe.
    pub probes: Vec<ProbeState>,
    /// The start of the object's SHA-256.
    pub object: String,
    /// Which copies are shown.
    pub copies: Copies,
    /// How well copies are measured, by route.
    pub routes: Vec<(Route, Coverage)>,
}

/// Shows the latest snapshot.
pub struct Exposition {
    latest: watch::Receiver<Arc<Snapshot>>,
    facts: Facts,
    descriptions: Vec<Desc>,
}

impl Exposition {
    /// A collector over the snapshots that arrive on `latest`.
    ///
    /// # Errors
    ///
    /// If a family's name or labels are not legal.
    pub fn new(latest: watch::Receiver<Arc<Snapshot>>, facts: Facts) -> prometheus::Result<Self> {
        let description = |family: &Family| {
            let labels = family.labels.iter().map(|label| (*label).to_owned()).collect();
            Desc::new(family.name.into(), family.help.into(), labels, Default::default())
        };
        let descriptions = family::FAMILIES
            .iter()
            .filter(|family| family.kind != Type::Histogram)
            .map(description)
            .collect::<Result<_, _>>()?;
        Ok(Self { latest, facts, descriptions })
    }
}

impl Collector for Exposition {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let snapshot = Arc::clone(&self.latest.borrow());
        let mut families = groups(&snapshot, self.facts.copies);
        families.extend(of_itself(&snapshot, &self.facts));
        families.retain(|family| !family.get_metric().is_empty());
        families
    }
}

/// The labels of a series after the group, and its value.
type Row = (Vec<&'static str>, u64);

/// The families labelled by group.
fn groups(snapshot: &Snapshot, copies: Copies) -> Vec<MetricFamily> {
    let rows = |family, rows: &dyn Fn(&Tally) -> Vec<Row>| {
        let mut built = Builder::new(family);
        for group in &snapshot.groups {
            for (labels, value) in rows(&group.tally) {
                built.push([group.name.as_str()].into_iter().chain(labels), value);
            }
        }
        built.0
    };
    vec![
        rows(family::TRANSFERRED, &|tally| {
            transferred(summary::transferred(tally), |row| row.amount.bytes)
        }),
        rows(family::TRANSFERS, &|tally| {
            transferred(summary::transferred(tally), |row| row.amount.calls)
        }),
        rows(family::COPIED, &|tally| copied(tally, copies, |row| row.amount.bytes)),
        rows(family::COPIES, &|tally| copied(tally, copies, |row| row.amount.calls)),
        rows(family::UNKNOWN, &|tally| {
            transferred(summary::unknown(tally), |row| row.amount.bytes)
        }),
        rows(family::MOVED, &|tally| {
            summary::moved(tally).map(|(route, bytes)| (vec![route.name()], bytes)).collect()
        }),
        rows(family::FALLBACK, &|tally| {
            let rows = summary::fallbacks(tally);
            rows.map(|(route, reason, bytes)| (vec![route.name(), reason.name()], bytes)).collect()
        }),
        rows(family::SYSCALLS, &|tally| {
            nonzero(Class::ALL.iter().map(|c| (c.name(), tally[Count::syscalls(*c)])))
        }),
        rows(family::SWITCHES, &|tally| {
            nonzero(Switch::ALL.iter().map(|s| (s.name(), tally[Count::switches(*s)])))
        }),
        rows(family::FAULTS, &|tally| {
            nonzero(Fault::ALL.iter().map(|f| (f.name(), tally[Count::faults(*f)])))
        }),
        rows(family::FAULTS_BY_BACKING, &|tally| {
            let rows = summary::backed_faults(tally).filter(|(_, _, faults)| *faults > 0);
            rows.map(|(fault, by, faults)| (vec![fault.name(), by.name()], faults)).collect()
        }),
    ]
}

fn transferred(rows: Vec<Transferred>, value: fn(&Transferred) -> u64) -> Vec<Row> {
    rows.iter().map(|row| (vec![row.route.name(), row.endpoint.name()], value(row))).collect()
}

fn copied(tally: &Tally, copies: Copies, value: fn(&Copied) -> u64) -> Vec<Row> {
    let labels = |row: &Copied| vec![row.route.name(), row.direction.name(), row.quality.name()];
    summary::copied(tally, copies).iter().map(|row| (labels(row), value(row))).collect()
}

fn nonzero(rows: impl Iterator<Item = (&'static str, u64)>) -> Vec<Row> {
    rows.filter(|(_, value)| *value > 0).map(|(name, value)| (vec![name], value)).collect()
}

/// The families about zc itself.
fn of_itself(snapshot: &Snapshot, facts: &Facts) -> Vec<MetricFamily> {
    let mut lost = Builder::new(family::LOST);
    for (reason, value) in &snapshot.lost {
        lost.push([*reason], *value);
    }
    let mut probes = Builder::new(family::PROBE_UP);
    for (probe, hook) in &facts.probes {
        probes.push([*probe, hook.as_deref().unwrap_or("")], u64::from(hook.is_some()));
    }
    let mut routes = Builder::new(family::ROUTE_COVERAGE);
    for (route, coverage) in &facts.routes {
        routes.push([route.name(), coverage.name()], 1);
    }
    let one = |family, labels: &[&str], value| {
        let mut built = Builder::new(family);
        built.push(labels.iter().copied(), value);
        built.0
    };
    vec![
        lost.0,
        probes.0,
        routes.0,
        one(family::PROCESSES, &[], snapshot.processes as u64),
        one(family::GROUP_OVERFLOW, &[], snapshot.group_overflow),
        one(family::MAP_ENTRIES, &["slots"], snapshot.threads as u64),
        one(family::MAP_CAPACITY, &["slots"], snapshot.thread_capacity.into()),
        one(family::BUILD_INFO, &[env!("CARGO_PKG_VERSION"), &facts.object], 1),
    ]
}

/// A family being filled.
struct Builder(MetricFamily, Family);

impl Builder {
    fn new(row: Family) -> Self {
        let mut family = MetricFamily::default();
        family.set_name(row.name.to_owned());
        family.set_help(row.help.to_owned());
        family.set_field_type(match row.kind {
            Type::Counter => MetricType::COUNTER,
            Type::Gauge => MetricType::GAUGE,
            Type::Histogram => MetricType::HISTOGRAM,
        });
        Self(family, row)
    }

    /// Adds one series. The exposition's numbers are `f64`: exact up to 2^53.
    fn push<'a>(&mut self, values: impl IntoIterator<Item = &'a str>, value: u64) {
        let labels = self.1.labels.iter().zip(values).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value(value.to_owned());
            pair
        });
        let mut metric = Metric::from_label(labels.collect());
        #[expect(clippy::cast_precision_loss, reason = "the exposition format is f64")]
        let number = value as f64;
        if self.1.kind == Type::Counter {
            let mut counter = Counter::default();
            counter.set_value(number);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(number);
            metric.set_gauge(gauge);
        }
        self.0.mut_metric().push(metric);
    }
}
