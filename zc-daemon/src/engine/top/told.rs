//! A look from what a daemon tells: `/api/v1/groups?by=route` and `/api/v1/processes`.

use std::collections::BTreeMap;

use serde::Deserialize;
use zc_common::{
    counter::{Counter, Fault, Switch, Tally},
    fallback::Fallback,
    flow::{Flow, Route},
};

use super::{Key, Listing, Moves, Standing, Totals};
use crate::engine::{sparse::Sparse, traffic::Traffic};

/// What is read of all groups.
#[derive(Debug, Deserialize)]
pub struct Groups {
    /// The version of the format.
    pub version: u32,
    seconds: f64,
    probes: Vec<Probe>,
    routes: Vec<Quality>,
    lost: BTreeMap<String, u64>,
    processes: usize,
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Probe {
    probe: String,
    hook: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Quality {
    route: String,
    quality: String,
}

#[derive(Debug, Deserialize)]
struct Group {
    group: String,
    totals: Option<Told>,
    context_switches: Switches,
    page_faults: Faults,
}

/// What is read of all processes.
#[derive(Debug, Deserialize)]
pub struct Processes {
    /// The version of the format.
    pub version: u32,
    /// Missing of a daemon that is older than `zc top`.
    seconds: Option<f64>,
    processes: Vec<Process>,
}

#[derive(Debug, Deserialize)]
struct Process {
    pid: u32,
    start_ns: u64,
    comm: String,
    group: String,
    context_switches: Switches,
    page_faults: Faults,
    #[serde(flatten)]
    told: Told,
}

/// Rows of bytes; missing where the daemon does not know, or is too old to tell.
#[derive(Debug, Default, Deserialize)]
struct Told {
    traffic: Option<Vec<TrafficRow>>,
    transferred: Option<Vec<Transferred>>,
    moved: Option<Vec<ByRoute>>,
    fallback: Option<Vec<Broken>>,
}

#[derive(Debug, Deserialize)]
struct TrafficRow {
    route: String,
    bytes: u64,
    measured: u64,
    inferred: u64,
    unknown: u64,
}

#[derive(Debug, Deserialize)]
struct Transferred {
    route: String,
    endpoint: String,
    bytes: u64,
    calls: u64,
}

#[derive(Debug, Deserialize)]
struct ByRoute {
    route: String,
    bytes: u64,
}

#[derive(Debug, Deserialize)]
struct Broken {
    route: String,
    reason: String,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Switches {
    voluntary: u64,
    involuntary: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Faults {
    minor: u64,
    major: u64,
}

fn route(name: &str) -> Option<Route> {
    Route::ALL.iter().copied().find(|route| route.name() == name)
}

impl Groups {
    /// The totals of all groups.
    #[must_use]
    pub fn listing(&self) -> Listing {
        let row = |group: &Group| {
            let tally = mirrored(group.context_switches, group.page_faults);
            let (tally, moves) = group
                .totals
                .as_ref()
                .map_or_else(|| (tally.clone(), Moves::Unknown), |told| told.tally(tally.clone()));
            let name = group.group.clone();
            let (key, group) = (Key::Group(name.clone()), name.clone());
            Totals { key, name, group, tally: Sparse::of(&tally), moves }
        };
        Listing { seconds: self.seconds, rows: self.groups.iter().map(row).collect() }
    }

    /// How its counts stand.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let measured = self.routes.iter().filter(|row| row.quality != "inferred");
        let down = self.probes.iter().filter(|probe| probe.hook.is_none());
        Standing {
            measured: measured.filter_map(|row| route(&row.route)).collect(),
            routes: self.routes.len(),
            down: down.map(|probe| probe.probe.clone()).collect(),
            lost: self.lost.values().sum(),
            processes: self.processes,
        }
    }
}

impl Processes {
    /// The totals of all processes; none if the daemon does not say when they were taken.
    #[must_use]
    pub fn listing(&self) -> Option<Listing> {
        let row = |process: &Process| {
            let tally = mirrored(process.context_switches, process.page_faults);
            let (tally, moves) = process.told.tally(tally);
            Totals {
                key: Key::Process(process.pid, process.start_ns),
                name: process.comm.clone(),
                group: process.group.clone(),
                tally: Sparse::of(&tally),
                moves,
            }
        };
        let rows = self.processes.iter().map(row).collect();
        Some(Listing { seconds: self.seconds?, rows })
    }
}

/// A tally of what every row tells.
fn mirrored(switches: Switches, faults: Faults) -> Tally {
    let mut tally = Tally::default();
    tally[Counter::switches(Switch::Voluntary)] = switches.voluntary;
    tally[Counter::switches(Switch::Involuntary)] = switches.involuntary;
    tally[Counter::faults(Fault::Minor)] = faults.minor;
    tally[Counter::faults(Fault::Major)] = faults.major;
    tally
}

impl Told {
    /// The tally with what reasons are told from, and what moved. A row of bytes may stand for
    /// several flows of one route and endpoint; the first of them stands for all.
    fn tally(&self, mut tally: Tally) -> (Tally, Moves) {
        for row in self.transferred.iter().flatten() {
            let named = |flow: &Flow| {
                let flow = flow.row();
                flow.route.name() == row.route && flow.endpoint.name() == row.endpoint
            };
            if let Some(flow) = Flow::ALL.iter().copied().find(named) {
                tally[Counter::bytes(flow)] = row.bytes;
                tally[Counter::calls(flow)] = row.calls;
            }
        }
        for row in self.moved.iter().flatten() {
            if let Some(route) = route(&row.route) {
                tally[Counter::references(route)] = row.bytes;
            }
        }
        for row in self.fallback.iter().flatten() {
            let named = |fallback: &Fallback| {
                let (route, reason) = fallback.row();
                route.name() == row.route && reason.name() == row.reason
            };
            if let Some(fallback) = Fallback::ALL.iter().copied().find(named) {
                tally[Counter::fallback(fallback)] = row.bytes;
            }
        }
        let traffic = |row: &TrafficRow| {
            let TrafficRow { bytes, measured, inferred, unknown, .. } = *row;
            Some(Traffic { route: route(&row.route)?, bytes, measured, inferred, unknown })
        };
        let moves = self
            .traffic
            .as_ref()
            .map_or(Moves::Unknown, |rows| Moves::Told(rows.iter().filter_map(traffic).collect()));
        (tally, moves)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::reason;

    #[test]
    fn groups_are_read_as_a_daemon_tells_them() {
        let page: Groups = serde_json::from_value(json!({
            "version": 1, "seconds": 2.5, "processes": 3, "lost": { "no_slot": 2 },
            "probes": [{ "probe": "transfers", "hook": "x" }, { "probe": "y", "hook": null }],
            "routes": [
                { "route": "read", "quality": "inferred" },
                { "route": "sendfile", "quality": "exact" },
            ],
            "groups": [{
                "group": "web",
                "context_switches": { "voluntary": 5, "involuntary": 1 },
                "page_faults": { "minor": 4, "major": 0 },
                "totals": {
                    "traffic": [{ "route": "read", "bytes": 1_000_000, "measured": 0,
                                  "inferred": 1_000_000, "unknown": 0 }],
                    "transferred": [{ "route": "read", "endpoint": "file", "bytes": 1_000_000,
                                      "calls": 9 }],
                    "moved": [{ "route": "sendfile", "bytes": 7 }],
                    "fallback": [],
                },
            }],
        }))
        .unwrap();
        let standing = page.standing();
        assert_eq!((standing.measured, standing.lost), (vec![Route::Sendfile], 2));
        assert_eq!((standing.down, standing.routes), (vec!["y".to_owned()], 2));
        let row = page.listing().rows.remove(0);
        let tally = row.tally.whole();
        assert_eq!(tally[Counter::switches(Switch::Voluntary)], 5);
        assert_eq!(tally[Counter::references(Route::Sendfile)], 7);
        assert_eq!(reason::of(&tally)[0].code, "consumed");
        assert!(matches!(&row.moves, Moves::Told(rows) if rows[0].inferred == 1_000_000));
    }

    #[test]
    fn what_an_older_daemon_does_not_tell_is_unknown() {
        let page: Processes = serde_json::from_value(json!({
            "version": 1, "seconds": 1.0,
            "processes": [{
                "pid": 7, "start_ns": 1, "comm": "a", "group": "g",
                "context_switches": { "voluntary": 5, "involuntary": 1 },
                "page_faults": { "minor": 4, "major": 0 },
            }],
        }))
        .unwrap();
        assert_eq!(page.listing().unwrap().rows[0].moves, Moves::Unknown);
        let without: Processes =
            serde_json::from_value(json!({ "version": 1, "processes": [] })).unwrap();
        assert!(without.listing().is_none());
    }
}
