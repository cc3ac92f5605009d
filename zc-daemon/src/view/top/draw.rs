//! The screen.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
};

use super::{
    advice,
    app::{App, Front},
    columns::{Column, chosen},
    detail,
    help::{KEYS, MEANING},
    standing,
};
use crate::{
    engine::top::{
        arrange::Sort,
        rates::{Mark, Row},
        tree::Branch,
    },
    view::{
        inert::{fitted, inert},
        top::By,
    },
};

/// Draws all of it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.height < 4 || area.width < 10 {
        return;
    }
    header(app, area, buffer);
    let inner = Rect { y: area.y + 2, height: area.height - 3, ..area };
    match app.front {
        Front::Help => help(inner, buffer),
        Front::Advice => advice::draw(app, inner, buffer),
        Front::Detail => detail::draw(app, inner, buffer),
        Front::Rows | Front::Filter => rows(app, inner, buffer),
    }
    footer(app, Rect { y: area.bottom() - 1, height: 1, ..area }, buffer);
}

/// Writes text on one line; returns the column after it.
pub(super) fn put(
    buffer: &mut Buffer,
    area: Rect,
    (x, y): (u16, u16),
    text: &str,
    style: Style,
) -> u16 {
    if y >= area.bottom() || x >= area.right() {
        return x;
    }
    let room = usize::from(area.right() - x);
    buffer.set_stringn(x, y, text, room, style).0
}

/// The colour of a mark, which always stands beside it in words.
pub(super) fn style(app: &App, row: &Row) -> Style {
    let colour = match row.mark() {
        Mark::Copies => Color::Red,
        Mark::Unsure => Color::Yellow,
        Mark::ZeroCopy => Color::Green,
        Mark::Idle | Mark::Unknown => return Style::new().add_modifier(Modifier::DIM),
    };
    if app.colour { Style::new().fg(colour) } else { Style::new() }
}

pub(super) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const REVERSED: Style = Style::new().add_modifier(Modifier::REVERSED);

fn header(app: &App, area: Rect, buffer: &mut Buffer) {
    let state = if app.paused { "  PAUSED" } else { "" };
    let title = format!("zc top  {}", inert(&app.source));
    let x = put(buffer, area, (area.x, area.y), &title, BOLD);
    let (groups, processes) = (app.seen.groups.len(), app.seen.standing.processes);
    let sort = app.order.sort.name();
    let counts = format!("  {groups} groups, {processes} processes, by {sort}");
    let x = put(buffer, area, (x, area.y), &counts, Style::new());
    put(buffer, area, (x, area.y), state, BOLD);
    let line = match &app.trouble {
        Some(trouble) => inert(trouble),
        None if app.seen.groups.is_empty() => "the first look is under way".to_owned(),
        None => standing(&app.seen.standing, app.lost()),
    };
    let style = if app.trouble.is_some() { BOLD } else { Style::new() };
    put(buffer, area, (area.x, area.y + 1), &fitted(&line, area.width.into()), style);
}

fn rows(app: &App, area: Rect, buffer: &mut Buffer) {
    let by = if app.tree { By::Process } else { app.by };
    let (name, columns) = chosen(by, area.width.into());
    heading(app, (name, &columns), area, buffer);
    let lines = app.lines();
    let room = usize::from(area.height - 1);
    let place = app.place(&lines);
    // The selected one stays in view.
    let first = place.saturating_sub(room.saturating_sub(1));
    if lines.is_empty() {
        let what = if app.order.filter.is_empty() { "nothing yet" } else { "no such row" };
        put(buffer, area, (area.x, area.y + 1), what, Style::new());
    }
    for (y, (at, line)) in (area.y + 1..area.bottom()).zip(lines.iter().enumerate().skip(first)) {
        one(app, (line, at == place), (name, &columns), Rect { y, height: 1, ..area }, buffer);
    }
}

fn heading(app: &App, (name, columns): (usize, &[&Column]), area: Rect, buffer: &mut Buffer) {
    let what = if app.tree { "tree" } else { app.by.name() };
    let mark = if app.order.reverse { "▴" } else { "▾" };
    let mark = if app.order.sort == Sort::Name { mark } else { "" };
    let title = fitted(&format!("{}{mark}", what.to_uppercase()), name);
    let mut x = put(buffer, area, (area.x, area.y), &title, BOLD);
    for column in columns {
        let text = column.heading(app.order.sort, app.order.reverse);
        x = put(buffer, area, (x + 1, area.y), &text, BOLD);
    }
}

fn one(
    app: &App,
    (line, selected): (&Branch, bool),
    (name, columns): (usize, &[&Column]),
    area: Rect,
    buffer: &mut Buffer,
) {
    let label = format!("{}{}", "  ".repeat(line.depth), inert(&line.label));
    let mut x = put(buffer, area, (area.x, area.y), &fitted(&label, name), Style::new());
    for column in columns {
        let marked = [Some(Sort::Verdict), Some(Sort::Copied)].contains(&column.sort);
        let style = if marked { style(app, &line.row) } else { Style::new() };
        x = put(buffer, area, (x + 1, area.y), &column.of(&line.row), style);
    }
    if selected {
        buffer.set_style(area, REVERSED);
    }
}

fn help(area: Rect, buffer: &mut Buffer) {
    let keys = KEYS.iter().map(|(key, _, what)| (*key, *what));
    let lines = keys.chain([("", "")]).chain(MEANING.iter().map(|line| ("", *line)));
    for (y, (key, what)) in (area.y..area.bottom()).zip(lines) {
        let x = if key.is_empty() {
            area.x
        } else {
            put(buffer, area, (area.x, y), &fitted(key, 8), BOLD)
        };
        put(buffer, area, (x, y), what, Style::new());
    }
}

fn footer(app: &App, area: Rect, buffer: &mut Buffer) {
    if app.front == Front::Filter {
        let line = format!("/{}█  Enter: keep  Esc: all", inert(&app.order.filter));
        put(buffer, area, (area.x, area.y), &line, BOLD);
        return;
    }
    let mut x = area.x;
    if !app.order.filter.is_empty() {
        let filter = format!("[{}] ", inert(&app.order.filter));
        x = put(buffer, area, (x, area.y), &filter, BOLD);
    }
    for (key, word) in app.footer() {
        x = put(buffer, area, (x, area.y), key, BOLD);
        x = put(buffer, area, (x, area.y), &format!(" {word}  "), Style::new());
    }
}
