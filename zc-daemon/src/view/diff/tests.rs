//! Differences of recordings that are made up.

use serde_json::{Value, json};
use zc_common::{
    counter::{Counter, Tally},
    flow::Flow,
};

use super::*;
use crate::engine::{
    recording::{Header, Interval, Who, counters, writer::Writer},
    sparse::Sparse,
};

const LIMITS: Limits = Limits { least: 0.05, alpha: 0.05 };

/// Eight seconds of a group; another one reads as much in each.
fn series(name: &str, transfers: Option<&str>, flow: Flow, bytes: u64) -> Series {
    let header = Header {
        kind: "command".to_owned(),
        name: name.to_owned(),
        kernel: "6.12".to_owned(),
        interval_ms: 1000,
        counters: counters::names(),
        probes: vec![("transfers".to_owned(), transfers.map(str::to_owned))],
        ..Header::default()
    };
    let mut writer = Writer::begin(Vec::new(), &header, 1 << 20).unwrap();
    for number in 0..8 {
        let (from_us, to_us) = (number * 1_000_000, (number + 1) * 1_000_000);
        let mut interval = Interval { from_us, to_us, merged: 1, ..Interval::default() };
        for (group, flow, bytes) in [(name, flow, bytes), ("steady", Flow::ReadFile, 1000)] {
            let mut tally = Tally::default();
            tally[Counter::bytes(flow)] = bytes;
            tally[Counter::calls(flow)] = 1;
            interval.book(Who { group: group.to_owned(), process: None }, &Sparse::of(&tally));
        }
        writer.push(interval).unwrap();
    }
    Series::of(&writer.end(8_000_000, None).unwrap()).unwrap()
}

const IT: Option<&str> = Some("tp_btf/it");

fn find<'a>(page: &'a Value, of: &str, name: &str, figure: &str) -> &'a Value {
    let rows = page["rows"].as_array().unwrap().iter();
    let is_it = |row: &&Value| {
        row["of"] == of
            && row["name"].as_str().unwrap_or_default() == name
            && row["figure"] == figure
    };
    rows.clone().find(is_it).unwrap_or_else(|| panic!("no {figure} of {of} {name}: {page:#}"))
}

#[test]
fn what_changed_is_shown_with_its_spread() {
    let before = series("web", IT, Flow::ReadFile, 3000);
    let after = series("web", IT, Flow::SendfileSocket, 3000);
    let diff = of(&before, &after, LIMITS);
    let page = serde_json::to_value(&diff).unwrap();
    let each = find(&page, "all", "", "copies_per_byte");
    assert_eq!((&each["before"]["value"], &each["after"]["value"]), (&json!(1.0), &json!(0.25)));
    assert_eq!(
        (&each["verdict"], &each["change"], &each["why"]),
        (&json!("less"), &json!(-0.75), &Value::Null)
    );
    assert_eq!((&each["before"]["lower"], &each["before"]["count"]), (&json!(1.0), &json!(8)));
    assert_eq!(find(&page, "group", "steady", "copies_per_byte")["verdict"], "same");
    let sent = find(&page, "route", "sendfile", "transferred_bytes_per_second");
    assert_eq!((&sent["verdict"], &sent["change"]), (&json!("more"), &Value::Null));
    let text = diff.text();
    let row = text.lines().find(|line| line.starts_with("copies per byte")).unwrap();
    for part in ["1.00 [1.00-1.00]", "0.25 [0.25-0.25]", "-75.0 %", "less", "<0.001"] {
        assert!(row.contains(part), "{text}");
    }
    for part in ["group web", "route sendfile", "no change shown of 1 groups", "2.9 KiB ["] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("group steady"), "{text}");
}

#[test]
fn a_gate_fails_on_more_and_never_passes_blindly() {
    let with = |transfers, bytes| series("web", transfers, Flow::ReadFile, bytes);
    let (less, more, blind) = (with(IT, 1000), with(IT, 9000), with(None, 1000));
    assert_eq!(of(&less, &more, LIMITS).copies_more(), Some(true));
    assert_eq!(of(&more, &less, LIMITS).copies_more(), Some(false));
    assert_eq!(of(&less, &less, LIMITS).copies_more(), Some(false));
    assert_eq!(of(&less, &blind, LIMITS).copies_more(), None);
    // Of a part nothing is said but that it is more already.
    let [mut cut, mut failed, mut strange] = [(); 3].map(|()| with(IT, 1000));
    cut.read.cut = Some("it was cut short".to_owned());
    failed.read.trailer.as_mut().unwrap().ended = Some("it ended with status 1".to_owned());
    strange.read.strange.insert("copied/new/bytes".to_owned(), 7);
    for part in [cut, failed, strange] {
        assert_eq!(of(&more, &part, LIMITS).copies_more(), None);
        assert_eq!(of(&part, &more, LIMITS).copies_more(), Some(true));
    }
}

#[test]
fn what_is_not_known_is_no_zero() {
    let diff_of = (series("web", IT, Flow::ReadFile, 1), series("web", None, Flow::ReadFile, 1));
    let diff = of(&diff_of.0, &diff_of.1, LIMITS);
    let page = serde_json::to_value(&diff).unwrap();
    let row = find(&page, "all", "", "copied_bytes_per_second");
    assert_eq!((&row["after"], &row["verdict"]), (&Value::Null, &json!("cannot tell")));
    assert!(row["why"].as_str().unwrap().contains("transfers"), "{row}");
    let text = diff.text();
    assert!(text.contains("unknown") && text.contains("cannot tell, of"), "{text}");
}

#[test]
fn a_name_is_no_order_to_a_terminal() {
    let [before, after] = [10, 9000].map(|n| series("\u{1b}[2J\u{202e}", IT, Flow::ReadFile, n));
    let text = of(&before, &after, LIMITS).text();
    assert!(text.contains("group \u{fffd}[2J\u{fffd}") && !text.contains('\u{1b}'), "{text}");
}

/// Every field, figure and verdict is documented.
#[test]
fn the_docs_know_every_field() {
    let docs = include_str!("../../../../docs/recordings.md");
    let docs = docs.split_once("## The JSON of `zc diff`").unwrap().1;
    let docs = docs.split_once("\n## ").unwrap().0;
    let (before, after) =
        (series("web", IT, Flow::ReadFile, 1), series("web", None, Flow::ReadFile, 1));
    let page = serde_json::to_value(of(&before, &after, LIMITS)).unwrap();
    let parts = [&page, &page["before"], &page["rows"][0], &page["rows"][0]["before"]];
    let fields = parts.iter().filter_map(|part| part.as_object()).flat_map(|part| part.keys());
    let figures = difference::figure::FIGURES.iter().map(|figure| figure.name);
    let verdicts = ["more", "less", "same", "cannot tell"];
    for name in fields.map(String::as_str).chain(figures).chain(verdicts) {
        assert!(docs.contains(&format!("`{name}`")), "docs/recordings.md does not know {name}");
    }
}
