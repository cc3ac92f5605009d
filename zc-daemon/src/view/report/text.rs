//! The report for people.

use std::fmt::Write as _;

use super::{Of, Report};
use crate::{
    engine::{
        bytes::Bytes,
        recording::sums::{Point, Spread},
    },
    view::{groups::Row, totals, verify::Range, whole},
};

/// Columns of a sparkline.
const COLUMNS: usize = 60;

pub(super) fn of(report: &Report<'_>) -> String {
    let mut page = head(report);
    page += &totals::table(&report.totals);
    page += &totals::besides(&report.totals);
    page += &rows(report);
    page += &timeline(report);
    page += &coverage(report);
    page
}

fn head(report: &Report<'_>) -> String {
    let of = &report.recording;
    let target = if of.name.is_empty() { String::new() } else { format!(" {}", of.name) };
    let mut page = format!(
        "zc report: {}{target}\n{:.1} s in {} records, kernel {}, zc {}\n",
        of.kind, report.seconds, of.records, of.kernel, of.zc
    );
    let notes = [("CUT", of.cut), ("failed", of.failed)];
    for (label, note) in notes {
        if let Some(note) = note {
            let _ = writeln!(page, "{label}: {note}");
        }
    }
    let lost: Vec<_> = report.lost.iter().map(|(why, count)| format!("{why} {count}")).collect();
    let lost = if lost.is_empty() { "nothing".to_owned() } else { lost.join(", ") };
    let unread = if of.whole { "" } else { ", as far as it reads" };
    let _ = writeln!(page, "known to be missed{unread}: {lost}");
    for (name, sum) in of.not_understood {
        let _ = writeln!(page, "not understood, of another version: {name} {sum}");
    }
    if of.records_not_understood > 0 {
        let _ = writeln!(page, "records not understood: {}", of.records_not_understood);
    }
    let Some(io) = &report.io else { return page };
    let each = report.copies_per_byte.map_or_else(
        || "nothing went anywhere".to_owned(),
        |range| format!("{:.2} to {:.2} copies for each byte", range.least, range.most),
    );
    let _ = writeln!(
        page,
        "moved {}; copied {} measured, {} inferred, of {} unknown: {each}",
        Bytes(io.bytes),
        Bytes(io.measured),
        Bytes(io.inferred),
        Bytes(io.unknown)
    );
    page
}

fn rows(report: &Report<'_>) -> String {
    const MOST: usize = 40;
    let mut page = format!(
        "\n{:<28} {:>14} {:>14} {:>14} {:>9} {:>10}\n",
        report.by, "transferred", "copied", "by reference", "per byte", "switches"
    );
    for of in report.rows.iter().take(MOST) {
        let bytes = |known: Option<u64>| {
            known.map_or_else(|| "unknown".to_owned(), |bytes| Bytes(bytes).to_string())
        };
        let row = &of.row;
        let copied = copied(row);
        let each = of.copies_per_byte.as_ref().map_or_else(|| "-".to_owned(), per_byte);
        let switches = row.context_switches.voluntary + row.context_switches.involuntary;
        let _ = writeln!(
            page,
            "{:<28} {:>14} {copied:>14} {:>14} {each:>9} {switches:>10}",
            name(of),
            bytes(row.transferred_bytes),
            bytes(row.moved_bytes)
        );
    }
    let more = report.rows.len().saturating_sub(MOST);
    if more > 0 {
        let _ = writeln!(page, "and {more} more (--json has all)");
    }
    page
}

/// What was copied; a plus stands for more that zc cannot tell.
fn copied(row: &Row<'_>) -> String {
    let (measured, inferred) = (row.copied_bytes.measured, row.copied_bytes.inferred);
    if measured.or(inferred).is_none() {
        return "unknown".to_owned();
    }
    let more = row.io.as_ref().is_some_and(|io| io.unknown_bytes > 0);
    let bytes = Bytes(measured.unwrap_or(0) + inferred.unwrap_or(0));
    if more { format!("{bytes} +?") } else { bytes.to_string() }
}

fn per_byte(copies: &Range<f64>) -> String {
    let [least, most] = [copies.least, copies.most].map(|copies| format!("{copies:.2}"));
    if least == most { least } else { format!("{least}-{most}") }
}

fn name(of: &Of<'_>) -> String {
    match (of.pid, of.comm) {
        (Some(pid), Some(comm)) => format!("{} {comm}[{pid}]", of.row.group),
        _ => of.row.group.to_owned(),
    }
}

fn timeline(report: &Report<'_>) -> String {
    let line = &report.timeline;
    let mut page =
        format!("\n{:<18} {:>12} {:>12} {:>12}\n", "a second", "least", "median", "most");
    let bytes = |rate: f64| format!("{}/s", Bytes(whole(rate)));
    let events = |rate: f64| format!("{rate:.0}/s");
    let mut row = |label: &str,
                   spread: Option<Spread>,
                   show: &dyn Fn(f64) -> String,
                   of: &dyn Fn(&Point) -> Option<u64>| {
        let Some(spread) = spread else {
            let _ = writeln!(page, "{label:<18} {:>12}", "unknown");
            return;
        };
        let [min, median, max] = [spread.min, spread.median, spread.max].map(show);
        let spark = sparkline(line.intervals, of);
        let _ = writeln!(page, "{label:<18} {min:>12} {median:>12} {max:>12}  {spark}");
    };
    row("moved", line.bytes_per_second, &bytes, &|point| point.bytes);
    let unknown = report.io.as_ref().is_some_and(|io| io.unknown > 0);
    let copied = if unknown { "copied, at least" } else { "copied" };
    row(copied, line.copied_per_second, &bytes, &|point| point.copied);
    row("context switches", line.context_switches_per_second, &events, &|p| Some(p.switches));
    row("page faults", line.page_faults_per_second, &events, &|point| Some(point.faults));
    page
}

/// Rates over time, in blocks of eight heights; an interval wide where there are few.
pub(super) fn sparkline(points: &[Point], of: &dyn Fn(&Point) -> Option<u64>) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let width = points.len().div_ceil(COLUMNS).max(1);
    let rate = |part: &[Point]| {
        let sum =
            Point { seconds: part.iter().map(|point| point.seconds).sum(), ..Point::default() };
        sum.rate(part.iter().filter_map(of).sum())
    };
    let rates: Vec<_> = points.chunks(width).map(|part| rate(part).unwrap_or(0.0)).collect();
    let most = rates.iter().copied().fold(0.0, f64::max);
    let block = |rate: &f64| {
        let height = if most > 0.0 { whole(rate / most * 7.0) } else { 0 };
        BLOCKS[usize::try_from(height).unwrap_or(0).min(7)]
    };
    rates.iter().map(block).collect()
}

/// What was measured, what inferred, and what is unknown.
fn coverage(report: &Report<'_>) -> String {
    let of = &report.recording;
    let used = |route: &str| {
        let rows = report.totals.transferred.iter().flatten();
        rows.map(|row| row.route).any(|known| known == route)
    };
    let routes = of.routes.iter().filter(|(route, _)| used(route));
    let routes: Vec<_> = routes.map(|(route, quality)| format!("{route} {quality}")).collect();
    let mut page = format!("\ncopies on the routes used: {}\n", routes.join(", "));
    if !of.probes_down.is_empty() {
        let _ = writeln!(
            page,
            "{} probes were attached nowhere; what they measure is unknown, or inferred: {}",
            of.probes_down.len(),
            of.probes_down.join(", ")
        );
    }
    page
}
