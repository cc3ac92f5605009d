//! A plain table, for who is no terminal.

use unicode_width::UnicodeWidthStr as _;

use super::{
    By,
    columns::{Column, chosen},
};
use crate::{
    engine::top::{arrange::Order, rates::Row},
    view::inert::{fitted, inert},
};

/// The longest name that widens the table.
const WIDEST: usize = 48;

/// These rows, with every column.
#[must_use]
pub fn table(by: By, rows: &[&Row], order: &Order) -> String {
    let (_, columns) = chosen(by, usize::MAX);
    let names: Vec<_> = rows.iter().map(|row| inert(&row.name)).collect();
    let title = by.name().to_uppercase();
    let width = names.iter().map(|name| name.width()).chain([title.len()]).max().unwrap_or(0);
    let width = width.min(WIDEST);
    let heading = |column: &Column| column.heading(order.sort, order.reverse);
    let mut page = line(&fitted(&title, width), columns.iter().map(|column| heading(column)));
    for (row, name) in rows.iter().zip(&names) {
        page += &line(&fitted(name, width), columns.iter().map(|column| column.of(row)));
    }
    page
}

fn line(name: &str, cells: impl Iterator<Item = String>) -> String {
    let mut line = name.to_owned();
    for cell in cells {
        line.push(' ');
        line += &cell;
    }
    line.truncate(line.trim_end().len());
    line + "\n"
}
