//! The families about zc itself.

use super::{
    Facts,
    rows::{Page, Rows, escaped},
};
use crate::{
    engine::{snapshot::Snapshot, tax::Tax},
    view::family,
};

/// The families about zc itself.
pub(super) fn of_itself(page: &mut Page, snapshot: &Snapshot, facts: &Facts) {
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
    one(family::GROUPS_EXPIRED, &[], snapshot.group_expired);
    one(family::MAP_ENTRIES, &["slots"], snapshot.threads as u64);
    one(family::MAP_CAPACITY, &["slots"], snapshot.thread_capacity.into());
    one(family::BUILD_INFO, &[env!("CARGO_PKG_VERSION"), &facts.object], 1);
}

/// What observing costs.
fn tax(page: &mut Page, tax: &Tax) {
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
