//! Everyday programs, with the numbers one would write on a napkin; and strace's.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use zc_common::syscall::SYSCALLS;
use zc_tests::{
    daemon::Daemon,
    programs::{Stage, folder},
    scrape::Metrics,
};

const BLOCK: u64 = 64 << 10;
const COUNT: u64 = 1000;
const BYTES: u64 = BLOCK * COUNT;

fn moved(metrics: &Metrics, group: &str, route: &str, endpoint: &str) -> (u64, u64) {
    let key = vec![route.to_owned(), endpoint.to_owned()];
    let value = |family| {
        let rows = metrics.group(family, group, &["route", "endpoint"]).unwrap();
        rows.get(&key).copied().unwrap_or(0)
    };
    (value("zc_transferred_bytes_total"), value("zc_transfers_total"))
}

fn copied(metrics: &Metrics, group: &str, route: &str, direction: &str) -> u64 {
    let rows = metrics.group("zc_copied_bytes_total", group, &["route", "direction"]).unwrap();
    rows.get(&vec![route.to_owned(), direction.to_owned()]).copied().unwrap_or(0)
}

/// A program of this machine under a name of its own.
fn program(stage: &Stage, name: &str, path: &str) -> Command {
    stage.link(name, Path::new(path)).unwrap()
}

fn make_file(stage: &Stage, name: &str) -> String {
    let path = stage.path().join("file").to_str().unwrap().to_owned();
    let mut dd = program(stage, name, "/usr/bin/dd");
    dd.args(["if=/dev/zero", &format!("of={path}"), "bs=64k", &format!("count={COUNT}")]);
    assert!(dd.stderr(Stdio::null()).status().unwrap().success());
    path
}

#[test]
fn dd_reads_zeroes_and_writes_a_file() {
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    make_file(&stage, "t-dd");
    let metrics = daemon.metrics().unwrap();
    assert_eq!(moved(&metrics, "t-dd", "read", "other"), (BYTES, COUNT));
    assert_eq!(moved(&metrics, "t-dd", "write", "file"), (BYTES, COUNT));
    assert_eq!(copied(&metrics, "t-dd", "write", "from_user"), BYTES);
    // /dev/zero fills; what is left is what the loader and the locale read.
    let (libraries, _) = moved(&metrics, "t-dd", "read", "file");
    assert_eq!(copied(&metrics, "t-dd", "read", "to_user"), libraries);
}

#[test]
fn cat_into_cat_passes_a_pipe() {
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    let path = make_file(&stage, "t-cat-make");
    let mut first = program(&stage, "t-cat-1", "/usr/bin/cat")
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut second = program(&stage, "t-cat-2", "/usr/bin/cat");
    second.stdin(first.stdout.take().unwrap()).stdout(Stdio::null());
    assert!(second.status().unwrap().success() && first.wait().unwrap().success());
    // The null twin: what cat reads of files before it comes to its input.
    let mut empty = program(&stage, "t-cat-0", "/usr/bin/cat");
    assert!(empty.arg("/dev/null").stdout(Stdio::null()).status().unwrap().success());
    let metrics = daemon.metrics().unwrap();
    let start = moved(&metrics, "t-cat-0", "read", "file").0;
    assert_eq!(moved(&metrics, "t-cat-1", "read", "file").0 - start, BYTES);
    assert_eq!(moved(&metrics, "t-cat-1", "write", "pipe").0, BYTES);
    assert_eq!(copied(&metrics, "t-cat-1", "write", "from_user"), BYTES);
    assert_eq!(moved(&metrics, "t-cat-2", "read", "pipe").0, BYTES);
    assert_eq!(moved(&metrics, "t-cat-2", "write", "other").0, BYTES);
    assert_eq!(copied(&metrics, "t-cat-2", "write", "from_user"), 0);
}

