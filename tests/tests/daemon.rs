//! The daemon as a program: how it starts, ends, refuses and reports.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    collections::BTreeSet,
    io::Write as _,
    net::TcpStream,
    os::unix::process::CommandExt as _,
    process::{Command, Output},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use zc_daemon::kernel::{
    hooks::{Probe, probes},
    ladder::{Ladder, Rung},
};
use zc_tests::{daemon::Daemon, kernel, programs};

fn zc(arguments: &[&str]) -> Command {
    let mut command = Command::new(programs::folder().unwrap().join("zc"));
    command.args(arguments);
    command
}

fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// The ids of the loaded programs that are named as ours are.
fn loaded() -> BTreeSet<u32> {
    let names: Vec<_> = probes()
        .flat_map(|probe| probe.ladder(Ladder::Best))
        .flat_map(Rung::programs)
        .map(|program| program.name)
        .collect();
    aya::programs::loaded_programs()
        .filter_map(Result::ok)
        // The kernel keeps 15 bytes of a name.
        .filter(|info| {
            let kept = info.name_as_str().unwrap_or_default();
            !kept.is_empty() && names.iter().any(|name| name.starts_with(kept))
        })
        .map(|info| info.id())
        .collect()
}

/// Waits until no program is loaded that was not before: the kernel frees them a
/// moment after the last descriptor is closed.
fn assert_none_left(before: &BTreeSet<u32>) {
    for _ in 0..100 {
        if loaded().is_subset(before) {
            return;
        }
        sleep(Duration::from_millis(100));
    }
    panic!("left behind: {:?}", loaded().difference(before));
}

#[test]
fn signals_end_it_with_status_0_and_nothing_attached() {
    for signal in [Signal::INT, Signal::TERM] {
        let before = loaded();
        let daemon = Daemon::start().unwrap();
        assert!(!loaded().is_subset(&before));
        let status = daemon.end(signal).unwrap();
        assert_eq!(status.code(), Some(0));
        assert_none_left(&before);
    }
}

#[test]
fn a_request_that_never_ends_does_not_hold_it_up() {
    let before = loaded();
    let daemon = Daemon::start().unwrap();
    let mut half = TcpStream::connect(daemon.address()).unwrap();
    half.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
    sleep(Duration::from_millis(200));
    let asked = Instant::now();
    assert_eq!(daemon.end(Signal::TERM).unwrap().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(30));
    assert_none_left(&before);
}

#[test]
fn kill_9_leaves_nothing_attached() {
    let before = loaded();
    let daemon = Daemon::start().unwrap();
    assert!(!loaded().is_subset(&before));
    daemon.end(Signal::KILL).unwrap();
    assert_none_left(&before);
}

#[test]
fn pages_are_served() {
    let daemon = Daemon::start().unwrap();
    assert!(daemon.page("/").unwrap().contains("/metrics"));
    assert_eq!(daemon.page("/-/healthy").unwrap(), "zc is healthy\n");
    assert_eq!(daemon.page("/-/ready").unwrap(), "zc is ready\n");
    assert!(daemon.page("/nowhere").is_err());
    let own = daemon.process(daemon.pid()).unwrap();
    assert_eq!(own["comm"], "zc");
}

/// What becomes of a probe.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Up,
    Down,
    Missing,
    /// Nobody asked for it, and no other probe needs its hook.
    Off,
}

/// What must become of a probe on this kernel.
fn expected(probe: &Probe) -> State {
    if probe.name == "io_uring" {
        if kernel::shows_rings() { State::Up } else { State::Down }
    } else if probe.name == "syscalls" && kernel::hooks_calls() {
        State::Off
    } else if !probe.is_on_functions() {
        State::Up
    } else if kernel::has_no(probe.name) {
        State::Missing
    } else if probe.name == "copy_on_write" && !kernel::shows_pages_copied() {
        State::Down
    } else if kernel::hooks_functions() {
        State::Up
    } else {
        State::Down
    }
}

