//! Breakpoints, the ledger and the truth: three counts of the same bytes.
//!
//! Where the kernel takes no breakpoints in its own functions, each test requires that
//! `zc audit` says so.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use rustix::process::Signal;
use serde_json::Value;
use zc_common::flow::Route;
use zc_daemon::kernel::reference::REFERENCES;
use zc_tests::{
    daemon::Daemon,
    kernel,
    programs::{Stage, Waiting},
    watching::{Ended, Watching},
    workload::{self, Expected, Params},
};

/// What watches pipes and unix sockets up to 5.13, when the functions of payload are
/// more than a processor has breakpoints.
const OLDER: &str = "copy_page_to_iter,copy_page_from_iter,_copy_to_iter,_copy_from_iter";

/// A process that holds still, for audits that need nothing else.
fn still(stage: &Stage) -> Waiting {
    let mut command = stage.workload("audited").unwrap();
    command.arg("hold");
    Waiting::start(command).unwrap()
}

/// An audit of a process.
fn audited(pid: u32, flags: &[&str]) -> anyhow::Result<Watching> {
    let pid = pid.to_string();
    Watching::start("audit", &[&["--pid", &pid], flags].concat())
}

/// Audits one case from before its start to its end; none if the kernel refuses.
fn audit(case: &str, flags: &[&str]) -> Option<(Value, Expected)> {
    let stage = Stage::new().unwrap();
    let params = Params { bytes: 300_007, chunk: 4093, dir: stage.path().to_owned() };
    let command = |action: &str| {
        let mut command = stage.workload("audited").unwrap();
        command.args([case, action, "--bytes", "300007", "--chunk", "4093", "--dir"]);
        command.arg(&params.dir);
        command
    };
    assert!(command("prepare").status().unwrap().success());
    let mut run = command("run");
    run.arg("--wait");
    let process = Waiting::start(run).unwrap();
    let flags: Vec<_> = flags.iter().copied().chain(["--json"]).collect();
    let audit = audited(process.pid(), &flags).unwrap();
    process.finish().unwrap();
    let ended = audit.end().unwrap();
    if !kernel::takes_breakpoints() {
        assert_refused(&ended, "CONFIG_KPROBES");
        return None;
    }
    let report: Value = serde_json::from_str(&ended.output).expect(&ended.log);
    assert_eq!((&report["version"], &report["ended"]), (&1.into(), &true.into()));
    Some((report, (workload::find(case).unwrap().expected)(&params)))
}

fn assert_refused(ended: &Ended, why: &str) {
    assert_eq!(ended.code, Some(2), "{}", ended.log);
    assert!(ended.log.contains(why) && ended.output.is_empty(), "{}", ended.log);
}

/// Breakpoints and ledger, each equal to what is known, to the byte.
fn assert_exact(case: &str, flags: &[&str]) {
    let Some((report, expected)) = audit(case, flags) else { return };
    let elsewhere = ["fault", "msg_zerocopy"];
    let known: u64 = expected
        .measured
        .iter()
        .filter(|row| !elsewhere.contains(&row.route) || row.direction != "in_kernel")
        .map(|row| row.bytes)
        .sum();
    let comparison = &report["comparison"];
    assert_eq!(comparison["breakpoint_bytes"], known, "{case}: {report:#}");
    // From 7.0 the kernel may skip a program; then zc says so, and counts too little.
    let short = comparison["lost"].as_u64().unwrap() > 0
        && comparison["measured_bytes"].as_u64().unwrap() < known;
    if !short {
        assert_eq!(comparison["measured_bytes"], known, "{case}: {report:#}");
        assert_eq!(comparison["verdict"], "exact", "{case}: {report:#}");
    }
}

/// On 5.10 these need other breakpoints than the default ones.
fn assert_exact_by_pages(case: &str) {
    let older = kernel::version() < (5, 14);
    assert_exact(case, if older { &["--functions", OLDER] } else { &[] });
}

#[test]
fn files_are_counted_to_the_byte() {
    for case in ["read-file", "write-file"] {
        assert_exact(case, &[]);
    }
}

#[test]
fn pipes_are_counted_to_the_byte() {
    assert_exact_by_pages("pipe");
}

#[test]
fn sockets_are_counted_to_the_byte() {
    for case in ["tcp-send-recv", "udp-sendto-recvfrom"] {
        assert_exact(case, &[]);
    }
    assert_exact_by_pages("unix-sendmsg-recvmsg");
}

/// What is sent by reference is copied by its receiver alone, what is mapped or read
/// directly by nobody.
#[test]
fn what_is_not_copied_is_seen_by_neither() {
    for case in ["sendfile-file-socket", "mmap-file", "direct-read"] {
        assert_exact(case, &[]);
    }
}

