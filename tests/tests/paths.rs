//! `zc paths`: the textbook's numbers come out, of measured parts where this kernel has
//! hooks, and every other row is right or says why it is not.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::mpsc,
    thread,
};

use serde_json::Value;
use zc_tests::{
    kernel,
    programs::{self, Stage},
};

const SIZE: &str = "8MiB";

fn zc(flags: &[&str]) -> Output {
    let zc = programs::folder().unwrap().join("zc");
    Command::new(zc).arg("paths").args(flags).output().unwrap()
}

/// The report of a run with its files in a folder.
fn report(dir: &Path, flags: &[&str]) -> Value {
    let dir = dir.to_str().unwrap();
    let output = zc(&[&["--json", "--size", SIZE, "--dir", dir], flags].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn row<'a>(report: &'a Value, path: &str) -> &'a Value {
    let rows = report["paths"].as_array().unwrap();
    rows.iter().find(|row| row["path"] == path).unwrap()
}

fn number(row: &Value, field: &str) -> f64 {
    row["counted"][field].as_f64().unwrap_or_else(|| panic!("no {field}: {row}"))
}

/// Within one per cent.
fn is_near(row: &Value, field: &str, wanted: f64) {
    let is = number(row, field);
    assert!((is - wanted).abs() <= 0.01 * wanted.max(1.0), "{field} is to be {wanted}: {row}");
}

/// CPU copies of user memory and within the kernel, transfers by disk and network card, and
/// mode switches of a request.
const TEXTBOOK: [(&str, [f64; 5]); 5] = [
    ("read+write", [2.0, 0.0, 1.0, 1.0, 4.0]),
    ("mmap+write", [1.0, 0.0, 1.0, 1.0, 4.0]),
    ("sendfile", [0.0, 1.0, 1.0, 1.0, 2.0]),
    ("sendfile+sg", [0.0, 0.0, 1.0, 1.0, 2.0]),
    ("direct-io", [0.0, 0.0, 1.0, 0.0, 2.0]),
];

fn is_as_the_textbook_says(row: &Value, [user, in_kernel, disk, net, switches]: [f64; 5]) {
    // Without hooks nothing tells what is gathered for a device.
    let seen = kernel::hooks_functions() || row["path"] != "sendfile";
    is_near(row, "cpu_user", user);
    is_near(row, "disk", disk);
    is_near(row, "net", net);
    let exact = number(row, "mode_switches") - switches;
    assert!(exact.abs() < f64::EPSILON, "{row}");
    let quality = if kernel::hooks_functions() { "measured" } else { "inferred" };
    assert_eq!(row["counted"]["quality"], quality, "{row}");
    if seen {
        is_near(row, "cpu_in_kernel", in_kernel);
        is_near(row, "copies", user + in_kernel + disk + net);
        assert_eq!(row["verdict"], "as_textbook", "{row}");
    } else {
        assert!(row["counted"]["cpu_in_kernel"].is_null(), "{row}");
        assert!(row["counted"]["copies"].is_null(), "{row}");
        assert_eq!(row["verdict"], "cannot_tell", "{row}");
    }
}

/// A row that could not be run, and says why.
fn cannot_run(row: &Value, why: &str) {
    assert_eq!(row["verdict"], "cannot_run", "{row}");
    assert!(row["why"].as_str().unwrap().contains(why), "{row}");
    assert!(row["counted"].is_null(), "{row}");
}

/// Sent by reference from the memory of a process to a receiver on this machine.
fn is_copied_for_the_receiver(row: &Value) {
    if kernel::hooks_functions() {
        is_near(row, "cpu_user", 0.0);
        is_near(row, "cpu_in_kernel", 1.0);
        assert_eq!(row["verdict"], "differs", "{row}");
        assert!(row["why"].as_str().unwrap().contains("the receiver is on this machine"), "{row}");
    } else {
        assert!(row["counted"]["cpu_user"].is_null(), "{row}");
        assert_eq!(row["verdict"], "cannot_tell", "{row}");
    }
    is_near(row, "net", 1.0);
}

fn is_zero_copy(row: &Value) {
    is_near(row, "cpu_user", 0.0);
    is_near(row, "cpu_in_kernel", 0.0);
    assert_eq!(
        (&row["verdict"], &row["zero_copy"]),
        (&"as_textbook".into(), &true.into()),
        "{row}"
    );
}

fn is_encrypted_where_it_lies(row: &Value, dir: &Path) {
    if !kernel::runs("ktls-sendfile", dir) {
        cannot_run(row, "no TLS of its own");
    } else if row["verdict"] == "cannot_run" && kernel::version() < (6, 5) {
        // Its sendfile can wait for ever for a send buffer that is full (seen on 6.1).
        cannot_run(row, "it was not done within");
    } else {
        is_zero_copy(row);
    }
}

