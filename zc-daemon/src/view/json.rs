//! `/api/v1/processes`: every process that lives, with its totals.

use std::sync::Arc;

use serde::Serialize;
use zc_common::{
    counter::{Counter, Fault, Switch, Tally},
    syscall::Class,
};

use crate::engine::{
    probes::Probes,
    snapshot::Process,
    summary::{self, Copies},
    traffic::{self, Traffic},
};

/// What is shown of a tally: what no probe counts is left out, as it is unknown, not zero.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// What the probes see.
    pub probes: Arc<Probes>,
    /// Which copies are shown.
    pub copies: Copies,
}

/// The whole answer.
#[derive(Serialize)]
pub struct Processes<'a> {
    /// The version of this format.
    version: u32,
    /// Since the daemon began to serve: totals of two answers are so far apart.
    seconds: f64,
    /// The probes that are down: what they measure is in no row.
    unmeasured: Vec<&'static str>,
    /// Every process, by pid. A row at a time: there are many.
    #[serde(serialize_with = "rows")]
    processes: (&'a [Process], &'a Coverage),
}

fn rows<S: serde::Serializer>(
    (processes, coverage): &(&[Process], &Coverage),
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_seq(processes.iter().map(|process| row(process, coverage)))
}

/// What a verdict is on: what moved by a route, and what was copied of it.
#[derive(Debug, Serialize)]
pub struct TrafficRow {
    /// The interface.
    pub route: &'static str,
    /// Bytes that it moved, somewhere.
    pub bytes: u64,
    /// Bytes seen copied.
    pub measured: u64,
    /// Bytes whose copies are inferred.
    pub inferred: u64,
    /// Bytes of whose copies nothing is known.
    pub unknown: u64,
}

impl From<&Traffic> for TrafficRow {
    fn from(row: &Traffic) -> Self {
        let Traffic { route, measured, inferred, unknown, .. } = *row;
        let bytes = row.size();
        Self { route: route.name(), bytes, measured, inferred, unknown }
    }
}

/// All routes of a tally, if what moves is counted.
pub(super) fn traffic(tally: &Tally, probes: &Probes) -> Option<Vec<TrafficRow>> {
    let rows = || traffic::of(tally).iter().map(TrafficRow::from).collect();
    probes.has("transfers").then(rows)
}

#[derive(Serialize)]
struct Row {
    pid: u32,
    start_ns: u64,
    comm: String,
    group: String,
    threads: u32,
    traffic: Option<Vec<TrafficRow>>,
    #[serde(flatten)]
    totals: Totals,
}

/// A tally as rows; what is not measured is left out.
#[derive(Debug, Serialize)]
pub struct Totals {
    pub(super) transferred: Option<Vec<Transferred>>,
    pub(super) copied: Option<Vec<Copied>>,
    pub(super) copy_unknown: Option<Vec<Transferred>>,
    pub(super) moved: Option<Vec<Moved>>,
    pub(super) fallback: Option<Vec<Fallback>>,
    syscalls: Option<serde_json::Map<String, serde_json::Value>>,
    pub(super) mode_switches: Option<u64>,
    pub(super) context_switches: Switches,
    pub(super) page_faults: Faults,
}

