//! Advice: relays are found, to the byte, and nothing else is taken for one.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::TcpListener,
    path::Path,
    process::Command,
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;
use zc_tests::{
    programs::{self, Stage},
    real::{CASES, scene::Scene},
    workload::{listener_beyond, made_up},
};

const BYTES: u64 = 8 << 20;
const CHUNK: u64 = 16 << 10;
const CALLS: u64 = BYTES / CHUNK;

/// Sends of its own: more than buffers of sockets hold.
const MANY: u64 = 64 << 20;
const LARGE: u64 = 64 << 10;

/// Who takes as many bytes as come, and says how many those were.
fn receiver() -> (String, JoinHandle<u64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let taken = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let (mut buffer, mut taken) = (vec![0; 1 << 16], 0);
        loop {
            match socket.read(&mut buffer).unwrap() {
                0 => return taken,
                more => taken += more as u64,
            }
        }
    });
    (address, taken)
}

/// Who takes [`MANY`] bytes, and after half of them a rest, so that there is a connection to look
/// at.
fn slow_receiver(listener: TcpListener) -> (String, JoinHandle<u64>) {
    let address = listener.local_addr().unwrap().to_string();
    let taken = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let half = io::copy(&mut (&socket).take(MANY / 2), &mut io::sink()).unwrap();
        thread::sleep(Duration::from_secs(1));
        half + io::copy(&mut socket, &mut io::sink()).unwrap()
    });
    (address, taken)
}

/// What is said of who sends [`MANY`] bytes of its own by calls of such a size.
fn on_sends(listener: TcpListener, chunk: u64) -> Value {
    let stage = Stage::new().unwrap();
    let (address, taken) = slow_receiver(listener);
    let (bytes, chunk) = (MANY.to_string(), chunk.to_string());
    let workload = stage.workload("sender").unwrap();
    let program = workload.get_program().to_str().unwrap();
    let sizes = ["--bytes", &bytes, "--chunk", &chunk, "--to", &address];
    let report =
        advice_on(&[&[program, "relay", "--treatment", "write-only"], &sizes[..]].concat());
    assert_eq!(taken.join().unwrap(), MANY);
    report
}

/// Who sends [`BYTES`].
fn sender() -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let sent = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(&data()).unwrap();
    });
    (address, sent)
}

fn data() -> Vec<u8> {
    made_up(usize::try_from(BYTES).unwrap())
}

/// What is said of a command.
fn advice_on(command: &[&str]) -> Value {
    let stage = Stage::new().unwrap();
    let report = stage.path().join("report.json");
    let mut zc = Command::new(programs::folder().unwrap().join("zc"));
    zc.args(["advise", "--all", "--json", "--least", "1KiB", "--output"]).arg(&report).arg("--");
    let output = zc.args(command).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{log}");
    serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap()
}

/// What is said of a workload that moves [`BYTES`].
fn advice(stage: &Stage, treatment: &str, ends: &[&str]) -> Value {
    let (bytes, chunk) = (BYTES.to_string(), CHUNK.to_string());
    let workload = stage.workload("relay").unwrap();
    let program = workload.get_program().to_str().unwrap();
    let treated = ["--treatment", treatment, "--bytes", &bytes, "--chunk", &chunk];
    advice_on(&[&[program, "relay"][..], &treated, ends].concat())
}

fn file(folder: &Path) -> String {
    let file = folder.join("data");
    fs::write(&file, data()).unwrap();
    file.to_str().unwrap().to_owned()
}

fn rows<'a>(report: &'a Value, which: &str) -> &'a Vec<Value> {
    report[which].as_array().unwrap()
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap()
}

/// The one thing that is advised.
fn only(report: &Value) -> &Value {
    let [finding] = &rows(report, "findings")[..] else { panic!("{report:#}") };
    assert!(rows(report, "not_advised").is_empty(), "{report:#}");
    finding
}

