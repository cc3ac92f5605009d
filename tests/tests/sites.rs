//! Call sites: every byte that a process copies, by the stack it is copied on.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use serde_json::Value;
use zc_daemon::{
    host,
    kernel::{
        ladder::Ladder,
        loader::{Choice, Kernel},
        sizes::Sizes,
    },
};
use zc_tests::{
    kernel,
    programs::{Stage, Waiting},
    watching::Watching,
    workload::KNOWN_SITE,
};

const BYTES: u64 = 300_007;

/// The call sites of a process that reads so many bytes of a file at a known place.
fn sites_of_a_reader(flags: &[&str]) -> Value {
    let stage = Stage::new().unwrap();
    let command = |words: &[&str]| {
        let mut command = stage.workload("sited").unwrap();
        command.args(words).args(["--bytes", "300007", "--chunk", "4093", "--dir"]);
        command.arg(stage.path());
        command
    };
    assert!(command(&["read-file", "prepare"]).status().unwrap().success());
    let process = Waiting::start(command(&["site"])).unwrap();
    let pid = process.pid().to_string();
    let flags = [&["--json", "--pid", &pid], flags].concat();
    let sites = Watching::start("sites", &flags).unwrap();
    process.step().unwrap();
    process.finish().unwrap();
    let ended = sites.end().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    serde_json::from_str(&ended.output).expect(&ended.log)
}

/// The frames of a site that are the kernel's, or not, as JSON.
fn frames(site: &Value, kernel: bool) -> Vec<&Value> {
    site["frames"].as_array().unwrap().iter().filter(|frame| frame["kernel"] == kernel).collect()
}

fn text<'a>(frame: &'a Value, field: &str) -> &'a str {
    frame[field].as_str().unwrap_or_default()
}

/// Whether a site's innermost frame of the process is the known place. A program that is
/// stripped has no names: then it is its file.
fn is_at_the_known_place(site: &Value) -> bool {
    let user = frames(site, false);
    let Some(leaf) = user.first() else { return false };
    text(leaf, "function").ends_with(KNOWN_SITE)
        || (leaf["function"].is_null() && text(leaf, "module").ends_with("/workload"))
}

/// The sites of the reader: together every byte, the first the known one. Its kernel
/// frames' functions.
fn assert_known<'a>(report: &'a Value, quality: &str) -> Vec<&'a str> {
    let sites = report["sites"].as_array().unwrap();
    let read = |site: &&Value| site["route"] == "read" && site["direction"] == "to_user";
    let bytes = |site: &Value| site["bytes"].as_u64().unwrap();
    let sum: u64 = sites.iter().filter(read).map(bytes).sum();
    // One byte is what it waits for; from 7.0 the kernel may skip the program that sees it.
    let least = if kernel::version() < (7, 0) { BYTES + 1 } else { BYTES };
    assert!((least..=BYTES + 1).contains(&sum), "{report:#}");
    assert_eq!(report["unplaced_bytes"], 0, "{report:#}");
    let hottest = &sites[0];
    assert_eq!((bytes(hottest), &hottest["quality"]), (BYTES, &quality.into()), "{report:#}");
    assert_eq!(hottest["copies"], BYTES.div_ceil(4093), "{report:#}");
    assert!(is_at_the_known_place(hottest), "{report:#}");
    frames(hottest, true).iter().map(|frame| text(frame, "function")).collect()
}

/// Whether no part of any stack is missing.
fn is_whole(report: &Value) -> bool {
    report["partly_bytes"] == 0
}

/// Where functions cannot be hooked there is no stack of the kernel's.
fn assert_inferred(report: &Value) {
    assert!(assert_known(report, "inferred").is_empty() && is_whole(report), "{report:#}");
}

/// From where the call came in.
fn assert_entered(kernel: &[&str]) {
    for function in ["vfs_read", "do_syscall_64"] {
        assert!(kernel.contains(&function), "{kernel:?}");
    }
}

#[test]
fn every_byte_has_a_stack() {
    let report = sites_of_a_reader(&[]);
    if !kernel::hooks_functions() {
        return assert_inferred(&report);
    }
    let kernel = assert_known(&report, "measured");
    assert_entered(&kernel);
    assert!(is_whole(&report), "{report:#}");
    let older = kernel::version() < (5, 14);
    let function = if older { "generic_file_buffered_read" } else { "filemap_read" };
    // Later ones jump to a trampoline, and leave no trace of the function.
    if kernel::version() < (6, 19) {
        assert_eq!(kernel[0], function);
    }
}

/// A function has returned when its kretprobe runs: the stack begins with its caller.
#[test]
fn by_kprobes_the_stack_begins_with_the_caller() {
    let report = sites_of_a_reader(&["--hooks", "kprobes"]);
    if !kernel::hooks_functions() {
        return assert_inferred(&report);
    }
    let kernel = assert_known(&report, "measured");
    // Before 5.16 the kernel did not see beyond a kretprobe.
    if kernel::version() < (5, 16) {
        assert!(kernel.is_empty() && report["partly_bytes"] == BYTES, "{report:#}");
    } else {
        assert_entered(&kernel);
        assert!(is_whole(&report), "{report:#}");
    }
}

/// With room for one site, which is that of all bytes without one of their own.
#[test]
fn bytes_without_room_for_a_site_are_told() {
    let stage = Stage::new().unwrap();
    let pids = host::pid_max().unwrap();
    let sizes = Sizes { threads: 4096, pids, sites: 1, ..Sizes::LEAST };
    let choice = Choice { ladder: Ladder::Best, wanted: |_| true };
    let kernel = Kernel::attach(sizes, choice).unwrap();
    for action in ["prepare", "run"] {
        let mut command = stage.workload("crammed").unwrap();
        command.args(["read-file", action, "--bytes", "300007", "--dir"]).arg(stage.path());
        assert!(command.status().unwrap().success());
    }
    let sites = kernel.sites().unwrap();
    assert_eq!(sites.sites, []);
    // What was prepared was written, what was run was read.
    assert!(sites.unplaced >= 2 * BYTES, "{}", sites.unplaced);
}
