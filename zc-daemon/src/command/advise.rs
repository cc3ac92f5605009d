//! `zc advise`: who relays bytes that it could leave where they are.

mod target;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use zc_common::relay::Unseen;

use self::target::Target;
use super::{sites, verify::outputs};
use crate::{
    cli::Advise,
    engine::advice::{self, Cost, Counted, Least, Verdict, Way},
    host::{self, copying, symbols::Symbols},
    kernel::relays::{Found, Relays, Row},
    shutdown::Shutdown,
    view::{
        advise::{Finding, Moved, NotAdvised, NotSeen, Report, unseen},
        site::Frame,
    },
};

/// Time between two looks.
const STEP: Duration = Duration::from_millis(50);
/// Frames of a stack that are shown.
const FRAMES: usize = 5;

/// Watches until it is time, or asked to end, or the target ends; prints the report.
///
/// # Errors
///
/// If there is no such target, or the kernel refuses the program or what it looks at.
pub async fn run(flags: Advise) -> Result<ExitCode> {
    let mut output = outputs::main(flags.output.as_deref(), !flags.command.is_empty())?;
    host::require_initial_pids()?;
    ensure!(
        host::lockdown().is_none_or(|mode| mode != "confidentiality"),
        "this locked-down kernel lets no program look at memory, so zc cannot tell who relays \
         what; zc advise needs a kernel whose lockdown is none or integrity"
    );
    let shutdown = Shutdown::new()?;
    let mut target = Target::of(&flags)?;
    let relays = Relays::attach()?;
    target.start()?;
    tracing::info!("zc watches {}", target.name());
    let began = Instant::now();
    let mut known = Known::default();
    watch(&mut target, &relays, &mut known, shutdown).await?;
    let seconds = began.elapsed().as_secs_f64();
    let found = relays.read()?;
    known.look(&found, &mut target);
    drop(relays);
    let least = Least { bytes_per_second: flags.least.0, seconds };
    let cost =
        copying::cost().map(|copying::Seconds { cached, uncached }| Cost { cached, uncached });
    let report = known.report(&found, target.name(), (least, cost));
    let text = if flags.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        report.text(flags.all)
    };
    output.write_all(text.as_bytes()).context("the report cannot be written")?;
    Ok(ExitCode::SUCCESS)
}

async fn watch(
    target: &mut Target,
    relays: &Relays,
    known: &mut Known,
    shutdown: Shutdown,
) -> Result<()> {
    let mut requested = std::pin::pin!(shutdown.requested());
    loop {
        known.look(&relays.read()?, target);
        tokio::select! {
            ended = target.ends(STEP) => if ended? { return Ok(()) },
            _ = requested.as_mut() => return target.stop().await,
        }
    }
}

/// What is known of processes that may end meanwhile.
#[derive(Default)]
struct Known {
    members: BTreeSet<u32>,
    names: BTreeMap<u32, String>,
    symbols: Symbols,
}

impl Known {
    /// Looks at those that relay, and at who belongs to the target.
    fn look(&mut self, found: &Found, target: &mut Target) {
        let parents = found.rows.iter().map(|row| (row.process.0, parent(row)));
        self.members = target.members(parents);
        let relays = |row: &&Row| row.ends.0.is_some() && row.ends.1.is_some();
        let pids: BTreeSet<_> = found.rows.iter().filter(relays).map(|row| row.process.0).collect();
        for pid in pids.intersection(&self.members) {
            self.symbols.remember(*pid);
            if let Some((_, name)) = host::process_of(*pid) {
                self.names.insert(*pid, name);
            }
        }
    }

    fn report(
        &self,
        found: &Found,
        target: String,
        (least, cost): (Least, Option<Cost>),
    ) -> Report {
        let counted: Vec<_> = found.rows.iter().map(counted).collect();
        let (mut findings, mut not_advised) = (Vec::new(), Vec::new());
        for way in advice::ways(&counted, &self.members) {
            let row = &found.rows[way.most_at];
            let name = self.names.get(&way.process.0).cloned().unwrap_or_else(|| comm(row));
            match way.verdict(least) {
                Verdict::Advised(remedy, confidence) => {
                    let (advice, frames) = ((remedy, confidence), self.frames(&way, row));
                    findings.push(Finding::new(&way, name, advice, (least.seconds, cost), frames));
                }
                Verdict::Not(why) => {
                    not_advised.push(NotAdvised { moved: Moved::new(&way, name), why });
                }
            }
        }
        Report {
            version: 1,
            kernel: host::kernel_release(),
            target,
            seconds: least.seconds,
            copy_seconds_per_gib: cost.map(Cost::of_a_gib),
            findings,
            not_advised,
            not_seen: self.not_seen(found),
        }
    }

    /// The innermost frames of where it puts most out.
    fn frames(&self, way: &Way, row: &Row) -> Vec<Frame> {
        let frames = sites::user_frames(way.process.0, &row.stack, &self.symbols);
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

fn counted(row: &Row) -> Counted {
    Counted { process: row.process, ends: row.ends, sums: row.sums }
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