#[test]
fn metrics_tell_the_state_of_every_probe() {
    let daemon = Daemon::start().unwrap();
    let metrics = daemon.metrics().unwrap();
    for probe in probes() {
        let up = metrics.value("zc_probe_up", ("probe", probe.name)).unwrap();
        assert_eq!(up == 1, expected(probe) == State::Up, "{}", probe.name);
    }
    assert!(metrics.value("zc_map_capacity", ("map", "slots")).unwrap() > 0);
    let page = daemon.page("/metrics").unwrap();
    for family in ["zc_build_info{", "zc_scrape_duration_seconds_bucket{", "process_open_fds "] {
        assert!(page.contains(family), "{family}");
    }
}

#[test]
fn a_taken_address_is_one_sentence_and_status_2() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (code, _, stderr) = output(&mut zc(&["run", "--web.listen-address", &address]));
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("cannot listen on") && stderr.contains(&address), "{stderr}");
}

#[test]
fn without_root_it_says_so_in_one_sentence_with_status_2() {
    const NOBODY: u32 = 65534;
    // The binary may lie where nobody cannot go, so a copy is started.
    for arguments in [["run", "--interval=1"].as_slice(), &["doctor"]] {
        let copy = std::env::temp_dir().join(format!("zc-nobody-{}", std::process::id()));
        std::fs::copy(programs::folder().unwrap().join("zc"), &copy).unwrap();
        let mut command = Command::new(&copy);
        command.args(arguments).uid(NOBODY).gid(NOBODY).current_dir("/");
        let (code, stdout, stderr) = output(&mut command);
        std::fs::remove_file(&copy).unwrap();
        assert_eq!(code, Some(2), "{stderr}");
        assert_eq!(stdout, "");
        assert_eq!(stderr.trim().lines().count(), 1, "{stderr}");
        assert!(stderr.contains("CAP_BPF"), "{stderr}");
    }
}

#[test]
fn bad_flags_are_status_2() {
    for arguments in [
        ["run", "--interval", "never"].as_slice(),
        &["run", "--interval", "0"],
        &["run", "--threads", "0"],
        &["run", "--web.listen-address", "here"],
        &["run", "--log.level", "zc=loud"],
        &["fly"],
        &[],
    ] {
        let (code, _, stderr) = output(&mut zc(arguments));
        assert_eq!(code, Some(2), "{arguments:?}: {stderr}");
        assert!(!stderr.is_empty());
    }
}

#[test]
fn doctor_names_every_probe_and_its_hook() {
    let (code, text, stderr) = output(&mut zc(&["doctor"]));
    let healthy = probes().all(|probe| expected(probe) != State::Down);
    assert_eq!(code, Some(i32::from(!healthy)), "{text}{stderr}");
    let (_, json, _) = output(&mut zc(&["doctor", "--json"]));
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["reads_kernel_memory"], true);
    let findings = report["probes"].as_array().unwrap();
    assert_eq!(findings.len(), probes().count());
    for (finding, probe) in findings.iter().zip(probes()) {
        let state = expected(probe);
        assert_eq!(finding["probe"], probe.name);
        assert!(text.contains(probe.name));
        assert_eq!(finding["hook"].is_string(), state == State::Up, "{finding}");
        assert_eq!(finding["missing"], state == State::Missing, "{finding}");
        assert_eq!(finding["unwanted"], state == State::Off, "{finding}");
        let refused = finding["refused"].as_array().unwrap();
        assert!(
            probe.name != "syscalls" || refused.is_empty() == (state == State::Up),
            "{finding}"
        );
        assert_eq!(finding["advice"].is_string(), state == State::Down, "{finding}");
    }
    let measured = report["measured_routes"].as_array().unwrap();
    assert_eq!(measured.is_empty(), !kernel::hooks_functions(), "{measured:?}");
    // Whoever asks has switched.
    let spent = report["cost"]["programs"].as_array().unwrap();
    let switches = spent.iter().find(|spent| spent["program"] == "sched_switch").unwrap();
    assert_eq!(switches["probes"], serde_json::json!(["context_switches", "page_faults"]));
    assert!(switches["runs"].as_u64().unwrap() > 0 && switches["run_seconds"].as_f64() > Some(0.0));
    let shares: f64 = spent.iter().map(|spent| spent["share"].as_f64().unwrap()).sum();
    assert!((report["cost"]["share"].as_f64().unwrap() - shares).abs() < 1e-9, "{report:#}");
    assert!(text.contains("cost of the programs, 1."), "{text}");
}
