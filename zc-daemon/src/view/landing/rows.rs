//! The tables of the page, as they are before its script has run.

use std::{borrow::Cow, cmp::Reverse};

use crate::{
    engine::bytes::Bytes,
    view::groups::{Groups, Row},
};

/// Groups to show, as in the script.
const TOP: usize = 20;

/// The columns of a table after its first, which names the row.
type Columns = [&'static str];

const GROUPS: &Columns = &[
    "Copied",
    "Copies per byte",
    "Moved by reference",
    "Transferred",
    "Context switches",
    "Page faults",
];

/// The groups that had most copied.
pub(super) fn groups(page: &mut String, all: &Groups<'_>) {
    let mut rows: Vec<_> = all.groups.iter().collect();
    rows.sort_by_key(|row| Reverse(copied(row)));
    rows.truncate(TOP);
    let caption =
        format!("Totals: the {} of {} groups with most copied.", rows.len(), all.groups.len());
    *page += TOOLS;
    table(page, "groups", "cards", "Group", GROUPS, &caption, rows.into_iter().map(group));
}

/// The heading and what the script lets one choose.
const TOOLS: &str = "<h2 id=\"top\">Top groups</h2>\n<div class=\"tools\" id=\"tools\" hidden>\n\
<label for=\"sort\">Sort by</label>\n<select id=\"sort\">\n\
<option value=\"copied\">copied</option><option value=\"ratio\">copies per byte</option>\
<option value=\"moved\">moved by reference</option>\
<option value=\"transferred\">transferred</option>\
<option value=\"switches\">context switches</option><option value=\"faults\">page faults</option>\n\
</select>\n<button id=\"pause\" type=\"button\" aria-pressed=\"false\">Pause</button>\n</div>\n";

fn copied(row: &Row<'_>) -> Option<u64> {
    let copied = &row.copied_bytes;
    match (copied.measured, copied.inferred) {
        (None, None) => None,
        (measured, inferred) => Some(measured.unwrap_or(0) + inferred.unwrap_or(0)),
    }
}

fn group<'a>(row: &'a Row<'a>) -> (&'a str, Vec<Option<String>>) {
    let bytes = |bytes: Option<u64>| bytes.map(|bytes| Bytes(bytes).to_string());
    let switches = row.context_switches.voluntary + row.context_switches.involuntary;
    let cells = vec![
        bytes(copied(row)),
        ratio(row),
        bytes(row.moved_bytes),
        bytes(row.transferred_bytes),
        Some(switches.to_string()),
        Some((row.page_faults.minor + row.page_faults.major).to_string()),
    ];
    (row.group, cells)
}

/// Copies of each byte: at least, where zc cannot tell of some.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn ratio(row: &Row<'_>) -> Option<String> {
    let io = row.io.as_ref()?;
    if io.bytes == 0 {
        return Some("–".to_owned());
    }
    let at_least = if io.unknown_bytes > 0 { "≥ " } else { "" };
    Some(format!("{at_least}{:.2}", io.copied_bytes as f64 / io.bytes as f64))
}

/// What the probes see, and what was missed.
pub(super) fn coverage(page: &mut String, all: &Groups<'_>) {
    *page += "<h2>Coverage</h2>\n<p id=\"coverage\">";
    *page += &escaped(&all.coverage);
    *page += "</p>\n";
    let down = "down: what it measures is unknown";
    let probes = all.probes.iter().map(|probe| {
        (probe.probe, vec![Some(probe.hook.map_or_else(|| down.to_owned(), ToOwned::to_owned))])
    });
    folded(
        page,
        "probes",
        ["Probe", "Hook"],
        "What sees the kernel work, and by which hook.",
        probes,
    );
    let routes = all.routes.iter().map(|row| (row.route, vec![Some(row.quality.to_owned())]));
    folded(page, "routes", ["Route", "Copies are"], "How well copies are known, by route.", routes);
    let lost = all.lost.iter().map(|(reason, events)| (*reason, vec![Some(events.to_string())]));
    folded(
        page,
        "lost",
        ["Reason", "Events"],
        "Events known to be missing from all numbers.",
        lost,
    );
}

/// A table of two columns that opens when asked.
fn folded<'a>(
    page: &mut String,
    id: &str,
    [name, value]: [&'static str; 2],
    caption: &str,
    rows: impl Iterator<Item = (&'a str, Vec<Option<String>>)>,
) {
    *page += "<details>\n<summary>";
    *page += caption;
    *page += "</summary>\n";
    table(page, id, "plain", name, &[value], caption, rows);
    *page += "</details>\n";
}

/// A table; its roles are said, as narrow screens show its rows as cards.
fn table<'a>(
    page: &mut String,
    id: &str,
    class: &str,
    name: &str,
    columns: &Columns,
    caption: &str,
    rows: impl Iterator<Item = (&'a str, Vec<Option<String>>)>,
) {
    let caption_id = if id == "groups" { " id=\"caption\"" } else { "" };
    *page += &format!(
        "<table class=\"{class}\" role=\"table\">\n<caption{caption_id}>{caption}</caption>\n\
         <thead role=\"rowgroup\"><tr role=\"row\"><th scope=\"col\" role=\"columnheader\">{name}</th>"
    );
    for column in columns {
        *page += &format!("<th scope=\"col\" role=\"columnheader\">{column}</th>");
    }
    *page += &format!("</tr></thead>\n<tbody id=\"{id}\" role=\"rowgroup\">\n");
    for (name, cells) in rows {
        *page += "<tr role=\"row\"><th scope=\"row\" role=\"rowheader\"><bdi>";
        *page += &escaped(name);
        *page += "</bdi></th>";
        for (column, cell) in columns.iter().zip(cells) {
            let (mark, text) =
                cell.map_or((" data-unknown", "unknown".to_owned()), |text| ("", text));
            *page += &format!(
                "<td role=\"cell\" data-label=\"{column}\"><span{mark}>{}</span></td>",
                escaped(&text)
            );
        }
        *page += "</tr>\n";
    }
    *page += "</tbody>\n</table>\n";
}

/// Text as HTML has it, in an element or an attribute.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'', '\0']) {
        return Cow::Borrowed(text);
    }
    let mut html = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\0' => html.push(char::REPLACEMENT_CHARACTER),
            other => html.push(other),
        }
    }
    Cow::Owned(html)
}
