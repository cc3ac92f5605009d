//! `/api/v1/groups`: every group with its sums, and what the probes see. What is not measured
//! is null: unknown, not zero.

use std::collections::BTreeMap;

use serde::Serialize;
use zc_common::{
    counter::{Counter, Fault, Tally},
    fallback::Fallback,
    flow::Route,
};

use super::json::{self, Coverage, Switches, Totals, TrafficRow, mode_switches};
use crate::engine::{
    coverage,
    probes::Probes,
    snapshot::Snapshot,
    summary::{self, Quality},
    traffic,
};

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct Groups<'a> {
    /// The version of this format.
    version: u32,
    /// zc's own.
    zc: &'static str,
    /// Since the daemon began to serve: totals of two answers are so far apart.
    seconds: f64,
    /// What the probes see, as one sentence.
    pub(super) coverage: String,
    pub(super) probes: Vec<Probe<'a>>,
    pub(super) routes: Vec<RouteRow>,
    /// Events known to be missing, by reason.
    pub(super) lost: BTreeMap<&'static str, u64>,
    /// What zc takes of a core.
    pub(super) observer_share: Option<Share>,
    /// Processes that live and have run.
    processes: usize,
    pub(super) groups: Vec<Row<'a>>,
}

/// A probe and its hook; null if it is down.
#[derive(Debug, Serialize)]
pub(super) struct Probe<'a> {
    pub(super) probe: &'static str,
    pub(super) hook: Option<&'a str>,
}

/// How well copies are measured on a route.
#[derive(Debug, Serialize)]
pub(super) struct RouteRow {
    pub(super) route: &'static str,
    pub(super) quality: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Share {
    programs: f64,
    daemon: f64,
}

/// A group's sums since it was first seen.
#[derive(Debug, Serialize)]
pub(super) struct Row<'a> {
    pub(super) group: &'a str,
    pub(super) transferred_bytes: Option<u64>,
    pub(super) copied_bytes: Copied,
    pub(super) moved_bytes: Option<u64>,
    pub(super) fallback_bytes: Option<u64>,
    pub(super) io: Option<Io>,
    pub(super) mode_switches: Option<u64>,
    pub(super) context_switches: Switches,
    pub(super) page_faults: Faults,
    /// What these are sums of, if that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    totals: Option<Detail>,
}

/// A group's sums, one by one.
#[derive(Debug, Serialize)]
struct Detail {
    traffic: Option<Vec<TrafficRow>>,
    #[serde(flatten)]
    totals: Totals,
}

#[derive(Debug, Serialize)]
pub(super) struct Faults {
    pub(super) minor: u64,
    pub(super) major: u64,
}

/// Copied bytes, by how they are known.
#[derive(Debug, Serialize)]
pub(super) struct Copied {
    pub(super) measured: Option<u64>,
    pub(super) inferred: Option<u64>,
}

/// What `zc verify` judges by: bytes that went somewhere, those copied on the way, and those of
/// which zc cannot tell.
#[derive(Debug, Serialize)]
pub(super) struct Io {
    pub(super) bytes: u64,
    pub(super) copied_bytes: u64,
    pub(super) unknown_bytes: u64,
}

/// All groups of a snapshot, so long after the daemon began to serve.
#[must_use]
pub fn groups<'a>(snapshot: &'a Snapshot, shown: &Coverage, seconds: f64) -> Groups<'a> {
    let probes = &snapshot.probes;
    let hook =
        |(probe, hook): &'a (&'static str, Option<String>)| Probe { probe, hook: hook.as_deref() };
    let route = |(route, coverage): &(Route, coverage::Coverage)| RouteRow {
        route: route.name(),
        quality: coverage.name(),
    };
    let share = snapshot.tax.as_ref().and_then(|tax| tax.share);
    Groups {
        version: 1,
        zc: env!("CARGO_PKG_VERSION"),
        seconds,
        coverage: sentence(probes),
        probes: probes.states.iter().map(hook).collect(),
        routes: probes.routes.iter().map(route).collect(),
        lost: snapshot.lost.iter().copied().collect(),
        observer_share: share.map(|s| Share { programs: s.programs, daemon: s.daemon }),
        processes: snapshot.processes,
        groups: snapshot.groups.iter().map(|group| row(&group.name, &group.tally, shown)).collect(),
    }
}

