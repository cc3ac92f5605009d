//! Reports of recordings that are made up.

use serde_json::json;
use zc_common::{
    counter::{Counter, Tally},
    flow::Flow,
};

use super::*;
use crate::engine::recording::{Header, Interval, Process, counters, writer::Writer};

/// Two intervals of a process each, of a second; the first reads, the second sends by reference.
fn sums(transfers: Option<&str>) -> Sums {
    sums_of("work", transfers, [(Flow::ReadFile, 1000), (Flow::SendfileSocket, 3000)])
}

fn sums_of(name: &str, transfers: Option<&str>, flows: [(Flow, u64); 2]) -> Sums {
    let header = Header {
        kind: "command".to_owned(),
        name: "work".to_owned(),
        interval_ms: 1000,
        counters: counters::names(),
        probes: vec![("transfers".to_owned(), transfers.map(str::to_owned))],
        routes: vec![("read".to_owned(), "inferred".to_owned())],
        ..Header::default()
    };
    let mut writer = Writer::begin(Vec::new(), &header, 1 << 20).unwrap();
    for (number, (flow, bytes)) in (0_u64..).zip(flows) {
        let mut tally = Tally::default();
        tally[Counter::bytes(flow)] = bytes;
        tally[Counter::calls(flow)] = 1;
        let process = Some(Process { start: number, pid: 7, comm: name.to_owned() });
        let who = Who { group: name.to_owned(), process };
        let (from_us, to_us) = (number * 1_000_000, (number + 1) * 1_000_000);
        let mut interval = Interval { from_us, to_us, merged: 1, ..Interval::default() };
        interval.book(who, &Sparse::of(&tally));
        writer.push(interval).unwrap();
    }
    Sums::of(&writer.end(2_000_000, None).unwrap()).unwrap()
}

#[test]
fn totals_and_rates_are_those_of_the_intervals() {
    let sums = sums(Some("tp_btf/it"));
    let page = serde_json::to_value(of(&sums, false)).unwrap();
    assert_eq!(page["io"], json!({ "bytes": 4000, "measured": 0, "inferred": 1000, "unknown": 0 }));
    assert_eq!(page["copies_per_byte"], json!({ "least": 0.25, "most": 0.25 }));
    assert_eq!(
        (&page["rows"][0]["group"], &page["rows"][0]["transferred_bytes"]),
        (&json!("work"), &json!(4000))
    );
    let rate = &page["timeline"]["bytes_per_second"];
    assert_eq!(
        (&rate["min"], &rate["median"], &rate["max"]),
        (&json!(1000.0), &json!(2000.0), &json!(3000.0))
    );
    assert_eq!(page["timeline"]["intervals"][1]["copied_bytes"], 0);
    assert_eq!(
        (&page["recording"]["whole"], &page["recording"]["cut"]),
        (&json!(true), &json!(null))
    );
    let by_process = serde_json::to_value(of(&sums, true)).unwrap();
    assert_eq!(by_process["rows"].as_array().unwrap().len(), 2);
    let text = of(&sums, false).text();
    assert!(text.contains("0.25 to 0.25 copies for each byte"), "{text}");
    assert!(text.contains("▃█"), "{text}");
}

#[test]
fn what_is_not_known_is_no_zero() {
    let sums = sums(None);
    let page = serde_json::to_value(of(&sums, false)).unwrap();
    for unknown in ["io", "copies_per_byte", "transferred", "copied", "moved"] {
        assert_eq!(page[unknown], json!(null), "{unknown}");
    }
    assert_eq!(page["timeline"]["bytes_per_second"], json!(null));
    assert_eq!(page["rows"][0]["transferred_bytes"], json!(null));
    assert_eq!(page["recording"]["probes_down"], json!(["transfers"]));
    let text = of(&sums, false).text();
    assert!(text.contains("is unknown: a probe is down") && !text.contains("0 B"), "{text}");
}

#[test]
fn what_may_have_been_copied_is_no_zero() {
    let unknown = Flow::ALL.iter().find(|flow| {
        let row = flow.row();
        row.copies == zc_common::flow::Copies::Unknown && !row.seen
    });
    let flows = [(*unknown.unwrap(), 1000), (Flow::SendfileSocket, 1000)];
    let text = of(&sums_of("work", Some("tp_btf/it"), flows), false).text();
    let row = text.lines().find(|line| line.starts_with("work ")).unwrap();
    assert!(row.contains("0 B +?") && row.contains("0.00-"), "{text}");
    assert!(text.contains("copied, at least"), "{text}");
}

#[test]
fn a_name_is_no_order_to_a_terminal() {
    let flows = [(Flow::ReadFile, 1000), (Flow::SendfileSocket, 3000)];
    let sums = sums_of("\u{1b}[2J\r\u{202e}", Some("tp_btf/it"), flows);
    for text in [of(&sums, false).text(), of(&sums, true).text()] {
        assert!(text.contains("\u{fffd}[2J\u{fffd}\u{fffd}"), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    }
}

/// Every field is documented.
#[test]
fn the_docs_know_every_field() {
    let page = include_str!("../../../../docs/recordings.md");
    let report = serde_json::to_value(of(&sums(Some("tp_btf/it")), true)).unwrap();
    let parts = [&report, &report["recording"], &report["timeline"], &report["rows"][0]];
    for field in parts.iter().filter_map(|part| part.as_object()).flat_map(|part| part.keys()) {
        assert!(page.contains(&format!("`{field}`")), "docs/recordings.md does not know {field}");
    }
}
