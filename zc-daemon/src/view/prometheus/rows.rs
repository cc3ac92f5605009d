//! Rows of text: families one after the other, each under its head.

use std::{
    borrow::Cow,
    fmt::{Display, Write as _},
};

use super::format::Format;
use crate::view::family::{Family, Type};

/// A page being written.
pub(super) struct Page {
    text: String,
    pub(super) format: Format,
}

impl Page {
    pub(super) fn new(format: Format) -> Self {
        Self { text: String::new(), format }
    }

    /// The head of a family, and its rows.
    pub(super) fn family(&mut self, name: &str, kind: Type, help: &str, rows: &str) {
        let (page, format) = (&mut self.text, self.format);
        let name = format.family_name(name, kind);
        // Writing to a String cannot fail.
        let _ =
            writeln!(page, "# HELP {name} {}\n# TYPE {name} {}", format.help(help), kind.name());
        if let Some(unit) = format.unit(name) {
            let _ = writeln!(page, "# UNIT {name} {unit}");
        }
        page.push_str(rows);
    }

    /// The whole page.
    pub(super) fn end(mut self) -> String {
        self.text.push_str(self.format.end());
        self.text
    }
}

/// The series of a family.
pub(super) struct Rows {
    family: Family,
    text: String,
}

impl Rows {
    pub(super) fn new(family: Family) -> Self {
        Self { family, text: String::new() }
    }

    /// Adds one series, unless nothing was counted.
    pub(super) fn push_counted(&mut self, values: &[&str], value: u64) {
        if value > 0 {
            self.push(values, value);
        }
    }

    /// Adds one series. Its values stand in no need of [escapes](escaped).
    pub(super) fn push(&mut self, values: &[&str], value: impl Display) {
        let labels = self.family.labels.iter().copied().zip(values.iter().copied());
        row(&mut self.text, self.family.name, labels, value);
    }

    /// Writes the family, if it has a series.
    pub(super) fn end(self, page: &mut Page) {
        if !self.text.is_empty() {
            let Family { name, kind, help, .. } = self.family;
            page.family(name, kind, help, &self.text);
        }
    }
}

/// One sample, its label values escaped already.
pub(super) fn row<'a>(
    text: &mut String,
    name: &str,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    value: impl Display,
) {
    text.push_str(name);
    let mut mark = '{';
    for (label, value) in labels {
        text.push(mark);
        text.push_str(label);
        text.push_str("=\"");
        text.push_str(value);
        text.push('"');
        mark = ',';
    }
    if mark == ',' {
        text.push('}');
    }
    // Writing to a String cannot fail.
    let _ = writeln!(text, " {value}");
}

/// A label value as both formats want it. A NUL, which no escape is for, would end
/// Prometheus' reading.
pub(super) fn escaped(value: &str) -> Cow<'_, str> {
    if !value.contains(['\\', '"', '\n', '\0']) {
        return Cow::Borrowed(value);
    }
    let mut text = String::with_capacity(value.len() + 8);
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            '\0' => text.push(char::REPLACEMENT_CHARACTER),
            other => text.push(other),
        }
    }
    Cow::Owned(text)
}
