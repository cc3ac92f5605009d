//! The difference for people.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{Diff, Row, Side, Value};
use crate::{
    engine::{bytes::Bytes, difference::figure::Per},
    view::whole,
};

pub(super) fn of(diff: &Diff<'_>) -> String {
    let mut page = String::from("zc diff\n");
    page += &side("before", &diff.before);
    page += &side("after", &diff.after);
    let (before, after) = (&diff.before.recording, &diff.after.recording);
    for (what, before, after) in
        [("kernels", before.kernel, after.kernel), ("versions of zc", before.zc, after.zc)]
    {
        if before != after {
            let _ = writeln!(page, "the {what} differ: {before}, then {after}");
        }
    }
    let all = diff.rows.iter().filter(|row| row.of == "all");
    page += &table("all", all);
    for (of, title) in [("group", "groups"), ("route", "routes")] {
        page += &changed(diff, of, title);
    }
    page += &doubts(diff);
    let _ = writeln!(
        page,
        "\nin brackets: the middle half of the intervals; same: by less than {}, or by chance \
         (p, from {} on)",
        percent(diff.least),
        diff.alpha
    );
    page
}

fn side(label: &str, side: &Side<'_>) -> String {
    let of = &side.recording;
    let name = if of.name.is_empty() { String::new() } else { format!(" {}", of.name) };
    let mut page = format!(
        "{label:<7} {}{name}: {:.1} s, compared by {} stretches\n",
        of.kind, side.seconds, side.batches
    );
    let lost: Vec<_> = side.lost.iter().map(|(why, count)| format!("{why} {count}")).collect();
    if !lost.is_empty() {
        let _ = writeln!(page, "{:<7} known to be missed: {}", "", lost.join(", "));
    }
    for (label, note) in [("CUT", of.cut), ("failed", of.failed)] {
        if let Some(note) = note {
            let _ = writeln!(page, "{:<7} {label}: {note}", "");
        }
    }
    page
}

fn table<'a>(title: &str, rows: impl Iterator<Item = &'a Row>) -> String {
    let mut page =
        format!("\n{title:<18} {:>34} {:>34} {:>9}  {:<11} p\n", "before", "after", "change", "");
    rows.for_each(|row| line(&mut page, row));
    page
}

fn line(page: &mut String, row: &Row) {
    let shown = |value: Option<Value>| value.map_or_else(|| "unknown".to_owned(), |v| v.show(row));
    let change = match (row.change, row.before, row.after) {
        (Some(change), ..) => format!("{:+.1} %", change * 100.0),
        (None, Some(_), Some(after)) if after.value > 0.0 => "new".to_owned(),
        _ => "-".to_owned(),
    };
    let p = row.p.map_or_else(String::new, probability);
    let _ = writeln!(
        page,
        "{:<18} {:>34} {:>34} {change:>9}  {:<11} {p}",
        row.shown.label,
        shown(row.before),
        shown(row.after),
        row.verdict
    );
}

/// Of groups or routes, what is more or less; the others are counted.
fn changed(diff: &Diff<'_>, of: &str, title: &str) -> String {
    let mut page = String::new();
    let mut names: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in diff.rows.iter().filter(|row| row.of == of) {
        names.entry(row.name.as_deref().unwrap_or_default()).or_default().push(row);
    }
    let mut quiet = 0;
    for (name, rows) in names {
        let is_changed = |row: &&&Row| row.verdict == "more" || row.verdict == "less";
        let changed: Vec<_> = rows.iter().filter(is_changed).copied().collect();
        if changed.is_empty() {
            quiet += 1;
        } else {
            page += &table(&format!("{of} {name}"), changed.into_iter());
        }
    }
    if quiet > 0 {
        let _ = writeln!(page, "\nno change shown of {quiet} {title} (--json has all)");
    }
    page
}

/// Why nothing can be said, each reason once.
fn doubts(diff: &Diff<'_>) -> String {
    let mut doubts: BTreeMap<&str, usize> = BTreeMap::new();
    for why in diff.rows.iter().filter_map(|row| row.why.as_deref()) {
        *doubts.entry(why).or_default() += 1;
    }
    let mut page = String::new();
    for (why, count) in doubts {
        let _ = write!(page, "\ncannot tell, of {count} figures: {why}");
    }
    if page.is_empty() { page } else { page + "\n" }
}

impl Value {
    fn show(&self, row: &Row) -> String {
        let Self { value, spread } = self;
        let [value, lower, upper] = [*value, spread.lower, spread.upper].map(|of| number(row, of));
        format!("{value} [{lower}-{upper}]")
    }
}

fn number(row: &Row, value: f64) -> String {
    let is_bytes = row.figure.contains("bytes");
    match row.shown.per {
        Per::Byte | Per::Mebibyte => format!("{value:.2}"),
        Per::Second if is_bytes => Bytes(whole(value)).to_string(),
        Per::Second => format!("{value:.0}"),
    }
}

/// None is zero.
fn probability(p: f64) -> String {
    if p < 0.001 { "<0.001".to_owned() } else { format!("{p:.3}") }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
