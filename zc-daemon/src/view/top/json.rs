//! What was seen between two looks, for scripts. What is unknown is null.

use serde::Serialize;

use super::By;
use crate::{
    engine::{
        reason::Reason,
        top::{
            Key, Standing,
            rates::{Moved, Row},
        },
        traffic::Traffic,
    },
    view::{json::TrafficRow, verify::Why},
};

/// The whole document.
#[derive(Debug, Serialize)]
pub struct Top<'a> {
    /// The version of this format.
    version: u32,
    /// zc's own.
    zc: &'static str,
    /// Who counted: `probes`, or the daemon's address.
    source: &'a str,
    /// What rows are of.
    by: &'static str,
    /// Between the two looks; null if there was one only.
    seconds: Option<f64>,
    /// Routes on which copies are measured.
    measured_routes: Vec<&'static str>,
    /// Probes that are down.
    probes_down: &'a [String],
    /// Events that went missing since the first look.
    lost: u64,
    /// Every row, in order.
    rows: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    name: &'a str,
    group: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_ns: Option<u64>,
    verdict: &'static str,
    /// Whether the verdict rests on what is inferred.
    inferred: bool,
    bytes: Option<u64>,
    copied_bytes: Option<Copied>,
    unknown_bytes: Option<u64>,
    moved_bytes: Option<u64>,
    copies_per_byte: Option<f64>,
    per_second: PerSecond,
    context_switches: Option<Switches>,
    page_faults: Option<Faults>,
    top_route: Option<&'static str>,
    routes: Option<Vec<TrafficRow>>,
    reasons: Option<Vec<Why>>,
}

#[derive(Debug, Serialize)]
struct Copied {
    measured: u64,
    inferred: u64,
}

#[derive(Debug, Serialize)]
struct PerSecond {
    bytes: Option<f64>,
    copied_bytes: Option<f64>,
    moved_bytes: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Switches {
    voluntary: u64,
    involuntary: u64,
}

#[derive(Debug, Serialize)]
struct Faults {
    minor: u64,
    major: u64,
}

/// These rows, which a source has counted.
#[must_use]
pub fn document<'a>(
    source: &'a str,
    by: By,
    rows: &[&'a Row],
    standing: &'a Standing,
    lost: u64,
) -> Top<'a> {
    let seconds = rows.iter().map(|row| row.seconds).find(|seconds| *seconds > 0.0);
    Top {
        version: 1,
        zc: env!("CARGO_PKG_VERSION"),
        source,
        by: by.name(),
        seconds,
        measured_routes: standing.measured.iter().map(|route| route.name()).collect(),
        probes_down: &standing.down,
        lost,
        rows: rows.iter().map(|row| entry(row)).collect(),
    }
}

fn entry(row: &Row) -> Entry<'_> {
    let (bytes, change) = (row.bytes(), row.change.as_ref());
    let (pid, start_ns) = match row.key {
        Key::Process(pid, start) => (Some(pid), Some(start)),
        Key::Group(_) => (None, None),
    };
    let rate = |count: fn(&Moved) -> u64| row.rate(count(bytes?));
    Entry {
        name: &row.name,
        group: &row.group,
        pid,
        start_ns,
        verdict: row.mark().name(),
        inferred: bytes.is_some_and(Moved::is_inferred),
        bytes: bytes.map(Moved::size),
        copied_bytes: bytes.map(|bytes| Copied {
            measured: bytes.measured(),
            inferred: bytes.copied() - bytes.measured(),
        }),
        unknown_bytes: bytes.map(Moved::unknown),
        moved_bytes: bytes.map(|bytes| bytes.by_reference),
        copies_per_byte: bytes.and_then(Moved::copies_per_byte),
        per_second: PerSecond {
            bytes: rate(Moved::size),
            copied_bytes: rate(Moved::copied),
            moved_bytes: rate(|bytes| bytes.by_reference),
        },
        context_switches: change
            .map(|c| Switches { voluntary: c.voluntary, involuntary: c.involuntary }),
        page_faults: change.map(|c| Faults { minor: c.minor, major: c.major }),
        top_route: bytes.and_then(|bytes| Some(bytes.top_route()?.name())),
        routes: bytes.map(|bytes| bytes.traffic.iter().map(routed).collect()),
        reasons: bytes.map(|bytes| bytes.reasons.iter().map(why).collect()),
    }
}

fn routed(row: &Traffic) -> TrafficRow {
    row.into()
}

fn why(reason: &Reason) -> Why {
    reason.into()
}
