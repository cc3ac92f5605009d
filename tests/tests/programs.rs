//! Real programs under `zc verify`: verdict, reason, and copies per byte, to one percent of
//! what is known.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use libtest_mimic::{Arguments, Trial};
use zc_common::fallback::Reason;
use zc_tests::{
    kernel,
    programs::Stage,
    real::{
        CASES, Case,
        case::Amount,
        report::Copies,
        scene::{Judged, Scene},
    },
    verify::Verified,
};

/// Percent of a file, or of a copy for each byte, by which zc may be off: what a program
/// reads and says beside the file.
const TOLERANCE: u32 = 1;

/// The same where zc missed something.
const MISSED: u32 = 10;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One at a time: they share the machine's CPUs.
    arguments.test_threads = Some(1);
    let trials = CASES.iter().map(|case| {
        let trial =
            Trial::test(case.name, || check(case).map_err(|error| format!("{error:#}").into()));
        // One without a place for its files fails, and says so.
        trial.with_ignored_flag(!can_run(case).unwrap_or(true))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Whether the files of a case are where it is about: with blocks that can be shared, or
/// without. That they are shared only probes on functions see.
fn can_run(case: &Case) -> Result<bool> {
    let stage = Stage::on_disk(case.name)?;
    Ok(match case.name {
        "cp" => !kernel::may_share_blocks(stage.path()),
        "reflink-cp" => kernel::hooks_functions() && kernel::runs(case.name, stage.path()),
        _ => true,
    })
}

/// How often a case is judged until zc missed nothing meanwhile: twice, as each is dear.
const ATTEMPTS: u32 = 2;

fn check(case: &'static Case) -> Result<()> {
    let scene = Scene::new(case)?;
    let measured = kernel::hooks_functions();
    let (flags, quality): (&[_], _) =
        if measured { (&[], "measured") } else { (&["--allow-inferred"], "inferred") };
    if !measured {
        told(&scene.judge(&[])?.verified, "cannot_tell")?;
    }
    let mut judged = scene.judge(flags)?;
    for _ in 1..ATTEMPTS {
        if judged.verified.lost() == Some(0) {
            break;
        }
        judged = scene.judge(flags)?;
    }
    compare(case, &scene, &judged, quality)
}

/// Holds a report to the row of its case. Where zc missed something, and says so, bytes may
/// be missing, and what is within the policy may not be known to be.
fn compare(case: &Case, scene: &Scene, judged: &Judged, quality: &str) -> Result<()> {
    let report = &judged.verified;
    ensure!(report.command()["exit_code"] == 0, "it failed: {}", report.text());
    let missed = report.lost() != Some(0);
    let tolerance = if missed { MISSED } else { TOLERANCE };
    let near =
        |shown: u64, known: u64| shown.abs_diff(known) <= judged.file * u64::from(tolerance) / 100;
    let sure = near(report.unknown()?, 0);
    let (least, most) = report.copies_per_byte()?;
    let share = f64::from(tolerance) / 100.0;
    let within = case.per_byte - least <= share && most - case.per_byte <= share;
    ensure!(!sure || within, "{least} to {most} for a byte: {}", report.text());
    if !sure && quality == "inferred" && !kernel::is_textbook(scene.folder()) {
        return told(report, "cannot_tell");
    }
    ensure!(sure, "it is not known what it copied: {}", report.text());
    let (mut shown, known) = (report.copied()?, expected(case, judged, quality));
    // Pages of libraries that are relocated, and what the driver of a disk copies in guests
    // that have it do so: neither is input or output of the program.
    shown.retain(|[route, ..], _| route != "fault" && route != "bounce");
    for key in shown.keys().chain(known.keys()) {
        let [shown, known] = [&shown, &known].map(|rows| rows.get(key).copied().unwrap_or(0));
        ensure!(near(shown, known), "{shown} bytes of {key:?}, not {known}: {}", report.text());
    }
    let reason = report.reason(judged.file * u64::from(tolerance) / 100);
    let needs_probes = |code: &&str| Reason::ALL.iter().any(|reason| reason.name() == *code);
    let known = case.reason.filter(|code| quality == "measured" || !needs_probes(code));
    ensure!(reason == known, "{reason:?}, not {known:?}: {}", report.text());
    if let Some(hint) = case.hint.filter(|_| known.is_some()) {
        ensure!(report.hints_at(hint), "no hint says {hint}: {}", report.text());
    }
    let blind = missed && report.verdict() == "cannot_tell" && case.verdict == "pass";
    told(report, if blind { "cannot_tell" } else { case.verdict })
}

/// What must be copied, all of this quality.
fn expected(case: &Case, judged: &Judged, quality: &str) -> Copies {
    let rows = case.copied.iter().map(|row| {
        let start = if row.route == "read" { case.start } else { 0 };
        let bytes = match row.amount {
            Amount::File(times) => times * judged.file + start,
            Amount::Wire => judged.wire,
        };
        ([row.route, row.direction, quality].map(str::to_owned), bytes)
    });
    rows.collect()
}

/// Whether zc says so, and its status too.
fn told(report: &Verified, verdict: &str) -> Result<()> {
    let code = ["pass", "broken", "cannot_tell"].iter().position(|name| *name == verdict);
    let said = (report.verdict(), report.code.and_then(|code| usize::try_from(code).ok()));
    ensure!(said == (verdict, code), "{said:?}, not {verdict}: {}", report.text());
    Ok(())
}
