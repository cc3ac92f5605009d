//! One row: its last minute, its routes, and why bytes were copied.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    widgets::{RenderDirection, Sparkline, SparklineBar, Widget as _},
};

use super::{
    app::App,
    columns,
    draw::{BOLD, put, style},
    number,
};
use crate::{
    engine::{
        bytes::Bytes,
        top::{
            Key,
            history::Point,
            rates::{Change, Moved, Row},
            tree::Branch,
        },
        traffic::Traffic,
    },
    view::{inert::inert, whole},
};

pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let Some(line) = app.opened() else {
        put(buffer, area, (area.x, area.y), "it has gone; Enter leads back", Style::new());
        return;
    };
    let row = &line.row;
    let x = put(buffer, area, (area.x, area.y), &title(&line), BOLD);
    let mark = columns::verdict(row).unwrap_or_else(|| "unknown".to_owned());
    put(buffer, area, (x + 2, area.y), &mark, style(app, row));
    let points: Vec<_> = app.history.of(&row.key).collect();
    let y = area.y + 1;
    let y = spark(buffer, area, y, "copied/s", points.iter().map(|point: &Point| point.copied));
    let y = spark(buffer, area, y, "bytes/s", points.iter().map(|point| point.bytes));
    let lines = texts(row, area.width.into());
    for (y, (text, style)) in (y..area.bottom()).zip(lines) {
        put(buffer, area, (area.x, y), &text, style);
    }
}

fn title(line: &Branch) -> String {
    let name = inert(&line.row.name);
    match line.row.key {
        Key::Process(pid, _) => format!("{name}  pid {pid}  in {}", inert(&line.row.group)),
        Key::Group(_) => name,
    }
}

/// A line of bars two lines high, the newest at the right; where it was unknown it is empty.
fn spark(
    buffer: &mut Buffer,
    area: Rect,
    y: u16,
    title: &str,
    rates: impl Iterator<Item = Option<f64>>,
) -> u16 {
    const LABEL: u16 = 17;
    const HEIGHT: u16 = 2;
    if y + HEIGHT > area.bottom() || area.width <= LABEL {
        return y;
    }
    let rates: Vec<_> = rates.collect();
    let most = rates.iter().flatten().copied().fold(0.0, f64::max);
    let now = rates.last().copied().flatten().map_or_else(|| "-".to_owned(), number::bytes);
    put(buffer, area, (area.x, y), &format!("{title:<9}{now}"), Style::new());
    put(buffer, area, (area.x, y + 1), &format!("most {}", number::bytes(most)), Style::new());
    let bars = rates.iter().rev().map(|rate| SparklineBar::from(rate.map(whole)));
    let line = Sparkline::default().data(bars).direction(RenderDirection::RightToLeft);
    let place = Rect { x: area.x + LABEL, y, width: area.width - LABEL, height: HEIGHT };
    line.absent_value_symbol(" ").render(place, buffer);
    y + HEIGHT
}

fn texts(row: &Row, width: usize) -> Vec<(String, Style)> {
    let plain = |text: String| (text, Style::new());
    let Some(change) = &row.change else {
        return vec![plain("unknown: there was one look only".to_owned())];
    };
    let mut lines = vec![plain(counts(change, row))];
    let Some(bytes) = &change.bytes else {
        lines.push(plain("bytes are unknown: the probe that counts them is down".to_owned()));
        return lines;
    };
    lines.push((HEADING.to_owned(), BOLD));
    lines.extend(routes(bytes, row).map(plain));
    if !bytes.reasons.is_empty() {
        lines.push(("why bytes were copied".to_owned(), BOLD));
    }
    for reason in &bytes.reasons {
        let what = format!("{}: {} {}", reason.code, Bytes(reason.bytes), reason.text);
        lines.extend(wrapped(&what, width).map(plain));
        lines.extend(wrapped(&format!("  try: {}", reason.remedy), width).map(plain));
    }
    lines
}

fn counts(change: &Change, row: &Row) -> String {
    let rate = |count| row.rate(count).map_or_else(|| "-".to_owned(), number::count);
    format!(
        "switches/s {} voluntary, {} involuntary   faults/s {} minor, {} major",
        rate(change.voluntary),
        rate(change.involuntary),
        rate(change.minor),
        rate(change.major)
    )
}

const HEADING: &str = "ROUTE             BYTES/s  MEASURED/s  INFERRED/s   UNKNOWN/s";

fn routes(bytes: &Moved, row: &Row) -> impl Iterator<Item = String> {
    let rate = |count| row.rate(count).map_or_else(|| "-".to_owned(), number::bytes);
    bytes.traffic.iter().map(move |traffic| {
        let Traffic { route, measured, inferred, unknown, .. } = traffic;
        let (size, measured) = (rate(traffic.size()), rate(*measured));
        let (inferred, unknown) = (rate(*inferred), rate(*unknown));
        format!("{:<16}{size:>9}{measured:>12}{inferred:>12}{unknown:>12}", route.name())
    })
}

/// Lines of so many columns, with more room before all but the first; of the project's own
/// words, which are all narrow.
pub(super) fn wrapped(text: &str, width: usize) -> impl Iterator<Item = String> + use<> {
    const INDENT: usize = 4;
    let mut lines: Vec<String> = Vec::new();
    let mut words = text.split(' ');
    let mut line = words.next().unwrap_or_default().to_owned();
    for word in words {
        if line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, " ".repeat(INDENT) + word));
        } else {
            line = line + " " + word;
        }
    }
    lines.push(line);
    lines.into_iter()
}
