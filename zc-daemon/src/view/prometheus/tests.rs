//! Both formats, from snapshots whose names are anything.

use std::collections::BTreeSet;

use prometheus::{Counter, Histogram, HistogramOpts, Registry};
use proptest::prelude::*;
use zc_common::{
    counter::{Counter as Count, Switch, Tally},
    flow::Flow,
};

use super::*;
use crate::{
    engine::{
        identity::{Field, Identity},
        probes::Probes,
        snapshot::Group,
    },
    view::family::{FAMILIES, Type},
};

fn snapshot(name: &str) -> Snapshot {
    let mut tally = Tally::default();
    tally[Count::bytes(Flow::ReadFile)] = u64::MAX;
    tally[Count::calls(Flow::ReadFile)] = 2;
    tally[Count::switches(Switch::Voluntary)] = 3;
    let groups = vec![Group { name: name.to_owned(), tally, identity: None }];
    Snapshot { groups, lost: vec![("no_slot", 0)], ..Snapshot::default() }
}

fn text(snapshot: &Snapshot, format: Format) -> String {
    page(snapshot, &Facts { object: "0123".to_owned(), copies: Copies::Best }, &[], format)
}

#[test]
fn series_are_written_to_the_byte_and_names_escaped() {
    let labels = r#"{group="a\"\\\nb",route="read",endpoint="file"}"#;
    let rows = [
        format!("zc_transferred_bytes_total{labels} 18446744073709551615"),
        format!("zc_transfers_total{labels} 2"),
        r#"zc_context_switches_total{group="a\"\\\nb",type="voluntary"} 3"#.to_owned(),
        r#"zc_lost_total{reason="no_slot"} 0"#.to_owned(),
        "zc_processes 0".to_owned(),
    ];
    for format in [Format::Classic, Format::OpenMetrics] {
        let page = text(&snapshot("a\"\\\nb"), format);
        for line in &rows {
            assert!(page.lines().any(|row| row == line), "{line} in {page}");
        }
        assert!(!page.contains("zc_page_faults_total"), "{page}");
    }
}

#[test]
fn the_formats_differ_in_what_stands_around_the_rows() {
    let classic = text(&snapshot("a"), Format::Classic);
    let open = text(&snapshot("a"), Format::OpenMetrics);
    let head = "# HELP zc_transferred_bytes_total Bytes that the kernel reported as moved";
    assert!(classic.starts_with(head), "{classic}");
    assert!(classic.contains("\n# TYPE zc_transferred_bytes_total counter\n"), "{classic}");
    assert!(!classic.contains("# UNIT") && !classic.contains("# EOF"), "{classic}");
    let head = "# HELP zc_transferred_bytes Bytes that the kernel reported as moved";
    assert!(open.starts_with(head), "{open}");
    let kind = "\n# TYPE zc_transferred_bytes counter\n# UNIT zc_transferred_bytes bytes\n";
    assert!(open.contains(kind), "{open}");
    assert!(open.contains("quality=\\\"measured\\\"") && classic.contains("quality=\"measured\""));
    assert!(open.ends_with("\n# EOF\n") && open.matches("# EOF").count() == 1, "{open}");
    let rows = |page: &str| -> Vec<String> {
        page.lines().filter(|line| !line.starts_with('#')).map(ToOwned::to_owned).collect()
    };
    assert_eq!(rows(&classic), rows(&open));
}

