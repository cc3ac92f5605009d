//! What `zc report` shows of a recording: totals, rates over time, and how well they are known.
//! `docs/recordings.md` documents the JSON. What is not known is null, not zero.

mod text;

use std::collections::BTreeMap;

use serde::Serialize;
use zc_common::counter::Tally;

use super::{
    groups::{self, Row},
    inert,
    json::{Coverage, Totals},
    recording::Recording,
    verify::Range,
};
use crate::engine::{
    recording::{
        Who,
        sums::{Point, Spread, Sums},
    },
    sparse::Sparse,
    summary::Copies,
    traffic,
};

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// The version of this format.
    version: u32,
    recording: Recording<'a>,
    /// How long all intervals were.
    seconds: f64,
    /// Bytes that went somewhere, those copied of them, and those of which zc cannot tell.
    io: Option<Io>,
    copies_per_byte: Option<Range<f64>>,
    #[serde(flatten)]
    totals: Totals,
    /// Events missed, of any process, by reason.
    lost: &'a BTreeMap<String, u64>,
    timeline: Timeline<'a>,
    /// `group` or `process`.
    by: &'static str,
    rows: Vec<Of<'a>>,
}

#[derive(Debug, Serialize)]
struct Io {
    bytes: u64,
    measured: u64,
    inferred: u64,
    unknown: u64,
}

/// Rates, interval by interval.
#[derive(Debug, Serialize)]
struct Timeline<'a> {
    bytes_per_second: Option<Spread>,
    copied_per_second: Option<Spread>,
    context_switches_per_second: Option<Spread>,
    page_faults_per_second: Option<Spread>,
    #[serde(serialize_with = "points")]
    intervals: &'a [Point],
}

/// One group or process.
#[derive(Debug, Serialize)]
struct Of<'a> {
    pid: Option<u32>,
    start_ns: Option<u64>,
    comm: Option<&'a str>,
    copies_per_byte: Option<Range<f64>>,
    #[serde(flatten)]
    row: Row<'a>,
}

fn points<S: serde::Serializer>(points: &&[Point], to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Shown {
        from_seconds: f64,
        seconds: f64,
        bytes: Option<u64>,
        copied_bytes: Option<u64>,
        context_switches: u64,
        page_faults: u64,
    }
    to.collect_seq(points.iter().map(|point| Shown {
        from_seconds: point.from,
        seconds: point.seconds,
        bytes: point.bytes,
        copied_bytes: point.copied,
        context_switches: point.switches,
        page_faults: point.faults,
    }))
}

/// A recording, by group or by process.
#[must_use]
pub fn of(sums: &Sums, by_process: bool) -> Report<'_> {
    let read = &sums.read;
    let shown = Coverage { probes: read.header.probes().into(), copies: Copies::Best };
    let total = read.total.whole();
    let moves = shown.probes.has("transfers");
    let spread = |of: &dyn Fn(&Point) -> Option<u64>| {
        Spread::of(sums.points.iter().filter_map(|point| point.rate(of(point)?)).collect())
    };
    Report {
        version: 1,
        recording: Recording::of(read),
        seconds: sums.seconds,
        io: moves.then(|| io(&total)),
        copies_per_byte: copies_per_byte(&read.total, moves),
        totals: Totals::of(&total, &shown),
        lost: &read.lost,
        timeline: Timeline {
            bytes_per_second: spread(&|point| point.bytes),
            copied_per_second: spread(&|point| point.copied),
            context_switches_per_second: spread(&|point| Some(point.switches)),
            page_faults_per_second: spread(&|point| Some(point.faults)),
            intervals: &sums.points,
        },
        by: if by_process { "process" } else { "group" },
        rows: rows(sums, &shown, by_process),
    }
}

/// Who moved most comes first.
fn rows<'a>(sums: &'a Sums, shown: &Coverage, by_process: bool) -> Vec<Of<'a>> {
    let moves = shown.probes.has("transfers");
    let row = |(name, process, sum): (&'a str, Option<&'a Who>, &Sparse)| {
        let process = process.and_then(|who| who.process.as_ref());
        Of {
            pid: process.map(|process| process.pid),
            start_ns: process.map(|process| process.start),
            comm: process.map(|process| process.comm.as_str()),
            copies_per_byte: copies_per_byte(sum, moves),
            row: groups::row(name, &sum.whole(), shown),
        }
    };
    let mut rows: Vec<_> = if by_process {
        sums.rows.iter().map(|(who, sum)| row((&who.group, Some(who), sum))).collect()
    } else {
        sums.groups().into_iter().map(|(name, sum)| row((name, None, &sum))).collect()
    };
    rows.sort_by_key(|row| std::cmp::Reverse(row.row.transferred_bytes));
    rows
}

fn io(total: &Tally) -> Io {
    let mut io = Io { bytes: 0, measured: 0, inferred: 0, unknown: 0 };
    for row in traffic::of(total) {
        io.bytes += row.size();
        io.measured += row.measured;
        io.inferred += row.inferred;
        io.unknown += row.unknown;
    }
    io
}

/// Copies of each byte, with and without those that zc cannot tell.
#[expect(clippy::cast_precision_loss, reason = "a ratio to print")]
fn copies_per_byte(sum: &Sparse, moves: bool) -> Option<Range<f64>> {
    let io = moves.then(|| io(&sum.whole())).filter(|io| io.bytes > 0)?;
    let per_byte = |copied: u64| copied as f64 / io.bytes as f64;
    let copied = io.measured + io.inferred;
    Some(Range { least: per_byte(copied), most: per_byte(copied + io.unknown) })
}

impl Report<'_> {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        inert::page(&text::of(self))
    }
}

#[cfg(test)]
mod tests;