/// Calls at which the kernel skipped zc, as it may since 7.0; of whatever process.
fn skipped(report: &Value) -> u64 {
    let skipped = rows(report, "not_seen").iter().filter(|row| row["reason"] == "skipped");
    skipped.map(|row| row["calls"].as_u64().unwrap()).sum()
}

/// Asserts that a number is all there is of calls of such a size, but for those skipped.
fn assert_all(report: &Value, shown: &Value, all: u64, each: u64) {
    let least = all.saturating_sub(skipped(report) * each);
    assert!((least..=all).contains(&shown.as_u64().unwrap()), "{shown} of {all}: {report:#}");
}

/// Asserts that no piece is taken for changed but those whose coming in was skipped: they are held
/// against what was there before.
fn assert_unchanged(report: &Value, finding: &Value) {
    let changed = finding["changed_pieces"].as_u64().unwrap();
    assert!(changed <= skipped(report), "{report:#}");
}

/// Asserts that it is as sure as can be; where calls were skipped it may be less so.
fn assert_sure(report: &Value, finding: &Value) {
    let less = skipped(report) > 0 && finding["confidence"] == "medium";
    assert!(finding["confidence"] == "high" || less, "{report:#}");
}

/// Asserts that every byte is known to be relayed so.
fn assert_relayed(report: &Value, from: &str, to: &str, call: &str) {
    let finding = only(report);
    assert_eq!(advised(report), [["relay", from, to, call]], "{report:#}");
    for bytes in ["bytes", "bytes_out"] {
        assert_all(report, &finding[bytes], BYTES, CHUNK);
    }
    assert_unchanged(report, finding);
    assert_eq!(finding["copies_now"][0], 2, "{report:#}");
    assert!(finding["chance_missed"].as_f64().unwrap() < 0.001, "{report:#}");
}

/// Bytes of a file to a socket, treated so.
fn file_to_socket(treatment: &str) -> Value {
    // From 7.0 the kernel may skip zc at so many calls that it says it cannot tell.
    const ATTEMPTS: u32 = 8;
    let is_told = |report: &Value| skipped(report) == 0 || !rows(report, "findings").is_empty();
    let mut reports = (0..ATTEMPTS).map(|_| once_to_socket(treatment));
    reports.find(is_told).expect("the kernel skips zc each time")
}

fn once_to_socket(treatment: &str) -> Value {
    let stage = Stage::new().unwrap();
    let (file, (address, taken)) = (file(stage.path()), receiver());
    let report = advice(&stage, treatment, &["--from", &file, "--to", &address]);
    assert_eq!(taken.join().unwrap(), BYTES);
    report
}

#[test]
fn a_file_that_is_sent_is_found_to_the_byte() {
    let report = file_to_socket("nothing");
    assert_relayed(&report, "file", "TCP socket", "sendfile");
    let finding = only(&report);
    assert_all(&report, &finding["pieces"], CALLS, 1);
    assert_all(&report, &finding["calls_out"], CALLS, 1);
    assert_eq!(finding["whole_pieces"], finding["pieces"], "{report:#}");
    assert_sure(&report, finding);
    assert_eq!(finding["copies_then"], serde_json::json!([0, 0]), "{report:#}");
    let [least, most] = [0, 1].map(|place| finding["saved_cpu_share"][place].as_f64().unwrap());
    let rate = finding["bytes_per_second"].as_f64().unwrap();
    // From a TB a second to a MB a second, of two copies.
    assert!(2e-12 * rate < least && least <= most && most < 2e-6 * rate, "{report:#}");
}

#[test]
fn pieces_and_other_threads_do_not_hide_it() {
    for (treatment, pieces) in [("pieces", 2), ("other-thread", 1)] {
        let report = file_to_socket(treatment);
        assert_relayed(&report, "file", "TCP socket", "sendfile");
        let finding = only(&report);
        assert_sure(&report, finding);
        assert_all(&report, &finding["pieces"], pieces * CALLS, pieces);
        assert_all(&report, &finding["calls_out"], CALLS, 1);
    }
}

