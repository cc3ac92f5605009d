//! `zc record`, and what reads its recordings, on exact workloads.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread::sleep,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use zc_tests::{
    daemon::Daemon,
    http::ask,
    programs::{self, Stage},
};

const BYTES: u64 = 300_007;

/// The command line of a case of the workload, prepared.
fn case(stage: &Stage, case: &str, action: &str) -> String {
    let program = programs::folder().unwrap().join("workload");
    let (program, dir) = (program.display(), stage.path().display());
    format!("{program} {case} {action} --bytes {BYTES} --chunk 4096 --dir {dir}")
}

fn sh(script: &str) -> Output {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    output
}

fn zc(arguments: &[&str]) -> Output {
    Command::new(programs::folder().unwrap().join("zc")).args(arguments).output().unwrap()
}

/// Runs a case so many times, in intervals of 100 ms; where that is recorded.
fn recorded(stage: &Stage, of: &str, times: u64) -> PathBuf {
    sh(&case(stage, of, "prepare"));
    let file = stage.path().join(format!("{of}.zc"));
    let line = case(stage, of, "run");
    let script = format!("i=0; while [ $i -lt {times} ]; do {line}; sleep 0.1; i=$((i+1)); done");
    let path = file.to_str().unwrap();
    let flags = ["record", "-o", path, "--interval", "100ms", "--group-by", "comm", "--"];
    let output = zc(&[&flags[..], &["sh", "-c", &script]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    file
}

fn report(file: &Path, flags: &[&str]) -> Value {
    let output = zc(&[&["report", "--json", file.to_str().unwrap()], flags].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Bytes that went into pipes by write.
fn piped(report: &Value) -> u64 {
    let rows = report["transferred"].as_array().unwrap().iter();
    let pipe = |row: &&Value| row["route"] == "write" && row["endpoint"] == "pipe";
    rows.filter(pipe).map(|row| row["bytes"].as_u64().unwrap()).sum()
}

fn nothing_was_missed(report: &Value) -> bool {
    report["lost"].as_object().unwrap().is_empty()
}

#[test]
fn what_is_recorded_sums_to_the_known_bytes() {
    const TIMES: u64 = 5;
    let stage = Stage::new().unwrap();
    let file = recorded(&stage, "pipe", TIMES);
    let whole = report(&file, &[]);
    assert_eq!(
        (&whole["recording"]["whole"], &whole["recording"]["cut"]),
        (&true.into(), &Value::Null)
    );
    if nothing_was_missed(&whole) {
        assert_eq!(piped(&whole), TIMES * BYTES, "{whole}");
    }
    // Each process is there, and has its own.
    let by_process = report(&file, &["--by", "process"]);
    let rows = by_process["rows"].as_array().unwrap();
    let workloads = rows.iter().filter(|row| row["group"] == "workload");
    let pids: std::collections::BTreeSet<_> =
        workloads.map(|row| row["pid"].as_u64().unwrap()).collect();
    assert!(pids.len() as u64 >= TIMES, "{by_process}");
    // Intervals sum to the totals, and join.
    let intervals = whole["timeline"]["intervals"].as_array().unwrap();
    assert!(intervals.len() >= 5, "{whole}");
    let sum: u64 = intervals.iter().map(|row| row["bytes"].as_u64().unwrap()).sum();
    assert_eq!(sum, whole["io"]["bytes"].as_u64().unwrap());
    // Its size is what docs/recordings.md has for it at most.
    let size = fs::metadata(&file).unwrap().len();
    let most = 20_000 + 100 * (intervals.len() * rows.len()) as u64;
    assert!(size <= most, "{size} bytes of {most}");
    let text = String::from_utf8(zc(&["report", file.to_str().unwrap()]).stdout).unwrap();
    assert!(text.starts_with("zc report: command sh -c"), "{text}");
}

/// A figure's verdict.
fn verdict(diff: &Value, of: (&str, Option<&str>), figure: &str) -> String {
    let rows = diff["rows"].as_array().unwrap().iter();
    let mut rows = rows.filter(|row| row["of"] == of.0 && row["name"].as_str() == of.1);
    let row = rows.find(|row| row["figure"] == figure);
    row.unwrap_or_else(|| panic!("no {figure} of {of:?}: {diff:#}"))["verdict"].to_string()
}

#[test]
fn builds_that_copy_less_are_told_from_those_that_vary() {
    const TIMES: u64 = 12;
    let stage = Stage::new().unwrap();
    let copies = recorded(&stage, "read-file", TIMES);
    let again = stage.path().join("again.zc");
    fs::rename(&copies, &again).unwrap();
    let copies = recorded(&stage, "read-file", TIMES);
    let sends = recorded(&stage, "sendfile-file-socket", TIMES);
    let diff = |before: &Path, after: &Path, flags: &[&str]| {
        let files = [before, after].map(|file| file.to_str().unwrap());
        zc(&[&["diff"], &files[..], flags].concat())
    };
    let json = |before: &Path, after: &Path| -> Value {
        let output = diff(before, after, &["--json"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let less = json(&copies, &sends);
    let group = ("group", Some("workload"));
    assert_eq!(verdict(&less, group, "copies_per_byte"), "\"less\"", "{less:#}");
    let sendfile = ("route", Some("sendfile"));
    let sent = verdict(&less, sendfile, "transferred_bytes_per_second");
    assert_eq!(sent, "\"more\"", "{less:#}");
    let same = json(&again, &copies);
    assert_eq!(verdict(&same, group, "copies_per_byte"), "\"same\"", "{same:#}");
    assert_eq!(verdict(&same, ("all", None), "copies_per_byte"), "\"same\"", "{same:#}");
    // A gate of a build.
    let gate = ["--fail-on-more"];
    let statuses = [diff(&sends, &copies, &gate), diff(&copies, &sends, &gate)];
    let statuses = statuses.map(|output| output.status.code());
    assert_eq!(statuses, [Some(1), Some(0)], "{less:#}");
    let text = String::from_utf8(diff(&copies, &sends, &[]).stdout).unwrap();
    assert!(text.contains("\nroute sendfile ") && text.contains(" less "), "{text}");
    let wrong = diff(&copies, Path::new("/nowhere.zc"), &[]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}

#[test]
fn a_recorder_that_is_killed_leaves_what_it_wrote() {
    let stage = Stage::new().unwrap();
    sh(&case(&stage, "pipe", "prepare"));
    let file = stage.path().join("killed.zc");
    let pid = stage.path().join("pid");
    let line = case(&stage, "pipe", "run");
    let script = format!("echo $$ >{}; {line}; exec sleep 100", pid.display());
    let path = file.to_str().unwrap();
    let flags = ["record", "-o", path, "--interval", "50ms", "--", "sh", "-c", &script];
    let mut zc = Command::new(programs::folder().unwrap().join("zc")).args(flags).spawn().unwrap();
    for _ in 0..600 {
        sleep(Duration::from_millis(100));
        // None yet, until it has attached.
        if fs::read(&file).is_ok_and(|bytes| bytes.len() > 8) {
            let seen = report(&file, &[]);
            if seen["transferred"].is_array() && piped(&seen) >= BYTES {
                break;
            }
        }
    }
    // Some intervals in which nothing is piped.
    sleep(Duration::from_millis(300));
    zc.kill().unwrap();
    zc.wait().unwrap();
    let child: i32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(child).unwrap(), Signal::KILL).unwrap();
    // A record of which the half was written is no more than none.
    let bytes = fs::read(&file).unwrap();
    for end in [bytes.len(), bytes.len() - 1] {
        fs::write(&file, &bytes[..end]).unwrap();
        let killed = report(&file, &[]);
        assert_eq!(killed["recording"]["whole"], false, "{killed}");
        let cut = killed["recording"]["cut"].as_str().unwrap();
        assert!(cut.contains("cut short") || cut.contains("ends within a record"), "{cut}");
        if nothing_was_missed(&killed) {
            assert_eq!(piped(&killed), BYTES, "{killed}");
        }
    }
}

/// Waits until a recorder has attached, which is when it writes its header.
fn await_header(file: &Path) {
    for _ in 0..3000 {
        if fs::metadata(file).is_ok_and(|file| file.len() > 8) {
            // It begins to count a look later.
            sleep(Duration::from_millis(500));
            return;
        }
        sleep(Duration::from_millis(100));
    }
    panic!("zc does not come to record into {}", file.display());
}

/// Starts to record others until it is asked to end.
fn recorder(file: &Path, flags: &[&str]) -> std::process::Child {
    let zc = programs::folder().unwrap().join("zc");
    let path = file.to_str().unwrap();
    let record = ["record", "-o", path, "--interval", "200ms", "--group-by", "comm"];
    let child = Command::new(zc).args(record).args(flags).spawn().unwrap();
    await_header(file);
    child
}

fn interrupt(mut zc: std::process::Child) {
    kill_process(Pid::from_child(&zc), Signal::INT).unwrap();
    assert_eq!(zc.wait().unwrap().code(), Some(0));
}

#[test]
fn who_runs_already_is_recorded_by_group_or_alone() {
    let stage = Stage::new().unwrap();
    sh(&case(&stage, "pipe", "prepare"));
    let line = case(&stage, "pipe", "run");
    let files = ["all.zc", "one.zc"].map(|name| stage.path().join(name));
    let go = stage.path().join("go");
    let script =
        format!("until [ -e {} ]; do sleep 0.1; done; {line}; exec sleep 100", go.display());
    let mut child = Command::new("sh").args(["-c", &script]).spawn().unwrap();
    let all = recorder(&files[0], &[]);
    let one = recorder(&files[1], &["--pid", &child.id().to_string()]);
    fs::write(&go, "").unwrap();
    sleep(Duration::from_millis(1500));
    interrupt(all);
    interrupt(one);
    child.kill().unwrap();
    child.wait().unwrap();
    let [all, one] = files.map(|file| report(&file, &[]));
    assert_eq!(
        (&all["recording"]["kind"], &one["recording"]["kind"]),
        (&"machine".into(), &"pid".into())
    );
    let workload = |report: &Value| {
        let rows = report["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["group"] == "workload").unwrap();
        row["transferred_bytes"].as_u64().unwrap()
    };
    assert!(workload(&one) >= 2 * BYTES, "{one}");
    assert_eq!(piped(&one), BYTES, "{one}");
    // Others may use pipes meanwhile, and other tests the workload.
    assert!(piped(&all) >= BYTES && workload(&all) >= workload(&one), "{all}");
}

#[test]
fn what_is_no_recording_is_refused() {
    let stage = Stage::new().unwrap();
    let file = stage.path().join("no.zc");
    fs::write(&file, "no recording at all").unwrap();
    for (file, why) in
        [(file.as_path(), "no recording"), (Path::new("/nowhere.zc"), "cannot be read")]
    {
        let output = zc(&["report", file.to_str().unwrap()]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(why), "{said}");
    }
    let output = zc(&[
        "record",
        "-o",
        "/nowhere/run.zc",
        "--",
        "touch",
        stage.path().join("ran").to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    // No more is run where the disk is full from the start.
    let output = zc(&[
        "record",
        "-o",
        "/dev/full",
        "--",
        "touch",
        stage.path().join("ran").to_str().unwrap(),
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("No space left"), "{said}");
    assert!(!stage.path().join("ran").exists());
}

/// Bytes of a group in each interval of the history, and when that ended.
fn remembered(daemon: &Daemon, query: &str) -> Vec<(u64, f64)> {
    let page = daemon.page(&format!("/api/v1/history?{query}")).unwrap();
    let page: Value = serde_json::from_str(&page).unwrap();
    let bytes = |interval: &Value| {
        let rows = interval["groups"].as_array().unwrap().iter();
        let bytes = rows.map(|row| row["transferred_bytes"].as_u64().unwrap()).sum();
        let [from, seconds] = ["from", "seconds"].map(|key| interval[key].as_f64().unwrap());
        (bytes, from + seconds)
    };
    page["intervals"].as_array().unwrap().iter().map(bytes).collect()
}

#[test]
fn the_daemon_remembers_when_bytes_went() {
    let stage = Stage::new().unwrap();
    sh(&case(&stage, "pipe", "prepare"));
    let mut run = stage.workload("remembered").unwrap();
    let size = BYTES.to_string();
    run.args(["pipe", "run", "--bytes", &size, "--chunk", "4096", "--dir"]).arg(stage.path());
    let daemon = Daemon::start().unwrap();
    sleep(Duration::from_millis(2500));
    let now = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let began = now();
    assert!(run.status().unwrap().success());
    let ended = now();
    sleep(Duration::from_millis(2500));
    let busy: Vec<_> = remembered(&daemon, "last=1m&step=1s&group=remembered")
        .into_iter()
        .filter(|(bytes, _)| *bytes > 0)
        .collect();
    // A reading books what was done since the one before, at most a second and its own length.
    let (first, last) = (busy.first().unwrap().1, busy.last().unwrap().1);
    assert!(first >= began - 0.1 && last <= ended + 2.5, "{began} to {ended}: {busy:?}");
    let bytes: u64 = busy.iter().map(|(bytes, _)| bytes).sum();
    // The same as in the totals: it had done nothing before.
    let groups: Value = serde_json::from_str(&daemon.page("/api/v1/groups").unwrap()).unwrap();
    let groups = groups["groups"].as_array().unwrap();
    let total = groups.iter().find(|row| row["group"] == "remembered").unwrap();
    assert_eq!(total["transferred_bytes"].as_u64(), Some(bytes));
    assert!(bytes >= 2 * BYTES, "{bytes}");
    for step in ["10s", "1m"] {
        let coarse = remembered(&daemon, &format!("last=1h&step={step}&group=remembered"));
        assert_eq!(coarse.iter().map(|(bytes, _)| bytes).sum::<u64>(), bytes, "{step}");
    }
    for (query, why) in
        [("last=soon", "no time"), ("step=7s", "1s, 10s and 1m"), ("x=1", "nothing")]
    {
        let path = format!("/api/v1/history?{query}");
        let answer = ask(daemon.address(), "GET", &path, &[]).unwrap();
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().unwrap().contains(why), "{query}");
    }
    drop(daemon);
    let daemon = Daemon::start_with(&["--history.memory", "0"]).unwrap();
    let answer = ask(daemon.address(), "GET", "/api/v1/history", &[]).unwrap();
    assert_eq!(answer.status, 404);
}
