//! Differences of recordings that are made up.

use zc_common::{
    counter::{Counter, Switch, Tally},
    flow::Flow,
};

use super::*;
use crate::engine::{
    recording::{Header, Interval, Who, counters, writer::Writer},
    sparse::Sparse,
};

const LIMITS: Limits = Limits { least: 0.05, alpha: 0.05 };

/// A recording of intervals of a second, in each of which a group does what is told.
fn recording(header: Header, intervals: &[&[(&str, Flow, u64)]], lost: u64) -> Series {
    let header = Header { counters: counters::names(), interval_ms: 1000, ..header };
    let mut writer = Writer::begin(Vec::new(), &header, 1 << 20).unwrap();
    for (number, rows) in (0_u64..).zip(intervals) {
        let (from_us, to_us) = (number * 1_000_000, (number + 1) * 1_000_000);
        let mut interval = Interval { from_us, to_us, merged: 1, ..Interval::default() };
        for (group, flow, bytes) in *rows {
            let mut tally = Tally::default();
            tally[Counter::bytes(*flow)] = *bytes;
            tally[Counter::calls(*flow)] = 10;
            tally[Counter::switches(Switch::Voluntary)] = 100;
            interval.book(Who { group: (*group).to_owned(), process: None }, &Sparse::of(&tally));
        }
        if lost > 0 {
            interval.lost.insert("ring".to_owned(), lost);
        }
        writer.push(interval).unwrap();
    }
    Series::of(&writer.end(10_000_000, None).unwrap()).unwrap()
}

fn header(transfers: bool, quality: &str) -> Header {
    let hook = transfers.then(|| "tp_btf/it".to_owned());
    Header {
        probes: vec![
            ("transfers".to_owned(), hook),
            ("syscalls".to_owned(), Some("it".to_owned())),
        ],
        routes: vec![("read".to_owned(), quality.to_owned())],
        ..Header::default()
    }
}

/// Ten seconds, or so many, of reads of about so many bytes.
fn reads(about: u64, seconds: usize, lost: u64) -> Series {
    let rows: Vec<_> =
        (0..seconds as u64).map(|n| [("work", Flow::ReadFile, about + n * about / 100)]).collect();
    let rows: Vec<_> = rows.iter().map(|rows| &rows[..]).collect();
    recording(header(true, "exact"), &rows, lost)
}

fn verdict(changes: &[Change], subject: &Subject, name: &str) -> Verdict {
    let found = changes.iter().find(|of| of.subject == *subject && of.figure.name == name);
    found.unwrap_or_else(|| panic!("no {name} of {subject:?}")).verdict.clone()
}

fn all(changes: &[Change], name: &str) -> Verdict {
    verdict(changes, &Subject::All, name)
}

#[test]
fn more_and_less_and_the_same() {
    let copied = "copied_bytes_per_second";
    let (one, two) = (reads(1_000_000, 10, 0), reads(2_000_000, 10, 0));
    for subject in [Subject::All, Subject::Group("work".to_owned()), Subject::Route(Route::Read)] {
        assert_eq!(verdict(&of(&one, &two, LIMITS), &subject, copied), Verdict::More);
        assert_eq!(verdict(&of(&two, &one, LIMITS), &subject, copied), Verdict::Less);
        assert_eq!(verdict(&of(&one, &one, LIMITS), &subject, copied), Verdict::Same);
        // Twice the load, and the same each byte.
        let each = verdict(&of(&one, &two, LIMITS), &subject, "copies_per_byte");
        assert_eq!(each, Verdict::Same);
    }
    let changes = of(&one, &two, LIMITS);
    assert_eq!(all(&changes, "context_switches_per_mebibyte"), Verdict::Less);
    assert_eq!(all(&changes, "context_switches_per_second"), Verdict::Same);
    let change = changes.iter().find(|change| change.figure.name == copied).unwrap();
    let (before, after) = (change.before.unwrap(), change.after.unwrap());
    assert_eq!((before.whole, after.whole), (1_045_000.0, 2_090_000.0));
    assert_eq!((before.spread.min, before.spread.max), (1_000_000.0, 1_090_000.0));
    // Two tens that do not overlap: of 184 756 ways to deal them two are as far apart.
    assert!(change.p.unwrap() < 0.001, "{change:?}");
}

