//! The exposition of zc's own families, written as text at once: a crowd of groups has
//! thousands of series, of which the registry would make as many objects first.

use std::fmt::{Display, Write as _};

use zc_common::{
    counter::{Counter as Count, Fault, Switch, Tally},
    syscall::Class,
};

use super::family::{self, Family};
use crate::engine::{
    probes::Probes,
    snapshot::{Group, Snapshot},
    summary::{self, Copies},
    tax::Tax,
};

/// Facts that never change while the daemon lives.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The start of the object's SHA-256.
    pub object: String,
    /// Which copies are shown.
    pub copies: Copies,
}

/// A snapshot as the text format has it.
#[must_use]
pub fn page(snapshot: &Snapshot, facts: &Facts) -> String {
    let mut page = String::new();
    groups(&mut page, snapshot, facts.copies);
    of_itself(&mut page, snapshot, facts);
    page
}

/// The families labelled by group.
fn groups(page: &mut String, snapshot: &Snapshot, copies: Copies) {
    let mut families = ByGroup::new();
    for group in &snapshot.groups {
        let name = escaped(&group.name);
        families.moved(&name, group, &snapshot.probes);
        families.copied(&name, group, copies, &snapshot.probes);
        families.counted(&name, &group.tally, &snapshot.probes);
    }
    families.end(page);
}

/// Each family labelled by group, being filled by one group after the other.
struct ByGroup {
    transferred: Rows,
    transfers: Rows,
    copied: Rows,
    copies: Rows,
    unknown: Rows,
    moved: Rows,
    fallback: Rows,
    syscalls: Rows,
    switches: Rows,
    faults: Rows,
    faults_by_backing: Rows,
}

impl ByGroup {
    fn new() -> Self {
        Self {
            transferred: Rows::new(family::TRANSFERRED),
            transfers: Rows::new(family::TRANSFERS),
            copied: Rows::new(family::COPIED),
            copies: Rows::new(family::COPIES),
            unknown: Rows::new(family::UNKNOWN),
            moved: Rows::new(family::MOVED),
            fallback: Rows::new(family::FALLBACK),
            syscalls: Rows::new(family::SYSCALLS),
            switches: Rows::new(family::SWITCHES),
            faults: Rows::new(family::FAULTS),
            faults_by_backing: Rows::new(family::FAULTS_BY_BACKING),
        }
    }

    /// What moved, and what is not known of it.
    fn moved(&mut self, name: &str, group: &Group, probes: &Probes) {
        let seen = |row: &summary::Transferred| probes.sees_moves(row.route);
        for row in summary::transferred(&group.tally).into_iter().filter(seen) {
            let labels = [name, row.route.name(), row.endpoint.name()];
            self.transferred.push(&labels, row.amount.bytes);
            self.transfers.push(&labels, row.amount.calls);
        }
        for row in summary::unknown(&group.tally).into_iter().filter(seen) {
            self.unknown.push(&[name, row.route.name(), row.endpoint.name()], row.amount.bytes);
        }
        let seen = |route| probes.sees_moves(route);
        for (route, bytes) in summary::moved(&group.tally).filter(|(route, _)| seen(*route)) {
            self.moved.push(&[name, route.name()], bytes);
        }
    }

    /// What was copied, as it is known.
    fn copied(&mut self, name: &str, group: &Group, copies: Copies, probes: &Probes) {
        let seen = |row: &summary::Copied| probes.sees(row.route, row.quality);
        for row in summary::copied(&group.tally, copies).into_iter().filter(seen) {
            let labels = [name, row.route.name(), row.direction.name(), row.quality.name()];
            self.copied.push(&labels, row.amount.bytes);
            self.copies.push(&labels, row.amount.calls);
        }
        for (route, reason, bytes) in summary::fallbacks(&group.tally) {
            if probes.sees_copies(route) {
                self.fallback.push(&[name, route.name(), reason.name()], bytes);
            }
        }
    }

    /// What is counted by itself.
    fn counted(&mut self, name: &str, tally: &Tally, probes: &Probes) {
        if probes.has("syscalls") {
            for class in Class::ALL {
                self.syscalls.push_counted(&[name, class.name()], tally[Count::syscalls(*class)]);
            }
        }
        for switch in Switch::ALL {
            self.switches.push_counted(&[name, switch.name()], tally[Count::switches(*switch)]);
        }
        for fault in Fault::ALL {
            self.faults.push_counted(&[name, fault.name()], tally[Count::faults(*fault)]);
        }
        if probes.has("page_fault_backing") {
            for (fault, by, faults) in summary::backed_faults(tally) {
                self.faults_by_backing.push_counted(&[name, fault.name(), by.name()], faults);
            }
        }
    }

    fn end(self, page: &mut String) {
        let rows = [
            self.transferred,
            self.transfers,
            self.copied,
            self.copies,
            self.unknown,
            self.moved,
            self.fallback,
            self.syscalls,
            self.switches,
            self.faults,
            self.faults_by_backing,
        ];
        rows.into_iter().for_each(|rows| rows.end(page));
    }
}