#[test]
fn what_goes_out_in_parts_is_less_sure() {
    let report = file_to_socket("parts");
    assert_relayed(&report, "file", "TCP socket", "sendfile");
    let finding = only(&report);
    assert_eq!((&finding["pieces"], &finding["whole_pieces"]), (&(3 * CALLS).into(), &0.into()));
    assert_eq!(finding["confidence"], "medium", "{report:#}");
}

#[test]
fn a_relay_between_sockets_is_found_to_the_byte() {
    let stage = Stage::new().unwrap();
    let ((from, sent), (to, taken)) = (sender(), receiver());
    let report = advice(&stage, "nothing", &["--from", &from, "--to", &to]);
    sent.join().unwrap();
    assert_eq!(taken.join().unwrap(), BYTES);
    assert_relayed(&report, "TCP socket", "TCP socket", "splice");
}

#[test]
fn one_changed_byte_a_block_is_noticed() {
    for treatment in ["first-byte", "middle-byte"] {
        let report = file_to_socket(treatment);
        assert!(rows(&report, "findings").is_empty(), "{report:#}");
        let [way] = &rows(&report, "not_advised")[..] else { panic!("{report:#}") };
        assert_eq!(way["why"], "it changes bytes on their way", "{report:#}");
        let (changed, rest) = (way["changed_pieces"].as_u64(), way["pieces"].as_u64());
        assert_eq!(changed.unwrap() + rest.unwrap(), CALLS, "{report:#}");
    }
}

#[test]
fn who_relays_nothing_is_left_alone() {
    let stage = Stage::new().unwrap();
    let file = file(stage.path());
    let copy = stage.path().join("copy");
    let copy = copy.to_str().unwrap();
    let cases: [(&str, &[&str]); 3] = [
        ("read-only", &["--from", &file]),
        ("write-only", &["--to", copy]),
        ("other-buffer", &["--from", &file, "--to", copy]),
    ];
    for (treatment, ends) in cases {
        let report = advice(&stage, treatment, ends);
        for which in ["findings", "not_advised"] {
            assert!(rows(&report, which).is_empty(), "{treatment}: {report:#}");
        }
    }
}

/// In the network of the far end there is no process, so that zc finds it nowhere on this machine:
/// to it, it is another one.
#[test]
fn what_is_sent_to_another_machine_may_go_by_reference() {
    let there = |chunk| {
        let report = thread::spawn(move || on_sends(listener_beyond().unwrap(), chunk));
        report.join().unwrap()
    };
    let report = there(LARGE);
    let finding = only(&report);
    let text = |name: &str| finding[name].as_str().unwrap();
    let ends = (text("process"), text("from"), text("to"), text("use"));
    assert_eq!(ends, ("sender", "own memory", "TCP socket", "MSG_ZEROCOPY"), "{report:#}");
    assert_eq!(finding["confidence"], "medium", "{report:#}");
    assert_all(&report, &finding["bytes"], MANY, LARGE);
    assert_all(&report, &finding["large_bytes"], MANY, LARGE);
    assert_all(&report, &finding["calls_out"], MANY / LARGE, 1);
    // Where it is called: in libc, or in a program that has it within.
    let place = &finding["frames"][0];
    let module = place["module"].as_str().unwrap();
    assert!(["/sender", "libc.so.6"].iter().any(|end| module.ends_with(end)), "{report:#}");
    assert!(place["function"].as_str().is_none_or(|name| name.contains("send")), "{report:#}");
    assert_eq!(finding["copies_then"], serde_json::json!([0, 1]), "{report:#}");
    assert_eq!(
        (&finding["remote_connections"], &finding["saved_cpu_share"][0]),
        (&1.into(), &0.0.into())
    );
    assert_not_advised(&there(LARGE / 8), "it sends too little at once");
}