#[test]
fn a_small_change_is_none_until_it_is_asked_about() {
    let (one, two) = (reads(1_000_000, 10, 0), reads(1_200_000, 10, 0));
    let at =
        |least| all(&of(&one, &two, Limits { least, ..LIMITS }), "transferred_bytes_per_second");
    assert_eq!((at(0.25), at(0.15)), (Verdict::Same, Verdict::More));
}

#[test]
fn what_varies_by_as_much_anyway_is_no_change() {
    let spread = |by: [u64; 6]| {
        let rows: Vec<_> = by.iter().map(|bytes| [("work", Flow::ReadFile, *bytes)]).collect();
        let rows: Vec<_> = rows.iter().map(|rows| &rows[..]).collect();
        recording(header(true, "exact"), &rows, 0)
    };
    let before = spread([100, 900, 200, 800, 300, 700]);
    let after = spread([950, 150, 850, 250, 1000, 350]);
    let changes = of(&before, &after, LIMITS);
    assert_eq!(all(&changes, "copied_bytes_per_second"), Verdict::Same);
}

#[test]
fn who_came_or_went_is_more_or_less() {
    let by = |flow| {
        let rows = [("work", flow, 1000_u64)];
        recording(header(true, "exact"), &[&rows[..]; 8], 0)
    };
    let (read, sent) = (by(Flow::ReadFile), by(Flow::SendfileSocket));
    let changes = of(&read, &sent, LIMITS);
    assert_eq!(all(&changes, "copies_per_byte"), Verdict::Less);
    assert_eq!(all(&changes, "transferred_bytes_per_second"), Verdict::Same);
    let of_route =
        |route| verdict(&changes, &Subject::Route(route), "transferred_bytes_per_second");
    assert_eq!((of_route(Route::Read), of_route(Route::Sendfile)), (Verdict::Less, Verdict::More));
    let each = verdict(&changes, &Subject::Route(Route::Read), "copies_per_byte");
    assert_eq!(each, Verdict::CannotTell(Doubt::Idle));
}

#[test]
fn nothing_is_said_blindly() {
    let copied = "copied_bytes_per_second";
    let (one, two) = (reads(1_000_000, 10, 0), reads(2_000_000, 10, 0));
    let rows = [("work", Flow::ReadFile, 1000_u64)];
    let as_if = |header| recording(header, &[&rows[..]; 8], 0);
    let doubt = |before: &Series, after: &Series, name| match all(&of(before, after, LIMITS), name)
    {
        Verdict::CannotTell(doubt) => Some(doubt),
        Verdict::More | Verdict::Less | Verdict::Same => None,
    };
    assert_eq!(doubt(&one, &reads(2_000_000, 4, 0), copied), Some(Doubt::Few));
    assert_eq!(doubt(&as_if(header(false, "exact")), &two, copied), Some(Doubt::Down("transfers")));
    let unlike = doubt(&as_if(header(true, "inferred")), &two, copied);
    assert_eq!(unlike, Some(Doubt::Unlike("read".to_owned())));
    // Also of a route that the other one does without.
    let sent = [("work", Flow::SendfileSocket, 1000_u64)];
    let sent = recording(header(true, "inferred"), &[&sent[..]; 8], 0);
    assert_eq!(doubt(&one, &sent, copied), Some(Doubt::Unlike("read".to_owned())));
    // What was missed is less than what changed, or more than that.
    assert_eq!(doubt(&one, &reads(2_000_000, 10, 8), copied), None);
    assert_eq!(doubt(&one, &reads(1_200_000, 10, 8), copied), Some(Doubt::Missed));
    assert_eq!(doubt(&one, &one, copied), None);
    let unsure = [("work", Flow::ReadFile, 1000), ("work", Flow::DirectIoUnsure, 700)];
    let unsure = recording(header(true, "exact"), &[&unsure[..]; 8], 0);
    let less = recording(header(true, "exact"), &[&rows[..]; 8], 0);
    assert_eq!(doubt(&less, &unsure, copied), Some(Doubt::Unknown));
    assert_eq!(doubt(&less, &unsure, "transferred_bytes_per_second"), None);
}