impl Groups<'_> {
    /// The same, with what each sum is made of.
    #[must_use]
    pub fn by_route(mut self, snapshot: &Snapshot, shown: &Coverage) -> Self {
        for (row, group) in self.groups.iter_mut().zip(&snapshot.groups) {
            row.totals = Some(Detail {
                traffic: json::traffic(&group.tally, &shown.probes),
                totals: Totals::of(&group.tally, shown),
            });
        }
        self
    }
}

/// What the probes see, in words.
fn sentence(probes: &Probes) -> String {
    let (all, down) = (probes.states.len(), probes.down().count());
    let (routes, measured) = (probes.routes.len(), measured(probes));
    let what = if down == 0 { "" } else { " What the others measure is unknown, not zero." };
    format!(
        "{} of {all} probes are attached.{what} Copies are measured on {measured} of {routes} \
         routes; on the others they are inferred from system calls where those tell, else unknown.",
        all - down
    )
}

/// On how many routes copies are measured.
fn measured(probes: &Probes) -> usize {
    probes.routes.iter().filter(|(route, _)| probes.sees_copies(*route)).count()
}

/// What a group did.
pub(super) fn row<'a>(group: &'a str, tally: &Tally, shown: &Coverage) -> Row<'a> {
    let probes = &shown.probes;
    let moves = probes.has("transfers");
    let measures = probes.routes.is_empty() || measured(probes) > 0;
    Row {
        group,
        transferred_bytes: moves.then(|| transferred(tally, probes)),
        copied_bytes: Copied {
            measured: measures.then(|| copied(tally, shown, Quality::Measured)),
            inferred: moves.then(|| copied(tally, shown, Quality::Inferred)),
        },
        moved_bytes: moves.then(|| moved(tally, probes)),
        fallback_bytes: measures.then(|| fallen_back(tally, probes)).flatten(),
        io: moves.then(|| io(tally)),
        mode_switches: mode_switches(tally, probes),
        context_switches: Switches::of(tally),
        page_faults: Faults {
            minor: tally[Counter::faults(Fault::Minor)],
            major: tally[Counter::faults(Fault::Major)],
        },
        totals: None,
    }
}

fn transferred(tally: &Tally, probes: &Probes) -> u64 {
    let rows = summary::transferred(tally).into_iter();
    rows.filter(|row| probes.sees_moves(row.route)).map(|row| row.amount.bytes).sum()
}

fn copied(tally: &Tally, shown: &Coverage, quality: Quality) -> u64 {
    let rows = summary::copied(tally, shown.copies).into_iter();
    let of =
        |row: &summary::Copied| row.quality == quality && shown.probes.sees(row.route, quality);
    rows.filter(of).map(|row| row.amount.bytes).sum()
}

fn moved(tally: &Tally, probes: &Probes) -> u64 {
    summary::moved(tally).filter(|(route, _)| probes.sees_moves(*route)).map(|(_, b)| b).sum()
}

/// Unknown where no route is measured that can fall back.
fn fallen_back(tally: &Tally, probes: &Probes) -> Option<u64> {
    let measured = |route: Route| probes.sees_copies(route);
    let known = Fallback::ALL.iter().any(|fallback| measured(fallback.row().0));
    let rows = || summary::fallbacks(tally).filter(|(route, _, _)| measured(*route));
    known.then(|| rows().map(|(_, _, bytes)| bytes).sum())
}