#[test]
fn what_is_sent_over_loopback_may_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let report = on_sends(listener, LARGE);
    assert_not_advised(&report, "over loopback");
    let sender = &rows(&report, "not_advised")[0];
    assert_eq!(
        (&sender["local_connections"], &sender["remote_connections"]),
        (&1.into(), &0.into())
    );
}

/// Asserts that one thing is not advised, for this reason.
fn assert_not_advised(report: &Value, words: &str) {
    assert!(rows(report, "findings").is_empty(), "{report:#}");
    let [row] = &rows(report, "not_advised")[..] else { panic!("{report:#}") };
    assert!(row["why"].as_str().unwrap().contains(words), "{report:#}");
    assert_eq!(row["process"], "sender", "{report:#}");
}

/// What is said of a real program, and how large its file is.
fn advice_on_real(name: &str) -> (Value, u64) {
    let case = CASES.iter().find(|case| case.name == name).unwrap();
    (Scene::new(case).unwrap().advise().unwrap(), case.mib << 20)
}

/// Process, ends and call of each finding.
fn advised(report: &Value) -> Vec<[&str; 4]> {
    let words = ["process", "from", "to", "use"];
    rows(report, "findings").iter().map(|row| words.map(|name| text(row, name))).collect()
}

/// Asserts that this way is the one that is spoken of, and so many percent of the file or more
/// are known to have gone it.
fn assert_finds(name: &str, expected: [&str; 4], percent: u64) {
    let (report, file) = advice_on_real(name);
    let finding = only(&report);
    assert_eq!(advised(&report), [expected], "{name}: {report:#}");
    let bytes = finding["bytes"].as_u64().unwrap();
    // Beside the file there are heads of answers.
    let most = file + (64 << 10);
    assert!((file * percent / 100..=most).contains(&bytes), "{name}: {report:#}");
    assert_unchanged(&report, finding);
    assert_eq!(finding["small_calls"], false, "{name}: {report:#}");
}

/// Asserts that nobody is said to relay anything; what is sent of its own goes over loopback.
fn assert_finds_nothing(name: &str) {
    let (report, _) = advice_on_real(name);
    assert!(rows(&report, "findings").is_empty(), "{name}: {report:#}");
    for row in rows(&report, "not_advised") {
        assert_eq!(row["from"], "own memory", "{name}: {report:#}");
    }
}

#[test]
fn nginx_that_does_without_sendfile_is_found() {
    assert_finds("nginx-no-sendfile", ["nginx", "file", "TCP socket", "sendfile"], 99);
}

#[test]
fn nginx_that_sends_by_reference_is_left_alone() {
    assert_finds_nothing("nginx-sendfile");
}

#[test]
fn nginx_that_compresses_is_left_alone() {
    assert_finds_nothing("nginx-gzip");
}

/// It fills nine buffers a call, of which eight are looked at.
#[test]
fn nginx_between_two_sockets_is_found() {
    assert_finds("nginx-proxy", ["nginx", "TCP socket", "TCP socket", "splice"], 80);
}

#[test]
fn cp_is_found_if_it_reads_and_writes() {
    assert_finds("cp-read-write", ["cp", "file", "file", "copy_file_range"], 100);
}

#[test]
fn cp_that_has_the_kernel_copy_is_left_alone() {
    assert_finds_nothing("cp");
}

#[test]
fn both_ends_of_a_pipe_are_found() {
    let (report, file) = advice_on_real("cat-pipe-cat");
    let mut found = advised(&report);
    found.sort_unstable();
    let expected = [["cat", "file", "pipe", "splice"], ["cat", "pipe", "file", "splice"]];
    assert_eq!(found, expected, "{report:#}");
    for finding in rows(&report, "findings") {
        assert_all(&report, &finding["bytes"], file, 128 << 10);
    }
}

#[test]
fn who_cannot_be_looked_at_is_said() {
    let mut zc = Command::new(programs::folder().unwrap().join("zc"));
    let output = zc.args(["advise", "--pid", "4194305"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no process 4194305"));
}
