//! THE table of columns: what stands in each, and which go first as the screen gets narrow.

use super::{By, number};
use crate::{
    engine::top::{
        Key,
        arrange::Sort,
        rates::{Mark, Row},
    },
    view::inert::{fitted, inert},
};

/// One column.
#[derive(Debug)]
pub struct Column {
    /// What stands above it.
    pub title: &'static str,
    width: usize,
    /// The higher, the sooner it goes.
    priority: u8,
    /// What rows are sorted by, to have it in order.
    pub sort: Option<Sort>,
    /// Whether it is for rows of processes alone.
    of_processes: bool,
    is_text: bool,
    cell: fn(&Row) -> Option<String>,
}

const fn numbers(
    title: &'static str,
    width: usize,
    priority: u8,
    sort: Sort,
    cell: fn(&Row) -> Option<String>,
) -> Column {
    Column { title, width, priority, sort: Some(sort), of_processes: false, is_text: false, cell }
}

const fn texts(
    title: &'static str,
    width: usize,
    priority: u8,
    sort: Sort,
    cell: fn(&Row) -> Option<String>,
) -> Column {
    Column { title, width, priority, sort: Some(sort), of_processes: false, is_text: true, cell }
}

/// In the order of the screen, after the name.
pub static COLUMNS: &[Column] = &[
    Column {
        title: "PID",
        width: 7,
        priority: 2,
        sort: None,
        of_processes: true,
        is_text: false,
        cell: pid,
    },
    numbers("COPIED/s", 9, 0, Sort::Copied, copied),
    numbers("COPIES/B", 8, 1, Sort::PerByte, per_byte),
    texts("VERDICT", 10, 3, Sort::Verdict, verdict),
    numbers("MOVED/s", 8, 4, Sort::Moved, |row| {
        rate(row, row.bytes()?.by_reference, number::bytes)
    }),
    texts("ROUTE", 12, 5, Sort::Route, |row| Some(row.bytes()?.top_route()?.name().to_owned())),
    numbers("SWITCH/s", 11, 6, Sort::Switches, switches),
    numbers("FAULTS/s", 8, 7, Sort::Faults, |row| {
        rate(row, row.change.as_ref()?.faults(), number::count)
    }),
    numbers("BYTES/s", 8, 8, Sort::Bytes, |row| rate(row, row.bytes()?.size(), number::bytes)),
    Column {
        title: "GROUP",
        width: 28,
        priority: 9,
        sort: None,
        of_processes: true,
        is_text: true,
        cell: |row| Some(inert(&row.group)),
    },
];

/// What the name takes at least.
const NAME: usize = 14;

fn rate(row: &Row, count: u64, text: fn(f64) -> String) -> Option<String> {
    row.rate(count).map(text)
}

fn pid(row: &Row) -> Option<String> {
    match row.key {
        Key::Process(pid, _) => Some(pid.to_string()),
        Key::Group(_) => Some(String::new()),
    }
}

fn copied(row: &Row) -> Option<String> {
    let bytes = row.bytes()?;
    let inferred = if bytes.is_measured { "" } else { "~" };
    Some(format!("{inferred}{}", rate(row, bytes.copied(), number::bytes)?))
}

/// At least, where nothing is known of some; a blank where nothing moved.
fn per_byte(row: &Row) -> Option<String> {
    let bytes = row.bytes()?;
    let Some(ratio) = bytes.copies_per_byte() else { return Some(String::new()) };
    let inferred = if bytes.is_measured { "" } else { "~" };
    let at_least = if bytes.unknown() > 0 { "≥" } else { "" };
    Some(format!("{at_least}{inferred}{ratio:.2}"))
}

/// A mark, with `~` where it rests on what is inferred.
#[must_use]
pub fn verdict(row: &Row) -> Option<String> {
    let bytes = row.bytes()?;
    let inferred = if bytes.is_inferred() { "~" } else { "" };
    Some(format!("{inferred}{}", bytes.mark().name()))
}

/// Those that were wanted, and those that were not.
fn switches(row: &Row) -> Option<String> {
    let change = row.change.as_ref()?;
    let voluntary = rate(row, change.voluntary, number::count)?;
    Some(format!("{voluntary}/{}", rate(row, change.involuntary, number::count)?))
}

/// The columns of a screen so wide, and what is left for the name.
#[must_use]
pub fn chosen(by: By, width: usize) -> (usize, Vec<&'static Column>) {
    let mut columns: Vec<_> =
        COLUMNS.iter().filter(|column| by == By::Process || !column.of_processes).collect();
    let taken = |columns: &[&Column]| columns.iter().map(|column| column.width + 1).sum::<usize>();
    while taken(&columns) + NAME > width {
        let last = columns.iter().map(|column| column.priority).max();
        let Some(last) = last else { break };
        columns.retain(|column| column.priority != last);
    }
    (width.saturating_sub(taken(&columns)), columns)
}

impl Column {
    /// Its cell of a row, in its width; what is unknown is a dash.
    #[must_use]
    pub fn of(&self, row: &Row) -> String {
        // Of what nothing moved by there is no route.
        let idle = self.sort == Some(Sort::Route) && row.mark() == Mark::Idle;
        let blank = idle.then(String::new);
        self.placed(&(self.cell)(row).or(blank).unwrap_or_else(|| "-".to_owned()))
    }

    /// Its title, marked if rows are sorted by it.
    #[must_use]
    pub fn heading(&self, sort: Sort, reverse: bool) -> String {
        let mark = if reverse { "▴" } else { "▾" };
        let mark = if self.sort == Some(sort) { mark } else { "" };
        self.placed(&format!("{}{mark}", self.title))
    }

    fn placed(&self, text: &str) -> String {
        let text = fitted(text, self.width);
        if self.is_text {
            return text;
        }
        let number = text.trim_end();
        let blank = text.len() - number.len();
        " ".repeat(blank) + number
    }
}
