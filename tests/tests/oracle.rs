//! Every case of the workload against the metrics: byte for byte, call for call,
//! and no row that was not expected.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result, bail, ensure};
use libtest_mimic::{Arguments, Trial};
use zc_tests::{
    daemon::Daemon,
    kernel,
    programs::Stage,
    scrape::{Metrics, Rows, difference},
    workload::{CASES, Case, EXEC_TWICE_SECOND_PROGRAM, Expected, Params},
};

/// Bytes and chunk: whole pages, and sizes that nothing is a multiple of.
const SIZES: &[(u64, u64)] = &[(1 << 20, 1 << 16), (300_007, 4093)];

/// What a case that the kernel cannot run exits with.
const CANNOT_RUN: i32 = 77;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One at a time: the workloads share a daemon, and the machine its CPUs.
    arguments.test_threads = Some(1);
    let daemon = if arguments.list { None } else { Some(Arc::new(Daemon::start())) };
    let trials = CASES.iter().enumerate().flat_map(|(number, case)| {
        let daemon = daemon.clone();
        SIZES.iter().enumerate().map(move |(size, (bytes, chunk))| {
            let daemon = daemon.clone();
            let prefix = format!("{number}{}", if size == 0 { "a" } else { "b" });
            Trial::test(format!("{}::{bytes}_by_{chunk}", case.name), move || {
                let daemon = daemon.as_deref().ok_or("no daemon")?;
                let daemon = daemon.as_ref().map_err(|error| format!("{error:#}"))?;
                check(daemon, case, &prefix, (*bytes, *chunk))
                    .map_err(|error| format!("{error:#}").into())
            })
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn check(daemon: &Daemon, case: &Case, prefix: &str, (bytes, chunk): (u64, u64)) -> Result<()> {
    let shares = case.name.starts_with("reflink-");
    let stage = if shares { Stage::sharing_blocks()? } else { Stage::new()? };
    let params = Params { bytes, chunk, dir: stage.path().to_owned() };
    let (null, real) = (format!("{prefix}-null"), format!("{prefix}-run"));
    let second = format!("{prefix}-second");
    let start = |name: &str, action: &str, repeat: &str| -> Result<i32> {
        let mut command = stage.workload(name)?;
        command.args([case.name, action, "--repeat", repeat, "--dir"]).arg(&params.dir);
        command.args(["--bytes", &bytes.to_string(), "--chunk", &chunk.to_string()]);
        command.env(EXEC_TWICE_SECOND_PROGRAM, stage.workload(&second)?.get_program());
        let ended = command.output().context("cannot start the workload")?;
        let code =
            ended.status.code().with_context(|| format!("it ended with {}", ended.status))?;
        let said = String::from_utf8_lossy(&ended.stderr);
        ensure!(code == 0 || code == CANNOT_RUN, "{name} failed: {said}");
        if code == CANNOT_RUN {
            eprintln!("{}: {said}", case.name);
        }
        Ok(code)
    };
    start(&format!("{prefix}-prepare"), "prepare", "1")?;
    let missed = daemon.missed()?;
    start(&null, "run", "0")?;
    let cannot = start(&real, "run", "1")? == CANNOT_RUN;
    let must = kernel::runs(case.name, &params.dir);
    ensure!(cannot != must, "it cannot run: {cannot}, but on this kernel it must: {must}");
    if cannot {
        return Ok(());
    }
    let metrics = daemon.metrics()?;
    let expected = shown((case.expected)(&params));
    let missed = daemon.missed()? - missed;
    if case.name == "exec-twice" {
        compare(&metrics, &null, &second, &expected, missed).context("the second program")?;
    }
    compare(&metrics, &null, &real, &expected, missed)
}

/// What zc can show of it on this kernel: no rings before 5.19.
fn shown(mut expected: Expected) -> Expected {
    if !kernel::shows_rings() {
        expected.moved.retain(|row| row.route != "io_uring");
        expected.copied.retain(|row| row.route != "io_uring");
        expected.unknown.retain(|row| row.route != "io_uring");
    }
    expected
}

/// Compares exactly; where the kernel skipped `missed` runs of a program, and zc
/// says so, up to as many calls may be missing, and no byte may be too much.
fn compare(
    metrics: &Metrics,
    null: &str,
    real: &str,
    expected: &Expected,
    missed: u64,
) -> Result<()> {
    let mut wrong = Vec::new();
    let mut family = |name: &str, by: &[&str], expected: Rows| -> Result<()> {
        let start_up = metrics.group(name, null, by)?;
        let shown = difference(&metrics.group(name, real, by)?, &start_up);
        let calls = name == "zc_transfers_total" || name == "zc_copies_total";
        let most = if calls { missed } else { u64::MAX };
        if shown != expected && !(missed > 0 && falls_short(&shown, &expected, most)) {
            wrong.push(format!("{name}: shown {shown:?}, expected {expected:?}"));
        }
        Ok(())
    };
    let key = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let moved = |value: fn(&zc_tests::workload::Moved) -> u64| -> Rows {
        expected.moved.iter().map(|r| (key(&[r.route, r.endpoint]), value(r))).collect()
    };
    let copied = |value: fn(&zc_tests::workload::Copied) -> u64| -> Rows {
        let key = |r: &zc_tests::workload::Copied| key(&[r.route, r.direction, "inferred"]);
        expected.copied.iter().map(|r| (key(r), value(r))).collect()
    };
    let unknown: Rows =
        expected.unknown.iter().map(|r| (key(&[r.route, r.endpoint]), r.bytes)).collect();
    let (far, quality) = (["route", "endpoint"], ["route", "direction", "quality"]);
    family("zc_transferred_bytes_total", &far, moved(|row| row.bytes))?;
    family("zc_transfers_total", &far, moved(|row| row.calls))?;
    family("zc_copied_bytes_total", &quality, copied(|row| row.bytes))?;
    family("zc_copies_total", &quality, copied(|row| row.copies))?;
    family("zc_copy_unknown_bytes_total", &far, unknown)?;
    if wrong.is_empty() { Ok(()) } else { bail!("{}", wrong.join("\n")) }
}

/// Whether no row is above what is expected, and all together at most `most` below.
fn falls_short(shown: &Rows, expected: &Rows, most: u64) -> bool {
    let row = |rows: &Rows, key: &Vec<String>| rows.get(key).copied().unwrap_or(0);
    let missing: u64 =
        expected.iter().map(|(key, value)| value.saturating_sub(row(shown, key))).sum();
    missing <= most && shown.iter().all(|(key, value)| *value <= row(expected, key))
}
