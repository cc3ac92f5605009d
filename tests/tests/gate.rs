//! `zc verify` as a gate: statuses, misuse, what it writes, and what its documentation says.
//! On this kernel alone: none of it depends on how copies are seen.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use zc_tests::{
    kernel, programs,
    verify::{as_well_as_can_be, command, verify},
};

/// A folder with a file of 4 MiB, and a program that reads it.
fn stage() -> tempfile::TempDir {
    let stage = tempfile::tempdir().unwrap();
    fs::write(stage.path().join("data"), vec![b'x'; 4 << 20]).unwrap();
    stage
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command().unwrap().args(arguments).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn misuse_is_one_sentence_and_status_2() {
    let stage = stage();
    fs::write(stage.path().join("bad.toml"), "max-copied = 1\nmax-speed = 2\n").unwrap();
    let rows: &[(&[&str], &str)] = &[
        (&[], "required arguments were not provided"),
        (&["--pid", "0"], "0 is not in 1.."),
        (&["--pid", "1", "--cgroup", "/"], "cannot be used with"),
        (&["--pid", "4294967296"], "4294967296 is not in"),
        (&["--pid", "4194305"], "there is no process 4194305; find one with ps"),
        (&["--cgroup", "/nowhere/at/all"], "is no cgroup of version 2"),
        (&["--for", "soon", "--", "true"], "is no time; write 10s"),
        (&["--route", "carrier", "--", "true"], "there is no route \"carrier\"; routes are read"),
        (&["--max-copied", "lots", "--", "true"], "is no amount of bytes; write 4096"),
        (&["--ignore-below", "-1", "--", "true"], "--ignore-below"),
        (&["--max-copies-per-byte", "1e9", "--", "true"], "it must be from 0 to 1000"),
        (&["--max-copies-per-byte", "few", "--", "true"], "invalid float"),
        (&["--policy", "none.toml", "--", "true"], "none.toml cannot be read"),
        (&["--policy", "bad.toml", "--", "true"], "line 2, column 1"),
        (&["--audit", "--", "true"], "cannot be used with"),
        (&["--unit", "nowhere.service"], "systemctl"),
        (&["--stacks", "few", "--", "true"], "invalid digit"),
        (&["--threads", "0", "--", "true"], "0 is not in 1.."),
        (&["--hooks", "tape", "--", "true"], "possible values: best, kprobes"),
        (&["--junit", "/nowhere/file", "--", "true"], "cannot write /nowhere/file"),
        (&["--sarif", "/nowhere/file", "--", "true"], "cannot write /nowhere/file"),
        (&["--", "/nowhere/program"], "cannot run /nowhere/program"),
        (&["--output", "/nowhere/file", "--", "true"], "cannot write /nowhere/file"),
    ];
    for (arguments, said) in rows {
        let output = run(stage.path(), arguments);
        let log = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {log}");
        assert!(log.contains(said), "{arguments:?}: {log}");
        let sentences =
            log.lines().filter(|line| line.starts_with("zc: ") || line.starts_with("error: "));
        assert_eq!((sentences.count(), output.stdout.len()), (1, 0), "{arguments:?}: {log}");
    }
}

#[test]
fn what_cannot_be_told_is_status_2() {
    let stage = stage();
    let data = stage.path().join("data");
    let data = data.to_str().unwrap();
    let unsure = |flags: &[&str], line: &[&str]| {
        let flags = [flags, as_well_as_can_be(), &["--"], line].concat();
        let verified = verify(&flags).unwrap();
        assert_eq!(verified.code, Some(2), "{verified:?}");
        assert_eq!(verified.report["verdict"], "cannot_tell");
        verified.report["unsure"].to_string()
    };
    assert!(unsure(&["--ignore-below", "1MiB"], &["true"]).contains("moved nothing"));
    let failed = unsure(&[], &["sh", "-c", "cat \"$0\"; exit 3", data]);
    assert!(failed.contains("the command failed (status 3)"), "{failed}");
    let killed = unsure(&[], &["sh", "-c", "cat \"$0\"; kill -9 $$", data]);
    assert!(killed.contains("ended by signal 9"), "{killed}");
    let leaves =
        unsure(&["--max-copies-per-byte", "1000"], &["sh", "-c", "sleep 6 & cat \"$0\"", data]);
    assert!(leaves.contains("1 of its processes still run"), "{leaves}");
    // io_setup(2), where the copies that may follow are not seen.
    let setup = "import ctypes; ctypes.CDLL(None).syscall(206, 1, ctypes.byref(ctypes.c_long()))";
    let generous = ["--max-copies-per-byte", "1000"];
    if !kernel::hooks_functions() {
        let aio = unsure(&generous, &["python3", "-I", "-S", "-c", setup]);
        assert!(aio.contains("Linux AIO"), "{aio}");
    }
    // With room for one thread what others did is missed, and said so.
    let generous = ["--threads", "1", "--max-copies-per-byte", "1000"];
    let missed = unsure(&generous, &["sh", "-c", "cat \"$0\" | cat", data]);
    assert!(missed.contains("zc missed"), "{missed}");
}

/// Where ids are not those that the kernel's programs see, nobody is judged.
#[test]
fn in_a_pid_namespace_of_its_own_it_judges_nobody() {
    let zc = programs::folder().unwrap().join("zc");
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc"]).arg(zc).args(["verify", "--", "true"]);
    let output = command.output().unwrap();
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{log}");
    assert!(log.contains("pid namespace of its own") && log.contains("--pid=host"), "{log}");
}

/// A command that does not end by itself is ended, and that is no failure of it.
#[test]
fn a_server_is_judged_for_a_time() {
    let judge = |line: &[&str]| {
        let flags = ["--for", "700ms", "--max-copies-per-byte", "1000", "--"];
        let verified = verify(&[as_well_as_can_be(), &flags, line].concat()).unwrap();
        assert_eq!(verified.code, Some(0), "{verified:?}");
        assert_eq!(verified.report["target"]["running"], 0, "{verified:?}");
        (verified.report["target"]["status"].clone(), verified.output)
    };
    assert_eq!(judge(&["sleep", "1000"]).0["signal"], 15);
    // Asked once, with all that it has become; at last by force.
    let stubborn = "trap 'echo asked' TERM; sleep 1000 & while :; do sleep 0.2; done";
    let (status, said) = judge(&["sh", "-c", stubborn]);
    assert_eq!((&status["signal"], said.as_str()), (&9.into(), "asked\n"));
}

#[test]
fn a_command_has_its_output_to_itself() {
    let stage = stage();
    let flags = [as_well_as_can_be(), &["--json", "--", "cat", "data"]].concat();
    let output = run(stage.path(), &flags);
    assert_eq!(output.stdout, fs::read(stage.path().join("data")).unwrap());
    let log = text(&output.stderr);
    let report: Value = serde_json::from_str(&log[log.find("{\n").unwrap()..]).unwrap();
    assert_eq!((&report["verdict"], output.status.code()), (&"broken".into(), Some(1)));
}

#[test]
fn reports_can_be_had_in_every_form_at_a_time() {
    let stage = stage();
    let forms = ["--output", "zc.txt", "--junit", "zc.xml", "--sarif", "zc.sarif", "--github"];
    let flags = [as_well_as_can_be(), &forms, &["--", "cat", "data"]].concat();
    let output = command().unwrap().args(&flags).current_dir(&stage).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let read = |name| fs::read_to_string(stage.path().join(name)).unwrap();
    assert!(read("zc.txt").starts_with("zc verify: NOT within the policy"), "{}", read("zc.txt"));
    assert!(read("zc.xml").contains("<failure"), "{}", read("zc.xml"));
    let sarif: Value = serde_json::from_str(&read("zc.sarif")).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["level"], "error");
    assert!(text(&output.stderr).contains("\n::error title=zc verify::cat data: "));
    assert_eq!(output.stdout, fs::read(stage.path().join("data")).unwrap());
}

