//! Hostile names for all that shows them. Each says whether there was more than plain text.

use std::sync::Arc;

use zc_common::{
    counter::{Counter, Switch, Tally},
    flow::Flow,
};

use super::{
    groups,
    json::Coverage,
    landing,
    prometheus::{self, Facts, Format},
};
use crate::engine::{
    identity::{Identity, LABELS},
    probes::Probes,
    snapshot::{Group, Snapshot},
    summary::Copies,
};

/// A group of this name, all of whose labels have it for a value.
fn snapshot(name: &str) -> Snapshot {
    let mut tally = Tally::default();
    tally[Counter::bytes(Flow::ReadFile)] = 2;
    tally[Counter::switches(Switch::Voluntary)] = 3;
    let mut identity = Identity::default();
    for label in LABELS {
        identity.set(label, Some(name.to_owned()));
    }
    let groups = vec![Group { name: name.to_owned(), tally, identity: Some(identity) }];
    Snapshot { groups, ..Snapshot::default() }
}

fn is_more_than_plain(name: &str) -> bool {
    !name.chars().all(|letter| letter.is_ascii_alphanumeric())
}

/// What stands between the quotes of a label, from its first byte on, and what follows.
fn label(text: &str) -> Option<(String, &str)> {
    let (mut value, mut letters) = (String::new(), text.char_indices());
    loop {
        match letters.next()? {
            (at, '"') => return Some((value, &text[at + 1..])),
            (_, '\\') => value.push(match letters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            (_, letter) => value.push(letter),
        }
    }
}

pub(crate) fn exposition(bytes: &[u8]) -> bool {
    // What no text may hold is not passed on.
    let name = String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}");
    let facts = Facts { object: "0123".to_owned(), copies: Copies::Best };
    for format in [Format::Classic, Format::OpenMetrics] {
        let page = |name: &str| prometheus::page(&snapshot(name), &facts, &[], format);
        let (plain, hostile) = (page("a"), page(&name));
        if !name.is_empty() {
            assert_eq!(hostile.split('\n').count(), plain.split('\n').count(), "{hostile}");
        }
        for (_, rest) in hostile.split('\n').filter_map(|line| line.split_once("{group=\"")) {
            let (value, after) = label(rest).expect("a label that ends");
            assert!(value == name && after.starts_with([',', '}']), "{value:?} in {rest}");
        }
    }
    is_more_than_plain(&name)
}

pub(crate) fn live_page(bytes: &[u8]) -> bool {
    let name = String::from_utf8_lossy(bytes);
    let page = |name: &str| {
        let probes = Arc::new(Probes::default());
        let coverage = Coverage { probes: Arc::clone(&probes), ..Coverage::default() };
        let snapshot = Snapshot { probes, ..snapshot(name) };
        let groups = groups::groups(&snapshot, &coverage, 0.0);
        (landing::page(&groups, "/metrics"), serde_json::to_value(&groups))
    };
    let ((plain, _), (hostile, json)) = (page("a"), page(&name));
    for mark in ['<', '>', '"', '\''] {
        assert_eq!(
            hostile.matches(mark).count(),
            plain.matches(mark).count(),
            "{mark} of {name:?}"
        );
    }
    let json = json.expect("what has no map with keys that are no strings");
    assert_eq!(json["groups"][0]["group"], *name, "{json}");
    is_more_than_plain(&name)
}