#[derive(Debug, Serialize)]
pub(super) struct Transferred {
    pub(super) route: &'static str,
    pub(super) endpoint: &'static str,
    pub(super) bytes: u64,
    pub(super) calls: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Copied {
    pub(super) route: &'static str,
    pub(super) direction: &'static str,
    pub(super) quality: &'static str,
    pub(super) bytes: u64,
    pub(super) copies: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Moved {
    pub(super) route: &'static str,
    pub(super) bytes: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Fallback {
    pub(super) route: &'static str,
    pub(super) reason: &'static str,
    pub(super) bytes: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Switches {
    pub(super) voluntary: u64,
    pub(super) involuntary: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Faults {
    pub(super) minor: u64,
    pub(super) major: u64,
    pub(super) by_backing: Option<Vec<Backed>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Backed {
    pub(super) r#type: &'static str,
    pub(super) backing: &'static str,
    pub(super) faults: u64,
}

/// All these processes.
#[must_use]
pub fn processes<'a>(
    processes: &'a [Process],
    coverage: &'a Coverage,
    seconds: f64,
) -> Processes<'a> {
    let unmeasured = coverage.probes.down().collect();
    Processes { version: 1, seconds, unmeasured, processes: (processes, coverage) }
}

fn row(process: &Process, coverage: &Coverage) -> Row {
    let tally = process.tally.whole();
    Row {
        pid: process.key.tgid,
        start_ns: process.key.start,
        comm: process.name.clone(),
        group: process.group.clone(),
        threads: process.threads,
        traffic: traffic(&tally, &coverage.probes),
        totals: Totals::of(&tally, coverage),
    }
}

impl Totals {
    /// The rows of a tally.
    #[must_use]
    pub fn of(tally: &Tally, coverage: &Coverage) -> Self {
        let probes = &coverage.probes;
        let (moves, calls_known) = (probes.has("transfers"), probes.has("syscalls"));
        Self {
            transferred: moves.then(|| transferred(summary::transferred(tally), probes)),
            copied: moves.then(|| copied(tally, coverage)),
            copy_unknown: moves.then(|| transferred(summary::unknown(tally), probes)),
            moved: moves.then(|| moved(tally, probes)),
            fallback: moves.then(|| fallbacks(tally, probes)),
            syscalls: calls_known.then(|| syscalls(tally)),
            mode_switches: mode_switches(tally, probes),
            context_switches: Switches::of(tally),
            page_faults: Faults {
                minor: tally[Counter::faults(Fault::Minor)],
                major: tally[Counter::faults(Fault::Major)],
                by_backing: probes.has("page_fault_backing").then(|| backed(tally)),
            },
        }
    }
}

impl Switches {
    pub(super) fn of(tally: &Tally) -> Self {
        Self {
            voluntary: tally[Counter::switches(Switch::Voluntary)],
            involuntary: tally[Counter::switches(Switch::Involuntary)],
        }
    }
}

/// If calls are counted.
pub(super) fn mode_switches(tally: &Tally, probes: &Probes) -> Option<u64> {
    probes.has("syscalls").then(|| summary::mode_switches(tally))
}

fn transferred(rows: Vec<summary::Transferred>, probes: &Probes) -> Vec<Transferred> {
    rows.into_iter()
        .filter(|row| probes.sees_moves(row.route))
        .map(|row| Transferred {
            route: row.route.name(),
            endpoint: row.endpoint.name(),
            bytes: row.amount.bytes,
            calls: row.amount.calls,
        })
        .collect()
}

fn copied(tally: &Tally, Coverage { probes, copies }: &Coverage) -> Vec<Copied> {
    summary::copied(tally, *copies)
        .into_iter()
        .filter(|row| probes.sees(row.route, row.quality))
        .map(|row| Copied {
            route: row.route.name(),
            direction: row.direction.name(),
            quality: row.quality.name(),
            bytes: row.amount.bytes,
            copies: row.amount.calls,
        })
        .collect()
}

fn moved(tally: &Tally, probes: &Probes) -> Vec<Moved> {
    let seen = summary::moved(tally).filter(|(route, _)| probes.sees_moves(*route));
    seen.map(|(route, bytes)| Moved { route: route.name(), bytes }).collect()
}

fn fallbacks(tally: &Tally, probes: &Probes) -> Vec<Fallback> {
    summary::fallbacks(tally)
        .filter(|(route, _, _)| probes.sees_copies(*route))
        .map(|(route, reason, bytes)| Fallback {
            route: route.name(),
            reason: reason.name(),
            bytes,
        })
        .collect()
}

fn backed(tally: &Tally) -> Vec<Backed> {
    summary::backed_faults(tally)
        .map(|(fault, backing, faults)| Backed {
            r#type: fault.name(),
            backing: backing.name(),
            faults,
        })
        .collect()
}

fn syscalls(tally: &Tally) -> serde_json::Map<String, serde_json::Value> {
    Class::ALL
        .iter()
        .map(|class| (class.name(), tally[Counter::syscalls(*class)]))
        .filter(|(_, calls)| *calls > 0)
        .map(|(name, calls)| (name.to_owned(), calls.into()))
        .collect()
}
