//! Storms of short lives under the daemon, and what it must then show.
//!
//! The truth is what the storm's calls returned, summed by itself, and what the kernel counts
//! of its processes (`getrusage`). By one route, `process_vm`, nothing else on the machine
//! moves bytes, so that all that a storm did by it can be found again in whatever group.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    kernel,
    known::{bounds, number},
    programs::Stage,
    scrape::{Metrics, Rows, difference},
    workload,
};

/// A storm to be.
#[derive(Clone, Copy, Debug)]
pub struct Storm<'a> {
    /// What its processes are called; those that become another program, `NAME-x`.
    pub name: &'a str,
    /// How long it lasts.
    pub seconds: u64,
    /// The most lives a second.
    pub rate: u64,
    /// One in so many becomes another program.
    pub exec_every: u64,
}

/// One that rages.
#[derive(Debug)]
pub struct Raging {
    name: String,
    child: Child,
}

/// One that is over, and what it did.
#[derive(Debug)]
pub struct Done {
    name: String,
    report: String,
    /// How many lives there were.
    pub lives: u64,
    /// How many became another program.
    pub execs: u64,
}

/// What a storm without a life shows, and a program that does nothing.
#[derive(Debug)]
pub struct Calm;

/// The most that a life moves by one call.
const MOST: usize = 4096;
/// Switches that a storm does not count, besides the last one of each life, which its parent
/// need not await: from its start to its first look, and as it prints and ends.
const UNAWAITED: u64 = 100;

const MOVED: &str = "zc_transferred_bytes_total";
const CALLS: &str = "zc_transfers_total";
const COPIED: &str = "zc_copied_bytes_total";
const SWITCHES: &str = "zc_context_switches_total";
const LOST: &str = "zc_lost_total";

/// Why what a thread does is booked to `other`, why its switches are not booked, and why it
/// has no slot.
pub const NO_SLOT: &str = "no_slot";
/// See [`NO_SLOT`].
pub const NO_SLOT_SWITCH: &str = "no_slot_switch";
/// See [`NO_SLOT`].
pub const PID_RANGE: &str = "pid_range";

/// What a life does: the route, and the far end.
const WAYS: [[&str; 2]; 3] = [["read", "file"], ["write", "other"], ["process_vm", "other"]];
/// The one that nobody else uses.
const OWN: &str = "process_vm";

impl Storm<'_> {
    /// Lets it loose.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(self, stage: &Stage) -> Result<Raging> {
        let data = stage.path().join("data");
        if !data.exists() {
            fs::write(data, [7; MOST])?;
        }
        let program = exec_name(self.name);
        stage.workload(&program)?;
        let mut command = stage.workload(self.name)?;
        command.args(["storm", "--seconds", &self.seconds.to_string()]);
        command.args(["--rate", &self.rate.to_string(), "--exec-every"]);
        command.args([&self.exec_every.to_string(), "--program"]).arg(stage.path().join(program));
        command.arg("--dir").arg(stage.path());
        let child = command.stdout(Stdio::piped()).spawn().context("cannot start a storm")?;
        Ok(Raging { name: self.name.to_owned(), child })
    }

    /// Lets it loose, and waits for its end.
    ///
    /// # Errors
    ///
    /// As [`Self::start`] and [`Raging::end`].
    pub fn run(self, stage: &Stage) -> Result<Done> {
        self.start(stage)?.end()
    }
}

fn exec_name(name: &str) -> String {
    format!("{name}-x")
}

impl Raging {
    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// If it failed.
    pub fn end(self) -> Result<Done> {
        let output = self.child.wait_with_output()?;
        ensure!(output.status.success(), "a storm ended with {}", output.status);
        let report = String::from_utf8(output.stdout)?;
        let (lives, execs) = (number(&report, "lives"), number(&report, "execs"));
        Ok(Done { name: self.name, report, lives, execs })
    }
}

impl Calm {
    const NAME: &'static str = "calm";

    /// Has nothing done under the daemon that is to be held to storms.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub fn run(stage: &Stage) -> Result<Self> {
        Storm { name: Self::NAME, seconds: 0, rate: 1, exec_every: 1 }.run(stage)?;
        let mut nothing: Command = stage.workload(&exec_name(Self::NAME))?;
        nothing.args(["write-null", "run", "--repeat", "0", "--dir", "."]);
        ensure!(nothing.status()?.success(), "a program that does nothing failed");
        Ok(Self)
    }
}