#[test]
fn copies_within_the_kernel_are_seen_by_both() {
    assert_exact("sendfile-file-file", &[]);
}

#[test]
fn threads_started_later_are_watched_too() {
    assert_exact("many-threads", &[]);
}

/// The daemon answers on threads that it has had all along, and on others that it starts
/// without any capability: threads do not inherit breakpoints from such.
#[test]
fn threads_that_run_already_are_watched() {
    let daemon = Daemon::start().unwrap();
    let audit = audited(daemon.pid(), &["--json"]).unwrap();
    let answered: usize = (0..5).map(|_| daemon.page("/metrics").unwrap().len()).sum();
    if kernel::takes_breakpoints() {
        audit.signal(Signal::INT).unwrap();
    }
    let ended = audit.end().unwrap();
    if !kernel::takes_breakpoints() {
        assert_refused(&ended, "CONFIG_KPROBES");
        return;
    }
    let report: Value = serde_json::from_str(&ended.output).expect(&ended.log);
    let comparison = &report["comparison"];
    assert!(comparison["breakpoint_bytes"].as_u64().unwrap() > answered as u64, "{report:#}");
    // What it reads of itself in /proc is in part inferred.
    let agrees = ["exact", "bounded"].map(Value::from).contains(&comparison["verdict"]);
    assert!(agrees || comparison["lost"].as_u64().unwrap() > 0, "{report:#}");
}

/// From 7.0 the kernel may skip a program, or a hit of a breakpoint, of which it says nothing:
/// then too little is counted, and never too much; another time all is.
const ATTEMPTS: usize = 8;

/// What `zc doctor --self-test` says of each reference.
fn self_test() -> Vec<Value> {
    let zc = zc_tests::programs::folder().unwrap().join("zc");
    let output = Command::new(zc).args(["doctor", "--self-test", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let mut report: Value = serde_json::from_slice(&output.stdout).expect(&said);
    let test = report["self_test"].take();
    assert_eq!(test["without_breakpoints"].is_null(), kernel::takes_breakpoints(), "{test:#}");
    let references = test["references"].as_array().unwrap();
    assert_eq!(references.len(), REFERENCES.len());
    for tested in references {
        assert!(tested["failure"].is_null(), "{tested:#}");
        for (route, verdict) in tested["routes"].as_object().unwrap() {
            let shown = &report["route_coverage"][route];
            assert!(shown == "inferred" || shown == verdict || may_skip(), "{tested:#}");
        }
    }
    references.clone()
}

fn may_skip() -> bool {
    kernel::version() >= (7, 0)
}

/// Whether a reference was found to the byte by each that counts here.
fn is_exact(tested: &Value) -> bool {
    let count = |name: &str| tested[name].as_u64().unwrap();
    let known = count("known_bytes");
    let mut counted = Vec::new();
    if kernel::hooks_functions() {
        counted.push(count("measured_bytes"));
    }
    if kernel::takes_breakpoints() && kernel::version() >= (5, 14) {
        counted.push(count("breakpoint_bytes"));
    }
    assert!(counted.iter().all(|bytes| *bytes <= known), "{tested:#}");
    let is_told = !kernel::hooks_functions() || tested["verdict"] == "exact";
    is_told && counted.iter().all(|bytes| *bytes == known)
}

#[test]
fn a_self_test_finds_every_route_exact() {
    let attempts = if may_skip() { ATTEMPTS } else { 1 };
    let mut left: BTreeSet<_> = REFERENCES.iter().map(|row| row.name.to_owned()).collect();
    for _ in 0..attempts {
        let tested = self_test();
        for exact in tested.iter().filter(|tested| is_exact(tested)) {
            left.remove(exact["reference"].as_str().unwrap());
        }
        if left.is_empty() {
            return;
        }
        eprintln!("{tested:#?}");
    }
    panic!("never exact: {left:?}");
}

/// The quality of each route, as the daemon shows it.
fn coverage(daemon: &Daemon) -> BTreeMap<&'static str, String> {
    let metrics = daemon.metrics().unwrap();
    let routes = Route::ALL.iter().map(|route| route.name());
    let shown = routes.filter_map(|route| {
        let rows = metrics.rows("zc_route_coverage", ("route", route), &["quality"]).unwrap();
        assert!(rows.len() <= 1 && rows.values().all(|value| *value == 1), "{rows:?}");
        Some((route, rows.into_keys().next()?.swap_remove(0)))
    });
    shown.collect()
}

/// What a route is without a self-test.
fn untested(route: &str) -> &'static str {
    let shown = kernel::hooks_functions() && (route != "fault" || kernel::shows_pages_copied());
    if shown { "unverified" } else { "inferred" }
}

