//! Functions hooked by kprobes alone: what they cannot follow is inferred, and said so.
//! (That what they follow is exact, the oracle shows.)

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    io::{Read as _, pipe},
    process::Command,
    thread,
    time::Duration,
};

use zc_daemon::kernel::hooks::{Place, probes};
use zc_tests::{daemon::Daemon, kernel, programs};

const BYTES: u64 = 300_007;

/// Rows of copies out of pipes, by quality: measured and inferred.
fn read_from_pipes(daemon: &Daemon, name: &str) -> [u64; 2] {
    let by = ["route", "direction", "quality"];
    let rows = daemon.metrics().unwrap().group("zc_copied_bytes_total", name, &by).unwrap();
    ["measured", "inferred"].map(|quality| {
        let key = ["read", "to_user", quality].map(str::to_owned);
        rows.get(key.as_slice()).copied().unwrap_or(0)
    })
}

fn run_pipe(name: &str, repeat: &str) {
    let stage = programs::Stage::new().unwrap();
    let mut command = stage.workload(name).unwrap();
    command.args(["pipe", "run", "--repeat", repeat, "--chunk", "4093", "--dir"]).arg(stage.path());
    assert!(command.args(["--bytes", &BYTES.to_string()]).status().unwrap().success());
}

/// A kretprobe follows twice as many calls as there are CPUs, or ten (`register_kretprobe`,
/// kernel/kprobes.c, 5.10 to 7.3); readers that wait take them all.
#[test]
fn calls_that_are_not_followed_are_inferred_and_counted() {
    if !kernel::hooks_functions() {
        return nothing_is_measured();
    }
    const READERS: usize = 128;
    let daemon = Daemon::start_with(&["--max-groups", "2000", "--hooks", "kprobes"]).unwrap();
    let (ends, readers): (Vec<_>, Vec<_>) = (0..READERS)
        .map(|_| {
            let (mut reader, writer) = pipe().unwrap();
            (writer, thread::spawn(move || reader.read(&mut [0]).unwrap()))
        })
        .unzip();
    // Until all of them wait.
    thread::sleep(Duration::from_secs(2));
    let before = daemon.missed_copies().unwrap();
    run_pipe("kprobes-null", "0");
    run_pipe("kprobes-run", "1");
    let [measured, inferred] = read_from_pipes(&daemon, "kprobes-run");
    let [measured_null, inferred_null] = read_from_pipes(&daemon, "kprobes-null");
    assert_eq!((measured - measured_null, inferred - inferred_null), (0, BYTES));
    assert!(daemon.missed_copies().unwrap() - before >= BYTES.div_ceil(4093));
    drop(ends);
    assert!(readers.into_iter().all(|reader| reader.join().unwrap() == 0));
}

/// Where the kernel has no kprobes either, every probe of copies says so.
fn nothing_is_measured() {
    let zc = programs::folder().unwrap().join("zc");
    let output = Command::new(zc).args(["doctor", "--json"]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["probes"].as_array().unwrap();
    for (finding, probe) in findings.iter().zip(probes()).filter(|(_, probe)| probe.sees_copies()) {
        let refused = finding["refused"].as_array().unwrap();
        let tried =
            |kind: &str| refused.iter().any(|row| row["hook"].as_str().unwrap().starts_with(kind));
        let entry = matches!(probe.hooks[0].place, Place::Entry(_));
        let [first, last] = if entry { ["fentry/", "kprobe/"] } else { ["fexit/", "kretprobe/"] };
        let by_kprobe = probe.hooks.iter().any(|hook| hook.by_kprobe);
        assert!(finding["hook"].is_null(), "{finding}");
        assert!(tried(first) && tried(last) == by_kprobe, "{finding}");
    }
}