fn touches_cost_what_they_touch(report: &Value) {
    let faults = |path| {
        let faults = row(report, path)["counted"]["page_faults"].as_array().unwrap();
        faults.iter().map(|faults| faults.as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((faults("mmap-lazy"), faults("mmap-touched")), (0, 256));
    for path in ["mmap-lazy", "mmap-touched"] {
        assert_eq!(row(report, path)["verdict"], "as_textbook");
    }
}

#[test]
fn every_row_is_right_or_says_why() {
    let stage = Stage::new().unwrap();
    let report = report(stage.path(), &["--to", "veth"]);
    for (path, numbers) in TEXTBOOK {
        is_as_the_textbook_says(row(&report, path), numbers);
    }
    touches_cost_what_they_touch(&report);
    is_zero_copy(row(&report, "splice"));
    is_zero_copy(row(&report, "vmsplice"));
    is_zero_copy(row(&report, "tcp-zerocopy-receive"));
    is_copied_for_the_receiver(row(&report, "msg-zerocopy"));
    let send_zc = row(&report, "io_uring-send-zc");
    if kernel::version() >= (6, 0) {
        is_copied_for_the_receiver(send_zc);
    } else {
        cannot_run(send_zc, "no SEND_ZC");
    }
    for path in ["io_uring", "io_uring-fixed"] {
        let row = row(&report, path);
        is_near(row, "cpu_user", 2.0);
        is_near(row, "copies", 4.0);
    }
    is_encrypted_where_it_lies(row(&report, "ktls-sendfile"), stage.path());
    let left = fs::read_dir(stage.path()).unwrap().count();
    assert_eq!(left, 0, "files were left behind");
}

/// Where a file system shares blocks, nothing is copied; where it does not, all is.
#[test]
fn files_are_shared_or_copied() {
    let shared = env::var_os(kernel::REFLINK).map(PathBuf::from);
    let stage = Stage::new().unwrap();
    let only = ["--only", "reflink", "--only", "copy-file-range"];
    let here = report(stage.path(), &only);
    assert_eq!(here["paths"].as_array().unwrap().len(), 2);
    if here["file_system"] == "ext4" {
        cannot_run(row(&here, "reflink"), "shares no blocks");
        let copied = row(&here, "copy-file-range");
        is_near(copied, "cpu_in_kernel", 1.0);
        is_near(copied, "disk", 2.0);
        assert_eq!(copied["verdict"], "as_textbook", "{copied}");
    }
    let Some(shared) = shared else { return };
    let there = report(&shared, &only);
    is_zero_copy(row(&there, "reflink"));
    let copied = row(&there, "copy-file-range");
    assert_eq!(copied["zero_copy"], true, "{copied}");
}

#[test]
fn without_a_device_there_is_no_transfer_and_no_row_without_scatter_gather() {
    let stage = Stage::new().unwrap();
    let only = ["--only", "read+write", "--only", "sendfile"];
    let report = report(stage.path(), &[&["--to", "loopback"], &only[..]].concat());
    cannot_run(row(&report, "sendfile"), "the loopback always has scatter-gather");
    let sent = row(&report, "read+write");
    is_near(sent, "copies", 3.0);
    assert_eq!(sent["why"], "there is no network card");
}

#[test]
fn any_sink_that_reads_will_do() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let to = listener.local_addr().unwrap().to_string();
    let (sums, received) = mpsc::channel();
    // More than one comes if events were missed meanwhile.
    thread::spawn(move || {
        for peer in listener.incoming() {
            let read = std::io::copy(&mut peer.unwrap(), &mut std::io::sink()).unwrap();
            sums.send(read).unwrap();
        }
    });
    let stage = Stage::new().unwrap();
    let report = report(stage.path(), &["--to", &to, "--only", "sendfile+sg"]);
    is_near(row(&report, "sendfile+sg"), "cpu_user", 0.0);
    // One request more than are counted.
    assert_eq!(received.recv().unwrap(), (8 << 20) + (64 << 10));
}

#[test]
fn tables_have_the_same_rows() {
    let stage = Stage::new().unwrap();
    let dir = stage.path().to_str().unwrap();
    let flags = ["--only", "mmap-lazy", "--only", "direct-io", "--size", "1MiB", "--dir", dir];
    for (flag, start) in [("--markdown", "| "), ("--to=veth", "")] {
        let output = zc(&[&[flag], &flags[..]].concat());
        let page = String::from_utf8(output.stdout).unwrap();
        for title in ["path", "direct I/O (read)", "mmap of 1000 GB, lazy"] {
            let starts = format!("{start}{title}");
            assert!(page.lines().any(|line| line.starts_with(&starts)), "{page}");
        }
    }
}

/// Each ends with status 2 and one sentence that names what is wrong.
#[test]
fn misuse_is_refused_in_a_sentence() {
    let refused = |flags: &[&str], why: &str| {
        let output = zc(flags);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.contains(why) && output.stdout.is_empty(), "{flags:?}: {said}");
        let sentences =
            said.lines().filter(|line| line.starts_with("zc: ") || line.starts_with("error: "));
        assert_eq!(sentences.count(), 1, "{flags:?}: {said}");
    };
    refused(&["--size", "many"], "\"many\" is no amount of bytes; write 4096, 64KiB or 1MB");
    refused(&["--size", "0"], "out of range");
    refused(&["--to", "eth0"], "\"eth0\" is no receiver; write loopback, veth or HOST:PORT");
    refused(&["--to", "127.0.0.1:port"], "there is no host and port");
    refused(&["--only", "teleport"], "there is no such path; there are read+write, mmap+write");
    refused(&["--dir", "/nonexistent"], "--dir /nonexistent: there is no such folder");
    refused(&["--dir", "/proc"], "name another folder by --dir");
    refused(&["--json", "--markdown"], "cannot be used with");
    refused(&["--threads", "0"], "0 is not in 1..");
    refused(&["--hooks", "none"], "invalid value 'none'");
}
