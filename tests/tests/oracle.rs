//! Every case of the workload against the metrics: byte for byte, call for call,
//! and no row that was not expected.

use std::{env, fs::OpenOptions, io::Write as _, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result, bail, ensure};
use libtest_mimic::{Arguments, Trial};
use zc_tests::{
    daemon::Daemon,
    kernel,
    programs::Stage,
    scrape::{Metrics, Rows, difference},
    workload::{CASES, Case, Copied, EXEC_TWICE_SECOND_PROGRAM, Expected, Fallback, Moved, Params},
};

/// Bytes and chunk: whole pages, and sizes that nothing is a multiple of.
const SIZES: &[(u64, u64)] = &[(1 << 20, 1 << 16), (300_007, 4093)];

/// What a case that the kernel cannot run exits with.
const CANNOT_RUN: i32 = 77;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One at a time: the workloads share a daemon, and the machine its CPUs.
    arguments.test_threads = Some(1);
    let daemon = if arguments.list {
        None
    } else {
        Some(Arc::new(Daemon::start_with(&["--max-groups", "2000", "--copies", "both"])))
    };
    let trials = chosen().flat_map(|(number, case)| {
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

/// The cases and their numbers: those that `ZC_CASES` names, or all.
///
/// # Panics
///
/// If it names one that there is not.
fn chosen() -> impl Iterator<Item = (usize, &'static Case)> {
    let wanted = env::var("ZC_CASES").ok();
    let wanted: Option<Vec<_>> = wanted.as_ref().map(|names| names.split(',').collect());
    for name in wanted.iter().flatten() {
        assert!(CASES.iter().any(|case| case.name == *name), "there is no case {name}");
    }
    let is_wanted = |case: &Case| wanted.as_ref().is_none_or(|names| names.contains(&case.name));
    let chosen: Vec<_> = CASES.iter().enumerate().filter(|(_, case)| is_wanted(case)).collect();
    chosen.into_iter()
}

/// How often a case is run until no program was skipped meanwhile; the last one counts in any case.
const ATTEMPTS: u32 = 6;

fn check(daemon: &Daemon, case: &Case, prefix: &str, size: (u64, u64)) -> Result<()> {
    for attempt in 1..=ATTEMPTS {
        let last = attempt == ATTEMPTS;
        if run(daemon, case, &format!("{prefix}{attempt}"), size, last)? == 0 {
            break;
        }
    }
    Ok(())
}

/// Runs a case and compares; how many runs of programs the kernel skipped meanwhile.
fn run(
    daemon: &Daemon,
    case: &Case,
    prefix: &str,
    (bytes, chunk): (u64, u64),
    last: bool,
) -> Result<u64> {
    let stage = Stage::of_case(case.name)?;
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
    let missed = || Ok::<_, anyhow::Error>(daemon.missed()? + daemon.missed_copies()?);
    let before = missed()?;
    start(&null, "run", "0")?;
    let null_missed = missed()? - before;
    let cannot = start(&real, "run", "1")? == CANNOT_RUN;
    let must = kernel::runs(case.name, &params.dir);
    ensure!(cannot != must, "it cannot run: {cannot}, but on this kernel it must: {must}");
    if cannot {
        note(case.name, "- - cannot -")?;
        return Ok(0);
    }
    let metrics = daemon.metrics()?;
    let expected = shown(in_truth_here(case, (case.expected)(&params)));
    let missed = missed()? - before;
    if null_missed > 0 && !last {
        // What was missed of its start-up is left of the real run's, which is no longer too little.
        return Ok(missed);
    }
    if case.name == "exec-twice" {
        compare(&metrics, &null, &second, &expected, missed).context("the second program")?;
    }
    compare(&metrics, &null, &real, &expected, missed)?;
    if missed == 0 || last {
        note_cells(&metrics, &null, &real, case, &params)?;
    }
    Ok(missed)
}

/// Appends a cell of the table of kernels to the file that `ZC_CELLS` names, if any.
fn note(case: &str, cell: &str) -> Result<()> {
    let Some(path) = env::var_os("ZC_CELLS") else { return Ok(()) };
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(file, "cell {case} {cell}").context("cannot note a cell")
}

/// Notes what was measured of each copy that the case makes, and what it is.
fn note_cells(
    metrics: &Metrics,
    null: &str,
    real: &str,
    case: &Case,
    params: &Params,
) -> Result<()> {
    let here = in_truth_here(case, (case.expected)(params));
    let (truth, slack) = (here.measured, here.slack);
    if truth.is_empty() && here.unhooked.is_empty() {
        return note(case.name, "- - none -");
    }
    let visible = shown(in_truth_here(case, (case.expected)(params))).measured;
    let by = ["route", "direction", "quality"];
    let family = "zc_copied_bytes_total";
    let measured =
        difference(&metrics.group(family, real, &by)?, &metrics.group(family, null, &by)?);
    for row in &truth {
        let key = [row.route, row.direction, "measured"].map(str::to_owned);
        let known = measured.get(key.as_slice()).copied().unwrap_or(0);
        let cell = if !visible.contains(row) {
            "unknown -".to_owned()
        } else if row.route == "fault" && known.abs_diff(row.bytes) <= START_UP + slack {
            // To the pages that come by chance.
            format!("{0} {0}", row.bytes)
        } else {
            format!("{known} {}", row.bytes)
        };
        note(case.name, &format!("{} {} {cell}", row.route, row.direction))?;
    }
    for row in &here.unhooked {
        // Of the same copies it stands for all, where a part was measured.
        note(case.name, &format!("{} {} inferred -", row.route, row.direction))?;
    }
    Ok(())
}

/// What is so on this kernel, beside what the case says: before 5.12 a sendfile writes
/// into a pipe instead of linking pages.
fn in_truth_here(case: &Case, mut expected: Expected) -> Expected {
    if case.name == "sendfile-file-pipe" && kernel::version() < (5, 12) {
        let (route, reason) = ("sendfile", "file_sink");
        let (bytes, copies) = (expected.moved[0].bytes, expected.moved[0].calls);
        expected.references.clear();
        expected.measured.push(Copied { route, direction: "in_kernel", bytes, copies });
        expected.fallbacks.push(Fallback { route, reason, bytes });
    }
    expected
}

/// What zc can show of it on this kernel: no rings before 5.19; what only probes on
/// functions see where they can be attached, and what they settle where they cannot.
fn shown(mut expected: Expected) -> Expected {
    if kernel::hooks_functions() {
        expected.unknown.retain(|row| !row.settled_by_probes);
    } else {
        expected.measured.clear();
        expected.references.retain(|row| !row.needs_probes);
        expected.fallbacks.clear();
    }
    if !kernel::shows_pages_copied() {
        expected.measured.retain(|row| row.route != "fault");
    }
    if !kernel::shows_rings() {
        expected.moved.retain(|row| row.route != "io_uring");
        expected.copied.retain(|row| row.route != "io_uring");
        expected.unknown.retain(|row| row.route != "io_uring");
        expected.references.retain(|row| row.route != "io_uring");
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
    let slack = expected.slack;
    let calls_made = expected.moved.iter().map(|row| row.calls).sum();
    let mut family = |name: &str, by: &[&str], expected: Rows| -> Result<()> {
        let start_up = metrics.group(name, null, by)?;
        let mut shown = difference(&metrics.group(name, real, by)?, &start_up);
        let calls = name == "zc_transfers_total" || name == "zc_copies_total";
        forgive_start_up(&mut shown, &expected, slack);
        forgive_arguments(&mut shown, &expected, calls_made);
        // What the kernel reads for itself to execute a second program.
        shown.retain(|key, _| key[..] != ["other", "in_kernel", "measured"].map(str::to_owned));
        // How many calls of the kernel's functions copied is not known beforehand.
        shown.retain(|key, _| name != "zc_copies_total" || key.last() != Some(&measured()));
        let most = if calls { missed } else { u64::MAX };
        if shown != expected && !(missed > 0 && falls_short(&shown, &expected, most)) {
            wrong.push(format!("{name}: shown {shown:?}, expected {expected:?}"));
        }
        Ok(())
    };
    let key = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let moved = |value: fn(&Moved) -> u64| -> Rows {
        expected.moved.iter().map(|r| (key(&[r.route, r.endpoint]), value(r))).collect()
    };
    let copied = |value: fn(&Copied) -> u64| -> Rows {
        let key = |r: &Copied| key(&[r.route, r.direction, "inferred"]);
        expected.copied.iter().map(|r| (key(r), value(r))).collect()
    };
    let mut copied_bytes = copied(|row| row.bytes);
    copied_bytes.extend(
        expected.measured.iter().map(|r| (key(&[r.route, r.direction, &measured()]), r.bytes)),
    );
    let unknown: Rows =
        expected.unknown.iter().map(|r| (key(&[r.route, r.endpoint]), r.bytes)).collect();
    let (far, quality) = (["route", "endpoint"], ["route", "direction", "quality"]);
    family("zc_transferred_bytes_total", &far, moved(|row| row.bytes))?;
    family("zc_transfers_total", &far, moved(|row| row.calls))?;
    family("zc_copied_bytes_total", &quality, copied_bytes)?;
    family("zc_copies_total", &quality, copied(|row| row.copies))?;
    family("zc_copy_unknown_bytes_total", &far, unknown)?;
    let references = expected.references.iter().map(|r| (key(&[r.route]), r.bytes));
    family("zc_moved_bytes_total", &["route"], references.collect())?;
    let fallbacks = expected.fallbacks.iter().map(|r| (key(&[r.route, r.reason]), r.bytes));
    family("zc_fallback_bytes_total", &["route", "reason"], fallbacks.collect())?;
    if wrong.is_empty() { Ok(()) } else { bail!("{}", wrong.join("\n")) }
}

/// How many bytes of pages a process may copy more or less from start to start: those
/// that it shares with its parent when it is forked, and writes before it execs.
const START_UP: u64 = 16 * 4096;

/// Takes what is written while shared for right, if it is so nearly.
fn forgive_start_up(shown: &mut Rows, expected: &Rows, slack: u64) {
    let key = ["fault", "in_kernel", "measured"].map(str::to_owned).to_vec();
    let wanted = expected.get(&key).copied().unwrap_or(0);
    // A null twin that copied more than the run makes a negative difference.
    let off = shown.remove(&key).unwrap_or(0).wrapping_sub(wanted).cast_signed();
    if off.unsigned_abs() > START_UP + slack {
        shown.insert(key, wanted.wrapping_add_signed(off));
    } else if wanted > 0 {
        shown.insert(key, wanted);
    }
}

/// Takes the copies of arguments and results for right, where a case is not about them,
/// if they are few: addresses, vectors, polled descriptors, structures of set-up.
fn forgive_arguments(shown: &mut Rows, expected: &Rows, calls: u64) {
    const SET_UP: u64 = 2048;
    const EACH: u64 = 16;
    for direction in ["to_user", "from_user"] {
        let key = ["other", direction, "measured"].map(str::to_owned).to_vec();
        let off = shown.get(&key).copied().unwrap_or(0).cast_signed();
        if !expected.contains_key(&key) && off.unsigned_abs() <= SET_UP + EACH * calls {
            shown.remove(&key);
        }
    }
}

fn measured() -> String {
    "measured".to_owned()
}

/// Whether no row is above what is expected, and all together at most `most` below.
fn falls_short(shown: &Rows, expected: &Rows, most: u64) -> bool {
    let row = |rows: &Rows, key: &Vec<String>| rows.get(key).copied().unwrap_or(0);
    let missing: u64 =
        expected.iter().map(|(key, value)| value.saturating_sub(row(shown, key))).sum();
    missing <= most && shown.iter().all(|(key, value)| *value <= row(expected, key))
}
