//! What observing takes is told, and kept within a budget.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    collections::BTreeSet,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use zc_tests::{
    daemon::Daemon,
    scrape::Metrics,
    watching::{Ended, Watching},
};

/// No budget can be kept that is so small, and none be exceeded that is so large.
const TINY: &str = "--budget=0.0001%";
const HUGE: &str = "--budget=100000%";

/// How long a cycle may take on an emulated machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Scrapes until `done`.
fn scrape(daemon: &Daemon, mut done: impl FnMut(&Metrics) -> bool) -> Metrics {
    let began = Instant::now();
    loop {
        let metrics = daemon.metrics().unwrap();
        if done(&metrics) {
            return metrics;
        }
        assert!(began.elapsed() < PATIENCE, "it does not come to be so: {metrics:?}");
        sleep(Duration::from_millis(100));
    }
}

fn runs(metrics: &Metrics) -> u64 {
    metrics.value("zc_bpf_program_runs_total", ("program", "sched_switch")).unwrap()
}

#[test]
fn what_observing_takes_is_told_and_grows() {
    let daemon = Daemon::start_with(&["--interval=0.1", HUGE]).unwrap();
    let first = runs(&scrape(&daemon, |metrics| runs(metrics) > 0));
    let page = daemon.page("/metrics").unwrap();
    for series in [
        "zc_bpf_program_run_seconds_total{program=\"sched_switch\"} ",
        "zc_bpf_program_recursion_misses_total{program=\"sched_switch\"} ",
        "zc_bpf_stats_seconds_total ",
        "zc_observer_share{part=\"programs\"} ",
        "zc_observer_share{part=\"daemon\"} ",
    ] {
        let value = page.lines().find_map(|line| line.strip_prefix(series)).unwrap();
        let value: f64 = value.parse().unwrap();
        let none = series.contains("misses");
        assert!(value > 0.0 || none && value == 0.0, "{series}{value}");
    }
    scrape(&daemon, |metrics| runs(metrics) > first);
    assert!(!daemon.log().contains("given up"));
}

/// Programs that the daemon has attached, each by a link of its own, whatever it says.
fn links(daemon: &Daemon) -> usize {
    let infos = std::fs::read_dir(format!("/proc/{}/fdinfo", daemon.pid())).unwrap();
    // One that is closed meanwhile is none.
    let infos = infos.filter_map(|info| std::fs::read_to_string(info.ok()?.path()).ok());
    infos.filter(|info| info.contains("link_type:")).count()
}

/// The names of families that have a series.
fn families(page: &str) -> BTreeSet<&str> {
    page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
}

#[test]
fn past_its_budget_it_gives_up_probes_and_what_they_measured() {
    let daemon = Daemon::start_with(&["--interval=0.1", TINY]).unwrap();
    std::fs::read("/proc/self/exe").unwrap();
    let attached = links(&daemon);
    let before = daemon.metrics().unwrap().counters().unwrap();
    assert!(before.keys().any(|series| series.starts_with("zc_transferred_bytes_total")));
    let up = |metrics: &Metrics, probe| metrics.value("zc_probe_up", ("probe", probe)).unwrap();
    let metrics = scrape(&daemon, |metrics| up(metrics, "transfers") == 0);
    // Whom bytes are charged to, and by which name, is never given up.
    for probe in ["exec", "rename", "fork", "cgroups", "context_switches", "page_faults"] {
        assert_eq!(up(&metrics, probe), 1, "{probe}");
    }
    let page = daemon.page("/metrics").unwrap();
    let gone = [
        "zc_transferred_bytes_total",
        "zc_transfers_total",
        "zc_copied_bytes_total",
        "zc_copies_total",
        "zc_copy_unknown_bytes_total",
        "zc_moved_bytes_total",
        "zc_syscalls_total",
    ];
    let left = families(&page);
    assert!(gone.iter().all(|family| !left.contains(family)), "{left:?}");
    assert!(left.contains("zc_context_switches_total"), "{left:?}");
    assert!(!page.contains("program=\"sys_exit\""), "a program that is detached");
    let after = metrics.counters().unwrap();
    for (series, value) in &before {
        assert!(after.get(series).is_none_or(|now| now >= value), "{series} fell");
    }
    scrape(&daemon, |metrics| {
        let counters = metrics.counters().unwrap();
        let told = counters.keys().filter(|name| name.starts_with("zc_bpf_program_runs_total"));
        links(&daemon) <= told.count()
    });
    assert!((1..attached).contains(&links(&daemon)), "{attached} at first");
    let log = daemon.log();
    let said = log.lines().find(|line| line.contains("is given up")).unwrap();
    assert!(said.contains("past its budget of 0.0001 %"), "{said}");
    let json = daemon.page("/api/v1/processes").unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["unmeasured"].as_array().unwrap().iter().any(|probe| probe == "transfers"));
    assert_eq!(daemon.end(Signal::TERM).unwrap().code(), Some(0));
}

/// It is given up as soon as three looks in a row are past the budget, or once what is dearer
/// is gone: whoever is watched goes on until then.
#[test]
fn a_verdict_that_relied_on_what_was_given_up_is_none() {
    let script = "while :; do cat /proc/self/exe >/dev/null; sleep 0.1; done";
    let mut busy = Command::new("sh").args(["-c", script]).spawn().unwrap();
    let pid = busy.id().to_string();
    let flags = [TINY, "--allow-inferred", "--max-copied", "1TiB", "--pid", &pid];
    let mut watching = Watching::start("verify", &flags).unwrap();
    watching.hear("transfers is given up").unwrap();
    watching.signal(Signal::INT).unwrap();
    let Ended { code, output, log } = watching.end().unwrap();
    busy.kill().unwrap();
    busy.wait().unwrap();
    assert_eq!(code, Some(2), "{output}{log}");
    assert!(output.contains("the probe transfers is down"), "{output}{log}");
}