impl Done {
    /// How many lives there were a second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.lives * 1000 / number(&self.report, "milliseconds").max(1)
    }

    /// What it did by a route: bytes and calls.
    fn did(&self, route: &str) -> [u64; 2] {
        ["moved", "calls"].map(|word| {
            let known = bounds(&self.report, word);
            known.get([route.to_owned()].as_slice()).map_or(0, |sum| sum.least)
        })
    }

    /// Nothing was lost meanwhile, and all that it did stands in its own groups.
    ///
    /// # Errors
    ///
    /// If it is not so, or that cannot be told.
    pub fn is_all_by_name(&self, calm: &Calm, before: &Metrics, after: &Metrics) -> Result<()> {
        for reason in [NO_SLOT, NO_SLOT_SWITCH, PID_RANGE] {
            let lost = lost(after, reason)? - lost(before, reason)?;
            ensure!(lost == 0, "{}: lost {lost} for {reason}", self.name);
        }
        self.is_booked_by_name(after, calm)?;
        self.has_its_switches(after, 0)?;
        ensure!(self.is_booked(before, after)? == 0, "{}: some is in other", self.name);
        Ok(())
    }

    /// All that it did stands in its own groups, to the byte; from 7.0, but for what the
    /// kernel skipped and zc says so.
    fn is_booked_by_name(&self, metrics: &Metrics, _: &Calm) -> Result<()> {
        let missed = skipped(metrics)?;
        let shown = |family, group: &str, [route, end]: [&str; 2]| -> Result<u64> {
            let rows = metrics.group(family, group, &["route", "endpoint"])?;
            Ok(rows.get([route, end].map(str::to_owned).as_slice()).copied().unwrap_or(0))
        };
        for way in WAYS {
            let more = |family| -> Result<u64> {
                Ok(shown(family, &self.name, way)? - shown(family, Calm::NAME, way)?)
            };
            check(&format!("{way:?}"), [more(MOVED)?, more(CALLS)?], self.did(way[0]), missed)?;
        }
        let (program, nothing) = (exec_name(&self.name), exec_name(Calm::NAME));
        let way = ["write", "other"];
        let more = |family| -> Result<u64> {
            Ok(shown(family, &program, way)? - self.execs * shown(family, &nothing, way)?)
        };
        let known = [self.execs * workload::Storm::EXEC_BYTES, self.execs];
        check("what became another program", [more(MOVED)?, more(CALLS)?], known, missed)
    }

    /// All that it did stands in some group, to the byte; what not in its own, was counted:
    /// so many calls were booked to `other`.
    ///
    /// # Errors
    ///
    /// If it does not, or that cannot be told.
    pub fn is_booked(&self, before: &Metrics, after: &Metrics) -> Result<u64> {
        is_moved_somewhere(self.did(OWN), before, after)
    }

    /// Each switch of its processes was booked to its groups, or is among `lost`.
    ///
    /// # Errors
    ///
    /// If one is not, or stands there twice.
    pub fn has_its_switches(&self, metrics: &Metrics, lost: u64) -> Result<()> {
        let mut booked = 0;
        for group in [&self.name, &exec_name(&self.name)] {
            booked += metrics.group(SWITCHES, group, &["type"])?.values().sum::<u64>();
        }
        let least = number(&self.report, "switches");
        let most = least + self.lives + UNAWAITED;
        let told = format!("{booked} switches booked, {lost} lost, of {least} to {most}");
        eprintln!("{}: {told}", self.name);
        ensure!(least <= booked + lost && booked <= most, "{told}");
        Ok(())
    }
}

/// So many bytes and calls by `OWN` stand in all groups together, and the bytes were copied
/// once; how many of the calls in `other`.
///
/// # Errors
///
/// If they do not.
pub fn is_moved_somewhere(known: [u64; 2], before: &Metrics, after: &Metrics) -> Result<u64> {
    let rows = |family| -> Result<Rows> {
        let rows = |metrics: &Metrics| metrics.rows(family, ("route", OWN), &BY);
        Ok(difference(&rows(after)?, &rows(before)?))
    };
    let sum = |family| -> Result<u64> { Ok(rows(family)?.values().sum()) };
    let missed = skipped(after)?;
    check("by all groups", [sum(MOVED)?, sum(CALLS)?], known, missed)?;
    check("copied", [sum(COPIED)?, known[1]], known, missed)?;
    let calls = rows(CALLS)?;
    Ok(calls.iter().filter(|(key, _)| key[0] == "other").map(|(_, count)| count).sum())
}

/// The labels by which no two series are summed.
const BY: [&str; 4] = ["group", "endpoint", "direction", "quality"];

/// Bytes and calls are what is known; if the kernel skipped programs, no more, and less by no
/// more than what they can have missed.
fn check(what: &str, shown: [u64; 2], known: [u64; 2], missed: u64) -> Result<()> {
    let least = [known[0].saturating_sub(missed * MOST as u64), known[1].saturating_sub(missed)];
    let within = (0..2).all(|n| (least[n]..=known[n]).contains(&shown[n]));
    ensure!(within, "{what}: {shown:?} bytes and calls instead of {known:?}, {missed} skipped");
    Ok(())
}

/// How often the kernel skipped a program that counts calls or switches: those on tracepoints
/// it does not skip before 7.0, those on functions it may.
fn skipped(metrics: &Metrics) -> Result<u64> {
    let skipped = lost(metrics, "recursion")?;
    let may_be = kernel::version() >= (7, 0) || kernel::hooks_functions();
    ensure!(skipped == 0 || may_be, "{skipped} skipped of tracepoints before 7.0");
    Ok(skipped)
}

/// What zc says it lost for a reason.
///
/// # Errors
///
/// If it does not say.
pub fn lost(metrics: &Metrics, reason: &str) -> Result<u64> {
    metrics.value(LOST, ("reason", reason))
}
