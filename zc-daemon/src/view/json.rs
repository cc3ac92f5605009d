//! `/api/v1/processes`: every process that lives, with its totals.

use serde::Serialize;
use zc_common::{
    counter::{Counter, Fault, Switch, Tally},
    syscall::Class,
};

use crate::engine::{
    snapshot::{Process, Snapshot},
    summary::{self, Copies},
};

/// Which probes are down: what they measure is left out, as it is unknown, not
/// zero.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Their names.
    pub down: Vec<&'static str>,
    /// Which copies are shown.
    pub copies: Copies,
}

impl Coverage {
    fn has(&self, probe: &str) -> bool {
        !self.down.contains(&probe)
    }
}

/// The whole answer.
#[derive(Serialize)]
pub struct Processes {
    /// The version of this format.
    version: u32,
    /// The probes that are down: what they measure is in no row.
    unmeasured: Vec<&'static str>,
    /// Every process, by pid.
    processes: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    pid: u32,
    start_ns: u64,
    comm: String,
    threads: u32,
    transferred: Option<Vec<Transferred>>,
    copied: Option<Vec<Copied>>,
    copy_unknown: Option<Vec<Transferred>>,
    moved: Option<Vec<Moved>>,
    fallback: Option<Vec<Fallback>>,
    syscalls: Option<serde_json::Map<String, serde_json::Value>>,
    mode_switches: Option<u64>,
    context_switches: Switches,
    page_faults: Faults,
}

#[derive(Serialize)]
struct Transferred {
    route: &'static str,
    endpoint: &'static str,
    bytes: u64,
    calls: u64,
}

#[derive(Serialize)]
struct Copied {
    route: &'static str,
    direction: &'static str,
    quality: &'static str,
    bytes: u64,
    copies: u64,
}

#[derive(Serialize)]
struct Moved {
    route: &'static str,
    bytes: u64,
}

#[derive(Serialize)]
struct Fallback {
    route: &'static str,
    reason: &'static str,
    bytes: u64,
}

#[derive(Serialize)]
struct Switches {
    voluntary: u64,
    involuntary: u64,
}

#[derive(Serialize)]
struct Faults {
    minor: u64,
    major: u64,
    by_backing: Option<Vec<Backed>>,
}

#[derive(Serialize)]
struct Backed {
    r#type: &'static str,
    backing: &'static str,
    faults: u64,
}

/// All processes of a snapshot.
#[must_use]
pub fn processes(snapshot: &Snapshot, coverage: &Coverage) -> Processes {
    let rows = snapshot.processes.iter().map(|process| row(process, coverage));
    Processes { version: 1, unmeasured: coverage.down.clone(), processes: rows.collect() }
}

fn row(process: &Process, coverage: &Coverage) -> Row {
    let tally = &process.tally;
    let calls: u64 = Class::ALL.iter().map(|class| tally[Counter::syscalls(*class)]).sum();
    let (moves, calls_known) = (coverage.has("transfers"), coverage.has("syscalls"));
    Row {
        pid: process.key.tgid,
        start_ns: process.key.start,
        comm: process.name.clone(),
        threads: process.threads,
        transferred: moves.then(|| transferred(summary::transferred(tally))),
        copied: moves.then(|| copied(tally, coverage.copies)),
        copy_unknown: moves.then(|| transferred(summary::unknown(tally))),
        moved: moves.then(|| moved(tally)),
        fallback: moves.then(|| fallbacks(tally)),
        syscalls: calls_known.then(|| syscalls(tally)),
        mode_switches: calls_known.then_some(2 * calls),
        context_switches: Switches {
            voluntary: tally[Counter::switches(Switch::Voluntary)],
            involuntary: tally[Counter::switches(Switch::Involuntary)],
        },
        page_faults: Faults {
            minor: tally[Counter::faults(Fault::Minor)],
            major: tally[Counter::faults(Fault::Major)],
            by_backing: coverage.has("page_fault_backing").then(|| backed(tally)),
        },
    }
}

fn transferred(rows: Vec<summary::Transferred>) -> Vec<Transferred> {
    rows.into_iter()
        .map(|row| Transferred {
            route: row.route.name(),
            endpoint: row.endpoint.name(),
            bytes: row.amount.bytes,
            calls: row.amount.calls,
        })
        .collect()
}

fn copied(tally: &Tally, copies: Copies) -> Vec<Copied> {
    summary::copied(tally, copies)
        .into_iter()
        .map(|row| Copied {
            route: row.route.name(),
            direction: row.direction.name(),
            quality: row.quality.name(),
            bytes: row.amount.bytes,
            copies: row.amount.calls,
        })
        .collect()
}

fn moved(tally: &Tally) -> Vec<Moved> {
    summary::moved(tally).map(|(route, bytes)| Moved { route: route.name(), bytes }).collect()
}

fn fallbacks(tally: &Tally) -> Vec<Fallback> {
    summary::fallbacks(tally)
        .map(|(route, reason, bytes)| Fallback {
            route: route.name(),
            reason: reason.name(),
            bytes,
        })
        .collect()
}

fn backed(tally: &Tally) -> Vec<Backed> {
    summary::backed_faults(tally)
        .map(|(fault, backing, faults)| Backed {
            r#type: fault.name(),
            backing: backing.name(),
            faults,
        })
        .collect()
}

fn syscalls(tally: &Tally) -> serde_json::Map<String, serde_json::Value> {
    Class::ALL
        .iter()
        .map(|class| (class.name(), tally[Counter::syscalls(*class)]))
        .filter(|(_, calls)| *calls > 0)
        .map(|(name, calls)| (name.to_owned(), calls.into()))
        .collect()
}
