//! What is known of processes that may end meanwhile, and what is said of them.

use std::collections::{BTreeMap, BTreeSet};

use zc_common::relay::Unseen;

use super::{connections::Connections, target::Target};
use crate::{
    command::sites,
    engine::advice::{self, Cost, Counted, Least, Sends, Verdict},
    host::{self, symbols::Symbols},
    kernel::{
        relays::{Found, Row},
        sites::Stack,
    },
    view::{
        advise::{Finding, Moved, NotAdvised, NotSeen, Report, unseen},
        site::Frame,
    },
};

/// Frames of a stack that are shown.
const FRAMES: usize = 5;

/// What is known of processes.
#[derive(Default)]
pub(super) struct Known {
    members: BTreeSet<u32>,
    names: BTreeMap<u32, String>,
    symbols: Symbols,
    connections: Connections,
}

impl Known {
    /// Looks at those that relay, and at who belongs to the target.
    pub(super) fn look(&mut self, found: &Found, target: &mut Target) {
        let parents = found.rows.iter().map(|row| (row.process.0, parent(row)));
        self.members = target.members(parents);
        let relays = |row: &&Row| row.ends.0.is_some() && row.ends.1.is_some();
        let pids: BTreeSet<_> = found.rows.iter().filter(relays).map(|row| row.process.0).collect();
        let senders = self.senders(found);
        for pid in pids.intersection(&self.members).chain(&senders) {
            self.symbols.remember(*pid);
            if let Some((_, name)) = host::process_of(*pid) {
                self.names.insert(*pid, name);
            }
        }
        self.connections.look_in_time(&senders);
    }

    /// Looks where connections lead, of those who send much of their own.
    pub(super) fn look_at_connections(&mut self, found: &Found) {
        self.connections.look(&self.senders(found));
    }

    /// Who sends so that it matters where to.
    fn senders(&self, found: &Found) -> BTreeSet<u32> {
        let counted: Vec<_> = found.rows.iter().map(counted).collect();
        let sends = advice::sends(&counted, &self.members).into_iter();
        sends.filter(Sends::may_be_advised).map(|sends| sends.process.0).collect()
    }

    /// What there is to say of them.
    pub(super) fn report(
        &self,
        found: &Found,
        target: String,
        (least, cost): (Least, Option<Cost>),
    ) -> Report {
        let counted: Vec<_> = found.rows.iter().map(counted).collect();
        let mut said = Said::default();
        for way in advice::ways(&counted, &self.members) {
            let row = &found.rows[way.most_at];
            let moved = Moved::new(&way, self.name(row));
            let small_calls = way.is_small();
            said.say(way.verdict(least), (moved, way.rate(least.seconds)), cost, |finding| {
                Finding { frames: self.frames(row), small_calls, ..finding }
            });
        }
        for sends in advice::sends(&counted, &self.members) {
            let peers = self.connections.of(sends.process.0);
            let Some(verdict) = sends.verdict(peers, least) else { continue };
            let row = &found.rows[sends.most_at];
            let moved = Moved::sent(&sends, peers, self.name(row));
            said.say(verdict, (moved, sends.rate(least.seconds)), cost, |finding| Finding {
                frames: self.frames(row),
                ..finding
            });
        }
        said.findings.sort_by_key(|finding| std::cmp::Reverse(finding.moved.bytes));
        Report {
            version: 1,
            kernel: host::kernel_release(),
            target,
            seconds: least.seconds,
            copy_seconds_per_gib: cost.map(Cost::of_a_gib),
            findings: said.findings,
            not_advised: said.not_advised,
            not_seen: self.not_seen(found),
        }
    }

    /// What a process is called: as it was seen last, or the kernel's programs saw it.
    fn name(&self, row: &Row) -> String {
        self.names.get(&row.process.0).cloned().unwrap_or_else(|| comm(row))
    }

    /// The innermost frames of where it puts most out.
    fn frames(&self, row: &Row) -> Vec<Frame> {
        let frames = sites::user_frames(row.process.0, &row.stack, &self.symbols);
        frames.into_iter().take(FRAMES).map(Frame::new).collect()
    }

    fn not_seen(&self, found: &Found) -> Vec<NotSeen> {
        let own = |row: &&Row| row.ends == (None, None) && self.members.contains(&row.process.0);
        let mut calls = [0; Unseen::COUNT];
        for row in found.rows.iter().filter(own) {
            for (sum, more) in calls.iter_mut().zip(row.sums.unseen()) {
                *sum += more;
            }
        }
        let told = Unseen::ALL.iter().map(|why| NotSeen {
            reason: why.name(),
            calls: calls[why.index()],
            what: unseen(*why),
        });
        let others = [
            ("no_room", found.unplaced, "of whatever process, for which there was no room"),
            ("skipped", found.skipped, "of whatever process, at which the kernel skipped zc"),
        ];
        let others = others.map(|(reason, calls, what)| NotSeen { reason, calls, what });
        told.chain(others).filter(|row| row.calls > 0).collect()
    }
}

/// What is said.
#[derive(Default)]
struct Said {
    findings: Vec<Finding>,
    not_advised: Vec<NotAdvised>,
}

impl Said {
    fn say(
        &mut self,
        verdict: Verdict,
        (moved, rate): (Moved, f64),
        cost: Option<Cost>,
        with: impl FnOnce(Finding) -> Finding,
    ) {
        match verdict {
            Verdict::Advised(remedy, confidence) => {
                self.findings.push(with(Finding::new((moved, rate), (remedy, confidence), cost)));
            }
            Verdict::Not(why) => self.not_advised.push(NotAdvised { moved, why }),
        }
    }
}

fn counted(row: &Row) -> Counted {
    let large = row.stack != Stack::None;
    Counted { process: row.process, ends: row.ends, sums: row.sums, large }
}

/// Who made a process; none stands as 0.
fn parent(row: &Row) -> u32 {
    u32::try_from(row.sums.parent).unwrap_or(0)
}

/// The name of the thread that was first on a row.
fn comm(row: &Row) -> String {
    let bytes: Vec<_> = row.sums.comm.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
