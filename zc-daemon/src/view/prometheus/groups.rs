//! The families labelled by group.

use zc_common::{
    counter::{Counter as Count, Fault, Switch, Tally},
    syscall::Class,
};

use super::rows::{Page, Rows, escaped};
use crate::{
    engine::{
        identity::LABELS,
        probes::Probes,
        snapshot::{Group, Snapshot},
        summary::{self, Copies},
    },
    view::family,
};

/// What each group did.
pub(super) fn groups(page: &mut Page, snapshot: &Snapshot, copies: Copies) {
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

    fn end(self, page: &mut Page) {
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

/// Who is in each group.
pub(super) fn group_info(page: &mut Page, snapshot: &Snapshot) {
    let mut rows = Rows::new(family::GROUP_INFO);
    for group in &snapshot.groups {
        let Some(identity) = &group.identity else { continue };
        let labels = LABELS.map(|field| escaped(identity.get(field).unwrap_or("")));
        let name = escaped(&group.name);
        let values: Vec<_> = [&name].into_iter().chain(&labels).map(AsRef::as_ref).collect();
        rows.push(&values, 1);
    }
    rows.end(page);
}