/// Every command line of `docs/verify.md` that begins with `zc verify`, or has it in a
/// step of the workflow, with its files and names, is no misuse; the policy is one.
#[test]
fn the_documentation_can_be_followed() {
    let page = include_str!("../../docs/verify.md");
    let stage = stage();
    let toml = page.split_once("# zero-copy.toml\n").unwrap().1;
    let toml: Vec<_> = toml.lines().map_while(|line| line.strip_prefix("    ")).collect();
    fs::write(stage.path().join("zero-copy.toml"), toml.join("\n")).unwrap();
    program(stage.path(), "send-files", "exec cat data");
    // Units are systemd's to tell.
    program(stage.path(), "systemctl", "echo /");
    let mut seen = 0;
    for line in page.lines().filter_map(|line| line.strip_prefix("    ")) {
        let Some((_, words)) = line.split_once("zc verify ") else { continue };
        let words = words.split('#').next().unwrap().replace("CMD ARGS…", "./send-files");
        let pid = std::process::id().to_string();
        let words = words.replace("--pid N", &format!("--pid {pid}"));
        let words = words.replace("--cgroup PATH", "--cgroup /").replace("10s", "200ms");
        let words = words.replace("1m", "200ms");
        let mut arguments: Vec<_> = words.split_whitespace().collect();
        for flag in as_well_as_can_be() {
            arguments.insert(0, flag);
        }
        let path = format!("{}:{}", stage.path().display(), std::env::var("PATH").unwrap());
        let mut command = command().unwrap();
        let output = command.args(&arguments).current_dir(&stage).env("PATH", path);
        let output = output.output().unwrap();
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(said.contains("zc verify: "), "{line}: {said}");
        let broken = output.status.code() == Some(1);
        assert!(broken || !line.ends_with("send-files"), "{line}: {said}");
        seen += 1;
    }
    assert_eq!(seen, 5);
    assert!(fs::read_to_string(stage.path().join("zc.xml")).unwrap().contains("<failure"));
}

/// A shell script.
fn program(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn help_names_every_status() {
    let zc = programs::folder().unwrap().join("zc");
    let output = Command::new(zc).args(["verify", "--help"]).output().unwrap();
    let help = text(&output.stdout);
    for said in ["Status 0: within the policy", "2: cannot tell", "--allow-inferred", "--junit"] {
        assert!(help.contains(said), "{said}: {help}");
    }
}
