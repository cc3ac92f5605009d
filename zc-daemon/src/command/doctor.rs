//! `zc doctor`: what can be attached here, and what not, and why.

use std::{io::Write as _, process::ExitCode, time::Duration};

use anyhow::Result;
use zc_common::flow::Route;

use super::{
    attach_cheaply,
    books::Books,
    coverage::{coverage, measured},
    hook_of, self_test,
};
use crate::{
    cli::Doctor,
    engine::{coverage::Coverage, tree::Root},
    host,
    kernel::{
        capabilities,
        loader::{Attachment, Kernel},
        meter::{self, Meter},
        sizes::Kept,
    },
    view::doctor::{self, Cost, Finding, Refusal, Report, Spent},
};

/// Prints the report; 0 if everything is attached, 1 if something is not.
///
/// # Errors
///
/// If nothing can be attached at all.
pub fn run(flags: &Doctor) -> Result<ExitCode> {
    let kernel = attach_cheaply(flags.mode_switches, Kept::default(), flags.attach)?;
    let mut report = report(&kernel);
    report.advice.extend(capabilities::missing()?.into_iter().map(str::to_owned));
    match cost(&kernel) {
        Ok(cost) => report.cost = Some(cost),
        Err(error) => report.without_cost = Some(format!("{error:#}")),
    }
    if flags.self_test {
        let mut books = Books::open(kernel, Root::Process(0))?;
        let (tested, found) = self_test::run(&mut books, self_test::breakpoints(), |_| true)?;
        report.self_test = Some(tested);
        report.route_coverage = shown(&coverage(&books.kernel.attachments, &found));
    }
    let text = if flags.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        doctor::text(&report)
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(if report.is_healthy() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn report(kernel: &Kernel) -> Report {
    let mut advice = Vec::new();
    if !kernel.reads_kernel {
        advice.push(
            "the kernel is locked down (confidentiality): programs may not read its memory, so \
             endpoints are \"unknown\"; boot with lockdown=integrity or none to have them"
                .to_owned(),
        );
    }
    Report {
        version: 1,
        kernel: host::kernel_release(),
        lockdown: host::lockdown(),
        reads_kernel_memory: kernel.reads_kernel,
        probes: kernel.attachments.iter().map(finding).collect(),
        measured_routes: measured(&kernel.attachments).map(Route::name).collect(),
        route_coverage: shown(&coverage(&kernel.attachments, &Vec::new())),
        cost: None,
        without_cost: None,
        self_test: None,
        advice,
    }
}

/// What the programs take of the machine as it is, for a second.
fn cost(kernel: &Kernel) -> Result<Cost> {
    const STEP: Duration = Duration::from_millis(50);
    let mut meter = Meter::new(Meter::SELDOM, meter::asking());
    let taken = loop {
        if let Some(taken) = meter.look(|| kernel.infos())? {
            break taken.clone();
        }
        std::thread::sleep(STEP);
    };
    let mut programs: Vec<_> = taken
        .programs
        .iter()
        .map(|(name, share)| {
            let (ran, runs) = meter.of(name);
            let (program, probes) = (name.clone(), probes_of(kernel, name));
            Spent { program, probes, runs, run_seconds: ran.as_secs_f64(), share: *share }
        })
        .filter(|spent| spent.runs > 0)
        .collect();
    programs.sort_by(|one, other| other.share.total_cmp(&one.share));
    let share = taken.programs.values().sum();
    Ok(Cost { seconds: meter.timed().as_secs_f64(), share, programs })
}

/// The probes that a program is for.
fn probes_of(kernel: &Kernel, program: &str) -> Vec<&'static str> {
    let uses = |attachment: &&Attachment| {
        let programs = attachment.hook.map(|rung| rung.programs()).unwrap_or_default();
        programs.iter().any(|of| of.name == program)
    };
    kernel.attachments.iter().filter(uses).map(|attachment| attachment.probe.name).collect()
}

fn shown(coverage: &[(Route, Coverage)]) -> Vec<(&'static str, &'static str)> {
    coverage.iter().map(|(route, coverage)| (route.name(), coverage.name())).collect()
}

fn finding(attachment: &Attachment) -> Finding {
    let down = attachment.hook.is_none() && !attachment.is_missing() && !attachment.is_unwanted();
    let refused = attachment
        .refused
        .iter()
        .map(|(hook, reason)| Refusal { hook: hook.to_string(), reason: reason.clone() });
    Finding {
        probe: attachment.probe.name.to_owned(),
        measures: attachment.probe.measures.to_owned(),
        blind_to: attachment.probe.blind_to.to_owned(),
        hook: hook_of(attachment),
        refused: refused.collect(),
        missing: attachment.is_missing(),
        unwanted: attachment.is_unwanted(),
        advice: down.then(|| advise(attachment)),
    }
}

/// What the user can do, by what the kernel answered.
fn advise(attachment: &Attachment) -> String {
    let reasons: Vec<_> = attachment.refused.iter().map(|(_, why)| why.as_str()).collect();
    let said = |what: &str| reasons.iter().any(|reason| reason.contains(what));
    let refused = said("Operation not permitted") || said("without kprobes");
    if refused && attachment.probe.sees_copies() {
        "this kernel refuses programs on functions (hardened hosts do): copies are inferred from \
         system calls instead of measured; to measure them, boot a stock kernel"
            .to_owned()
    } else if said("Operation not permitted") && attachment.probe.is_on_functions() {
        "this kernel refuses programs on functions (hardened hosts do); to have it, boot a stock \
         kernel"
            .to_owned()
    } else if said("Operation not permitted") {
        "run as root, or with CAP_BPF and CAP_PERFMON; if that is so, the kernel is locked down \
         (see /sys/kernel/security/lockdown)"
            .to_owned()
    } else if said("no tracepoint") {
        "this kernel was built without it (for io_uring: CONFIG_IO_URING)".to_owned()
    } else if said("other arguments") || said("not see all") {
        "nothing short of another kernel; every other probe works as usual".to_owned()
    } else {
        "please report this with the kernel's version and the lines above".to_owned()
    }
}
