//! The report for people.

use std::fmt::Write as _;

use super::{Report, Status, Why};
use crate::{engine::bytes::Bytes, view::totals};

/// Columns of prose.
const WIDTH: usize = 88;

pub(super) fn of(report: &Report) -> String {
    let mut page = format!("zc verify: {}\n{}\n", report.headline(), target(report));
    for (label, sentences) in [("broken", &report.broken), ("unsure", &report.unsure)] {
        for sentence in sentences {
            page += &paragraph(&format!("  {label}: {sentence}"), 10);
        }
    }
    page += &totals::table(&report.totals);
    page += &totals::besides(&report.totals);
    page += &measured(report);
    if !report.reasons.is_empty() {
        page += "\nwhy\n";
    }
    for reason in &report.reasons {
        page += &why(reason);
    }
    for hint in &report.hints {
        page += &paragraph(&format!("  hint: {hint}"), 8);
    }
    if let Some(sites) = report.sites.as_ref().filter(|sites| !sites.sites.is_empty()) {
        page += "\nthe stacks that copied most, innermost first\n";
        page += &sites.text();
    }
    if let Some(audit) = &report.audit {
        let _ = writeln!(
            page,
            "\naudit: breakpoints saw {} bytes of payload, the ledger measured {}: {}",
            audit.breakpoint_bytes, audit.measured_bytes, audit.verdict
        );
    }
    page
}

fn target(report: &Report) -> String {
    let target = &report.target;
    let running = if target.running > 0 {
        format!(", {} of which run still and are no longer watched", target.running)
    } else {
        String::new()
    };
    let status = target.status.map_or(String::new(), |status| format!("; it {}", ended(status)));
    format!(
        "{} {}: {} process(es){running}, {:.1} s, kernel {}{status}\n",
        target.kind, target.name, target.processes, report.seconds, report.kernel
    )
}

fn ended(status: Status) -> String {
    match (status.exit_code, status.signal) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "has not ended".to_owned(),
    }
}

/// How well the routes that were used are measured.
fn measured(report: &Report) -> String {
    let coverage = report.coverage.iter();
    let coverage: Vec<_> = coverage.map(|row| format!("{} {}", row.route, row.quality)).collect();
    format!("measured here: {}\n", coverage.join(", "))
}

fn why(reason: &Why) -> String {
    let text = format!("  {}: {} {}", reason.code, Bytes(reason.bytes), reason.text);
    paragraph(&text, 4) + &paragraph(&format!("    try: {}", reason.remedy), 9)
}

/// Text in lines of [`WIDTH`], all but the first indented.
fn paragraph(text: &str, indent: usize) -> String {
    let lead = text.len() - text.trim_start().len();
    let (mut page, mut line) = (String::new(), " ".repeat(lead));
    for word in text.split_whitespace() {
        let empty = line.trim().is_empty();
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            page += &line;
            page.push('\n');
            line = " ".repeat(indent);
        } else if !empty {
            line.push(' ');
        }
        line += word;
    }
    page + &line + "\n"
}

#[cfg(test)]
mod tests {
    use zc_common::counter::Tally;

    use super::{super::tests::report, *};
    use crate::{engine::probes::Probes, view::json};

    #[test]
    fn the_verdict_comes_first_and_the_remedy_last() {
        let page = report("broken").text();
        let lines: Vec<_> = page.lines().collect();
        assert_eq!(lines[0], "zc verify: NOT within the policy: 1.000 copies for each byte moved");
        assert!(
            lines[1].starts_with("command cat \"a\" & b: 1 process(es), 1.2 s, kernel 6.12; it")
        );
        assert!(page.contains("\n  broken: 2.0 MiB"), "{page}");
        assert!(
            page.contains("read             file               1048576         16\n"),
            "{page}"
        );
        assert!(
            page.contains("read             to_user            1048576        256  measured\n")
        );
        assert!(page.contains("\n  relayed: 1.0 MiB were read"), "{page}");
        assert!(page.ends_with("  hint: cat: do not\n"), "{page}");
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{page}");
        assert!(report("pass").text().starts_with("zc verify: within the policy: 1.000"));
        assert!(report("cannot_tell").text().contains("\n  unsure: it failed\n"));
    }

    /// Where nothing was seen there is no table without rows, and nothing is not "nothing".
    #[test]
    fn what_is_not_seen_is_unknown() {
        let mut report = report("cannot_tell");
        let states = vec![("transfers", None), ("syscalls", None)];
        let probes = Probes { states, ..Probes::default() }.into();
        let down = json::Coverage { probes, ..Default::default() };
        report.totals = json::Totals::of(&Tally::default(), &down);
        let page = report.text();
        for said in ["what was copied, is unknown", "reference: unknown", "mode switches unknown"] {
            assert!(page.contains(said), "{page}");
        }
        assert!(!page.contains("moved by"), "{page}");
    }

    #[test]
    fn what_is_not_known_is_a_range() {
        let mut report = report("cannot_tell");
        report.copies_per_byte = Some(super::super::Range { least: 0.25, most: 1.0 });
        assert!(report.text().contains("CANNOT TELL: between 0.250 and 1.000 copies"));
        report.copies_per_byte = None;
        assert!(report.text().contains("CANNOT TELL: nothing moved"));
    }
}