#[test]
fn what_no_probe_counts_has_no_series() {
    let mut snapshot = snapshot("a");
    let probes = Probes { states: vec![("transfers", None)], routes: Vec::new() };
    snapshot.probes = probes.into();
    let page = text(&snapshot, Format::Classic);
    assert!(!page.contains("zc_transfer") && !page.contains("zc_copied"), "{page}");
    assert!(page.contains(r#"zc_probe_up{probe="transfers",hook=""} 0"#), "{page}");
}

#[test]
fn what_the_registry_keeps_stands_on_the_same_page() {
    let registry = Registry::new();
    let took = Histogram::with_opts(
        HistogramOpts::new("took_seconds", "a \"b\" \\").buckets(vec![0.5, 1.0]),
    );
    let took = took.unwrap();
    took.observe(0.75);
    registry.register(Box::new(took)).unwrap();
    let spent = Counter::new("spent_seconds_total", "c").unwrap();
    spent.inc_by(0.25);
    registry.register(Box::new(spent)).unwrap();
    let facts = Facts { object: String::new(), copies: Copies::Best };
    let page = |format| page(&Snapshot::default(), &facts, &registry.gather(), format);
    let rows = |bound| {
        format!(
            "took_seconds_bucket{{le=\"0.5\"}} 0\ntook_seconds_bucket{{le=\"{bound}\"}} 1\n\
             took_seconds_bucket{{le=\"+Inf\"}} 1\ntook_seconds_sum 0.75\ntook_seconds_count 1\n"
        )
    };
    let classic = page(Format::Classic);
    let head = "# HELP took_seconds a \"b\" \\\\\n# TYPE took_seconds histogram\n";
    assert!(classic.contains(&format!("{head}{}", rows("1"))), "{classic}");
    assert!(classic.contains("# TYPE spent_seconds_total counter\nspent_seconds_total 0.25\n"));
    let open = page(Format::OpenMetrics);
    let head = "# HELP took_seconds a \\\"b\\\" \\\\\n# TYPE took_seconds histogram\n\
                # UNIT took_seconds seconds\n";
    assert!(open.contains(&format!("{head}{}", rows("1.0"))), "{open}");
    let spent = "# TYPE spent_seconds counter\n# UNIT spent_seconds seconds\n\
                 spent_seconds_total 0.25\n";
    assert!(open.contains(spent), "{open}");
}

#[test]
fn no_sample_of_a_family_is_named_as_another_family() {
    const SUFFIXES: &[&str] = &["", "_total", "_created", "_bucket", "_sum", "_count", "_info"];
    let name = |family: &crate::view::family::Family| {
        Format::OpenMetrics.family_name(family.name, family.kind)
    };
    let names: BTreeSet<_> = FAMILIES.iter().map(name).collect();
    assert_eq!(names.len(), FAMILIES.len());
    for family in FAMILIES.iter().filter(|family| family.kind != Type::Gauge) {
        for suffix in SUFFIXES.iter().skip(1) {
            let sample = format!("{}{suffix}", name(family));
            assert!(!names.contains(sample.as_str()), "{sample}");
        }
    }
}

/// A name, its labels and a value.
type Sample = (String, Vec<(String, String)>, String);

/// What a reader makes of one line, by the grammar of the
/// formats and none of the writer's code.
fn read(line: &str) -> Option<Sample> {
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, value) = rest.trim_start_matches(',').split_once("=\"")?;
            let mut letters = value.char_indices();
            let mut text = String::new();
            let end = loop {
                match letters.next()? {
                    (at, '"') => break at,
                    (_, '\\') => text.push(match letters.next()?.1 {
                        'n' => '\n',
                        same @ ('\\' | '"') => same,
                        _ => return None,
                    }),
                    (_, '\n') => return None,
                    (_, letter) => text.push(letter),
                }
            };
            labels.push((label.to_owned(), text));
            rest = &value[end + 1..];
        }
        rest = &rest[1..];
    }
    Some((name.to_owned(), labels, rest.strip_prefix(' ')?.to_owned()))
}

/// Names as processes may have: any bytes but NUL, up to 4 KiB, read as UTF-8.
fn names() -> impl Strategy<Value = String> {
    let awkward = prop::sample::select(&b"\"\\\n\r\t{}=,# \x7f\xff\xc3\x28\xe2\x80\xa8a"[..]);
    let byte = prop_oneof![3 => awkward, 1 => 1_u8..=255];
    let bytes = prop_oneof![
        4 => prop::collection::vec(byte.clone(), 0..24),
        1 => prop::collection::vec(byte, 4000..4097),
    ];
    bytes.prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn of_unit(unit: &str) -> Identity {
    let mut identity = Identity::default();
    identity.set(Field::Unit, Some(unit.to_owned()));
    identity
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_name_breaks_either_format(group in names(), unit in names(), hook in names()) {
        let mut snapshot = snapshot(&group);
        snapshot.groups[0].identity = Some(of_unit(&unit));
        let probes = Probes { states: vec![("transfers", Some(hook.clone()))], routes: Vec::new() };
        snapshot.probes = probes.into();
        for format in [Format::Classic, Format::OpenMetrics] {
            let page = text(&snapshot, format);
            let lines = page.strip_suffix('\n').unwrap().split('\n');
            let mut groups = 0;
            for line in lines.filter(|line| !line.starts_with("# ")) {
                let (name, labels, value) = read(line).expect(line);
                prop_assert!(name.starts_with("zc_"));
                prop_assert!(value.parse::<f64>().is_ok(), "{}", line);
                for (label, text) in labels {
                    match label.as_str() {
                        "group" => { groups += 1; prop_assert_eq!(&text, &group); }
                        "unit" => prop_assert_eq!(&text, &unit),
                        "hook" => prop_assert_eq!(&text, &hook),
                        _ => {}
                    }
                }
            }
            prop_assert!(groups >= 5);
        }
    }
}