/// A Python that is a program, not a script that looks for one.
fn python(stage: &Stage, name: &str, script: &str) -> Command {
    let found = Command::new("python3")
        .args(["-c", "import os, sys; print(os.path.realpath(sys.executable))"])
        .output()
        .unwrap();
    let path = String::from_utf8(found.stdout).unwrap();
    let file = stage.path().join(format!("{name}.py"));
    fs::write(&file, script).unwrap();
    let mut command = program(stage, name, path.trim());
    // Found by its own path, not by the link's.
    command.env("PYTHONHOME", Path::new(path.trim()).parent().unwrap().parent().unwrap());
    command.arg(file).stdout(Stdio::null());
    command
}

#[test]
fn pythons_sendfile_copies_nothing() {
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    let path = make_file(&stage, "t-py-make");
    let script = format!(
        "import socket, threading\n\
         near, far = socket.socketpair()\n\
         def drain():\n\
         \x20   left = {BYTES}\n\
         \x20   while left: left -= len(far.recv(1 << 20))\n\
         thread = threading.Thread(target=drain)\n\
         thread.start()\n\
         with open({path:?}, 'rb') as file: assert near.sendfile(file) == {BYTES}\n\
         thread.join()\n"
    );
    assert!(python(&stage, "t-sendfile", &script).status().unwrap().success());
    let metrics = daemon.metrics().unwrap();
    assert_eq!(moved(&metrics, "t-sendfile", "sendfile", "socket").0, BYTES);
    assert_eq!(copied(&metrics, "t-sendfile", "sendfile", "in_kernel"), 0);
    assert_eq!(moved(&metrics, "t-sendfile", "recv", "socket").0, BYTES);
    assert_eq!(copied(&metrics, "t-sendfile", "recv", "to_user"), BYTES);
}

#[test]
fn pythons_copyfile_copies_in_the_kernel() {
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    let path = make_file(&stage, "t-py-make");
    let script = format!("import shutil\nshutil.copyfile({path:?}, {path:?} + '.copy')\n");
    assert!(python(&stage, "t-copyfile", &script).status().unwrap().success());
    let metrics = daemon.metrics().unwrap();
    let (sent, _) = moved(&metrics, "t-copyfile", "sendfile", "file");
    let (ranged, _) = moved(&metrics, "t-copyfile", "copy_file_range", "file");
    assert_eq!(sent + ranged, BYTES);
    assert_eq!(copied(&metrics, "t-copyfile", "sendfile", "in_kernel"), sent);
}

/// Calls by class, from the table that `strace -c` prints.
fn classes_by_strace(table: &str) -> BTreeMap<String, u64> {
    let mut classes = BTreeMap::new();
    for line in table.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let (Some(calls), Some(name)) = (words.get(3), words.last()) else { continue };
        let row = SYSCALLS.iter().find(|row| row.name == *name);
        let (Ok(calls), Some(row)) = (calls.parse::<u64>(), row) else { continue };
        *classes.entry(row.class.name().to_owned()).or_default() += calls;
    }
    classes
}

#[test]
fn strace_counts_the_same_calls() {
    let (daemon, stage) =
        (Daemon::start_with(&["--mode-switches"]).unwrap(), Stage::new().unwrap());
    let table = stage.path().join("strace");
    let link = program(&stage, "t-strace", folder().unwrap().join("workload").to_str().unwrap());
    for action in ["prepare", "run"] {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-c", "-o"]).arg(&table).arg(link.get_program());
        strace.args(["many-threads", action, "--dir"]).arg(stage.path());
        let before = daemon.metrics().unwrap();
        assert!(strace.status().unwrap().success());
        let after = daemon.metrics().unwrap();
        let by_class =
            |metrics: &Metrics| metrics.group("zc_syscalls_total", "t-strace", &["class"]).unwrap();
        let before = by_class(&before);
        let shown: BTreeMap<_, _> = by_class(&after)
            .into_iter()
            .map(|(key, value)| (key[0].clone(), value - before.get(&key).unwrap_or(&0)))
            .filter(|(_, calls)| *calls > 0)
            .collect();
        let text = fs::read_to_string(&table).unwrap();
        assert_eq!(shown, classes_by_strace(&text), "{text}");
    }
}