/// The families about zc itself.
fn of_itself(page: &mut String, snapshot: &Snapshot, facts: &Facts) {
    let mut lost = Rows::new(family::LOST);
    for (reason, value) in &snapshot.lost {
        lost.push(&[reason], value);
    }
    lost.end(page);
    let mut probes = Rows::new(family::PROBE_UP);
    for (probe, hook) in &snapshot.probes.states {
        let hook_name = escaped(hook.as_deref().unwrap_or(""));
        probes.push(&[probe, &hook_name], u8::from(hook.is_some()));
    }
    probes.end(page);
    let mut routes = Rows::new(family::ROUTE_COVERAGE);
    for (route, coverage) in &snapshot.probes.routes {
        routes.push(&[route.name(), coverage.name()], 1);
    }
    routes.end(page);
    if let Some(tax) = &snapshot.tax {
        self::tax(page, tax);
    }
    let mut one = |family, labels: &[&str], value| {
        let mut rows = Rows::new(family);
        rows.push(labels, value);
        rows.end(page);
    };
    one(family::PROCESSES, &[], snapshot.processes as u64);
    one(family::GROUP_OVERFLOW, &[], snapshot.group_overflow);
    one(family::MAP_ENTRIES, &["slots"], snapshot.threads as u64);
    one(family::MAP_CAPACITY, &["slots"], snapshot.thread_capacity.into());
    one(family::BUILD_INFO, &[env!("CARGO_PKG_VERSION"), &facts.object], 1);
}

/// What observing costs.
fn tax(page: &mut String, tax: &Tax) {
    let mut ran = Rows::new(family::PROGRAM_SECONDS);
    let mut runs = Rows::new(family::PROGRAM_RUNS);
    let mut recursion = Rows::new(family::RECURSION_MISSES);
    let mut links = Rows::new(family::LINK_MISSES);
    for program in &tax.programs {
        let name = [program.name.as_str()];
        if !tax.timed.is_zero() {
            ran.push(&name, program.ran.as_secs_f64());
            runs.push(&name, program.runs);
        }
        recursion.push(&name, program.recursion_misses);
        if let Some(misses) = program.link_misses {
            links.push(&name, misses);
        }
    }
    let (mut timed, mut share) = (Rows::new(family::TIMED), Rows::new(family::OBSERVER_SHARE));
    if let Some(taken) = tax.share {
        timed.push(&[], tax.timed.as_secs_f64());
        share.push(&["programs"], taken.programs);
        share.push(&["daemon"], taken.daemon);
    }
    [ran, runs, timed, recursion, links, share].into_iter().for_each(|rows| rows.end(page));
}

/// The series of a family.
struct Rows {
    family: Family,
    text: String,
}

impl Rows {
    fn new(family: Family) -> Self {
        Self { family, text: String::new() }
    }

    /// Adds one series, unless nothing was counted.
    fn push_counted(&mut self, values: &[&str], value: u64) {
        if value > 0 {
            self.push(values, value);
        }
    }

    /// Adds one series. Its values stand in no need of [escapes](escaped).
    fn push(&mut self, values: &[&str], value: impl Display) {
        let text = &mut self.text;
        text.push_str(self.family.name);
        let mut mark = '{';
        for (label, value) in self.family.labels.iter().zip(values) {
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

    /// Writes the family, if it has a series.
    fn end(self, page: &mut String) {
        if self.text.is_empty() {
            return;
        }
        let Family { name, kind, help, .. } = self.family;
        let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {}", kind.name());
        page.push_str(&self.text);
    }
}

/// A label value as the format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use zc_common::flow::Flow;

    use super::*;

    fn snapshot() -> Snapshot {
        let mut tally = Tally::default();
        tally[Count::bytes(Flow::ReadFile)] = u64::MAX;
        tally[Count::calls(Flow::ReadFile)] = 2;
        tally[Count::switches(Switch::Voluntary)] = 3;
        let groups = vec![Group { name: "a\"\\\nb".to_owned(), tally }];
        Snapshot { groups, lost: vec![("no_slot", 0)], ..Snapshot::default() }
    }

    fn text(snapshot: &Snapshot) -> String {
        page(snapshot, &Facts { object: "0123".to_owned(), copies: Copies::Best })
    }

    #[test]
    fn series_are_written_to_the_byte_and_names_escaped() {
        let page = text(&snapshot());
        let head = "# HELP zc_transferred_bytes_total Bytes that the kernel reported as moved";
        assert!(page.starts_with(head), "{page}");
        let labels = r#"{group="a\"\\\nb",route="read",endpoint="file"}"#;
        for line in [
            "# TYPE zc_transferred_bytes_total counter".to_owned(),
            format!("zc_transferred_bytes_total{labels} 18446744073709551615"),
            format!("zc_transfers_total{labels} 2"),
            r#"zc_context_switches_total{group="a\"\\\nb",type="voluntary"} 3"#.to_owned(),
            r#"zc_lost_total{reason="no_slot"} 0"#.to_owned(),
            "zc_processes 0".to_owned(),
        ] {
            assert!(page.lines().any(|row| row == line), "{line} in {page}");
        }
        assert!(!page.contains("zc_page_faults_total"), "{page}");
    }

    #[test]
    fn what_no_probe_counts_has_no_series() {
        let mut snapshot = snapshot();
        let probes = Probes { states: vec![("transfers", None)], routes: Vec::new() };
        snapshot.probes = probes.into();
        let page = text(&snapshot);
        assert!(!page.contains("zc_transfer") && !page.contains("zc_copied"), "{page}");
        assert!(page.contains(r#"zc_probe_up{probe="transfers",hook=""} 0"#), "{page}");
    }
}