fn io(tally: &Tally) -> Io {
    let mut io = Io { bytes: 0, copied_bytes: 0, unknown_bytes: 0 };
    for row in traffic::of(tally) {
        io.bytes += row.size();
        io.copied_bytes += row.measured + row.inferred;
        io.unknown_bytes += row.unknown;
    }
    io
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use zc_common::flow::{Direction, Flow};

    use super::*;
    use crate::engine::{coverage::Coverage as How, snapshot::Group};

    fn snapshot(probes: Probes) -> Snapshot {
        let mut tally = Tally::default();
        for (flow, bytes) in [(Flow::ReadFile, 100), (Flow::SendfileSocket, 900)] {
            tally[Counter::bytes(flow)] = bytes;
            tally[Counter::calls(flow)] = 1;
        }
        let (bytes, copies) = Counter::measured(Route::Sendfile, Direction::InKernel);
        (tally[bytes], tally[copies]) = (50, 1);
        tally[Counter::faults(Fault::Major)] = 3;
        let groups = vec![Group { name: "web".to_owned(), tally, identity: None }];
        Snapshot {
            groups,
            probes: probes.into(),
            lost: vec![("no_slot", 2)],
            ..Snapshot::default()
        }
    }

    fn shown(snapshot: &Snapshot) -> serde_json::Value {
        let coverage = Coverage { probes: snapshot.probes.clone(), ..Coverage::default() };
        serde_json::to_value(groups(snapshot, &coverage, 1.5)).unwrap()
    }

    #[test]
    fn sums_are_those_of_the_families() {
        let up = |name| (name, Some("tp_btf/it".to_owned()));
        let page = shown(&snapshot(Probes {
            states: vec![up("transfers"), ("syscalls", None)],
            routes: vec![(Route::Read, How::Inferred), (Route::Sendfile, How::Unverified)],
        }));
        assert_eq!((&page["version"], &page["seconds"]), (&json!(1), &json!(1.5)));
        assert_eq!(page["lost"], json!({ "no_slot": 2 }));
        assert_eq!(page["probes"][1], json!({ "probe": "syscalls", "hook": null }));
        assert_eq!(page["routes"][0], json!({ "route": "read", "quality": "inferred" }));
        assert!(page["coverage"].as_str().unwrap().starts_with("1 of 2 probes"), "{page}");
        let web = &page["groups"][0];
        assert_eq!(web["transferred_bytes"], 1000);
        assert_eq!(web["copied_bytes"], json!({ "measured": 50, "inferred": 100 }));
        assert_eq!(web["io"], json!({ "bytes": 1000, "copied_bytes": 150, "unknown_bytes": 0 }));
        assert_eq!(web["mode_switches"], json!(null));
        assert_eq!(web["page_faults"]["major"], 3);
    }

    #[test]
    fn sums_are_told_by_route_if_asked_for() {
        let snapshot = snapshot(Probes::default());
        assert!(shown(&snapshot)["groups"][0]["totals"].is_null());
        let coverage = Coverage::default();
        let page = groups(&snapshot, &coverage, 1.5).by_route(&snapshot, &coverage);
        let totals = serde_json::to_value(page).unwrap()["groups"][0]["totals"].take();
        let sendfile = json!({
            "route": "sendfile", "bytes": 900, "measured": 50, "inferred": 0, "unknown": 0
        });
        assert_eq!(totals["traffic"][1], sendfile);
        assert_eq!(totals["transferred"][0]["bytes"], 100);
        assert_eq!(totals["page_faults"]["major"], 3);
    }

    /// Another route's probe says nothing of promises.
    #[test]
    fn fallbacks_are_null_where_no_route_that_has_them_is_measured() {
        let promises = Fallback::ALL.iter().map(|fallback| (fallback.row().0, How::Inferred));
        let mut routes: Vec<_> = promises.collect();
        routes.push((Route::Read, How::Unverified));
        let fallback = |routes: &[_]| {
            let probes = Probes { states: Vec::new(), routes: routes.to_vec() };
            shown(&snapshot(probes))["groups"][0]["fallback_bytes"].clone()
        };
        assert_eq!(fallback(&routes), json!(null));
        routes[0].1 = How::Unverified;
        assert_eq!(fallback(&routes[..1]), json!(0));
    }

    #[test]
    fn what_is_not_measured_is_null() {
        let page = shown(&snapshot(Probes {
            states: vec![("transfers", None)],
            routes: vec![(Route::Read, How::Inferred)],
        }));
        let web = &page["groups"][0];
        for sum in ["transferred_bytes", "moved_bytes", "fallback_bytes", "io"] {
            assert!(web[sum].is_null(), "{sum}: {web}");
        }
        assert_eq!(web["copied_bytes"], json!({ "measured": null, "inferred": null }));
        assert_eq!(page["observer_share"], json!(null));
    }
}