#[test]
fn every_route_is_marked_and_exact_only_by_a_self_test() {
    let without = coverage(&Daemon::start().unwrap());
    let routes: Vec<_> = Route::ALL.iter().filter(|route| **route != Route::Mmap).collect();
    assert_eq!(without.len(), routes.len());
    for (route, quality) in &without {
        assert_eq!(quality, untested(route), "{route}");
    }
    let daemon = Daemon::start_with(&["--self-test"]).unwrap();
    let with = coverage(&daemon);
    let missed = daemon.missed().unwrap() + daemon.missed_copies().unwrap();
    for route in routes {
        let name = route.name();
        let tested = REFERENCES.iter().flat_map(|row| row.parts).any(|part| part.route == *route);
        let wanted = if tested && kernel::hooks_functions() { "exact" } else { untested(name) };
        // What the kernel skipped was tried again, a few times.
        let unsure = missed > 0 && with[name] == "unverified";
        assert!(with[name] == wanted || unsure, "{name}: {with:?}");
    }
}

#[test]
fn what_the_ledger_leaves_out_is_shown_but_not_compared() {
    let Some((report, expected)) = audit("eventfd", &["--set", "user"]) else { return };
    assert!(report["comparison"].is_null(), "{report:#}");
    let written = expected.copied.iter().find(|row| row.direction == "from_user").unwrap();
    let row = &report["functions"][1];
    assert_eq!(
        (&row["function"], &row["bytes"]),
        (&"_copy_from_user".into(), &written.bytes.into())
    );
    assert_eq!(row["calls"], written.copies, "{report:#}");
}

#[test]
fn a_processor_has_four_breakpoints_and_a_signal_ends_the_audit() {
    let stage = Stage::new().unwrap();
    let process = still(&stage);
    let first = audited(process.pid(), &[]).unwrap();
    assert_eq!(is_loaded(), kernel::takes_breakpoints());
    let second = audited(process.pid(), &[]).unwrap().end().unwrap();
    if !kernel::takes_breakpoints() {
        assert_refused(&first.end().unwrap(), "CONFIG_KPROBES");
        assert_refused(&second, "CONFIG_KPROBES");
        return;
    }
    assert_refused(&second, "breakpoints are taken");
    first.signal(Signal::INT).unwrap();
    assert_reports_nothing(&first.end().unwrap());
}

#[test]
fn time_ends_an_audit() {
    let stage = Stage::new().unwrap();
    let process = still(&stage);
    let ended = audited(process.pid(), &["--for", "200ms"]).unwrap().end().unwrap();
    if kernel::takes_breakpoints() {
        assert_reports_nothing(&ended);
    } else {
        assert_refused(&ended, "CONFIG_KPROBES");
    }
}

/// The text of a report on a process that held still.
fn assert_reports_nothing(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.output.contains("breakpoints saw 0 bytes"), "{}", ended.output);
    assert!(ended.output.contains("exact: both counted the same bytes"), "{}", ended.output);
}

#[test]
fn what_cannot_be_watched_is_refused_with_a_reason() {
    let mut gone = Command::new("/bin/true").spawn().unwrap();
    gone.wait().unwrap();
    let refused = |pid, flags: &[&str], why: &str| {
        assert_refused(&audited(pid, flags).unwrap().end().unwrap(), why);
    };
    refused(gone.id(), &[], "there is no process");
    let stage = Stage::new().unwrap();
    let process = still(&stage);
    refused(process.pid(), &["--functions", "memcpy"], "does not know memcpy");
    let five =
        "_copy_to_iter,_copy_from_iter,_copy_from_iter_nocache,_copy_to_user,_copy_from_user";
    refused(process.pid(), &["--functions", five], "has 4 breakpoints, and 5 are asked for");
    let _restored = Restored::set("/proc/sys/kernel/kptr_restrict", "2");
    refused(process.pid(), &[], "the kernel hides where its functions are");
}

/// A setting of the kernel's that is set back in the end.
struct Restored(&'static str, String);

impl Restored {
    fn set(path: &'static str, value: &str) -> Self {
        let before = fs::read_to_string(path).unwrap();
        fs::write(path, value).unwrap();
        Self(path, before)
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        // A test that has failed already is not to panic anew.
        let _ = fs::write(self.0, &self.1);
    }
}

#[test]
fn only_an_audit_loads_its_program() {
    let _daemon = Daemon::start().unwrap();
    assert!(!is_loaded());
}

/// Whether the program of breakpoints is in the kernel.
fn is_loaded() -> bool {
    let mut programs = aya::programs::loaded_programs().filter_map(Result::ok);
    programs.any(|info| info.name_as_str() == Some("breakpoint"))
}
