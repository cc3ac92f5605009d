//! `zc verify` on exact workloads: the verdict, the bytes, and whose they are.
//!
//! Where the kernel refuses programs on functions copies are inferred: then the same holds
//! with `--allow-inferred`, and without it the verdict must be "cannot tell".

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use rustix::process::Signal;
use zc_tests::{
    cgroup::Cgroup,
    kernel,
    programs::{self, Stage, Waiting},
    verify::{Verified, as_well_as_can_be, complete, verify},
    watching::Watching,
};

const BYTES: u64 = 300_007;

/// The command line of a case of the workload, so often, and its preparation.
fn case(stage: &Stage, case: &str, repeat: u64) -> Vec<String> {
    let program = programs::folder().unwrap().join("workload");
    let line = |action: &str| {
        let words = ["--bytes", "300007", "--chunk", "4096", "--dir"];
        let mut line = vec![program.display().to_string(), case.to_owned(), action.to_owned()];
        line.extend(words.map(str::to_owned));
        line.push(stage.path().display().to_string());
        line
    };
    let prepare = line("prepare");
    assert!(Command::new(&prepare[0]).args(&prepare[1..]).status().unwrap().success());
    let mut run = line("run");
    run.extend(["--repeat".to_owned(), repeat.to_string()]);
    run
}

/// The verdict on a command line.
fn judge(flags: &[&str], command: &[String]) -> Verified {
    let flags = flags.iter().map(ToString::to_string);
    let words: Vec<_> = flags.chain(["--".to_owned()]).chain(command.iter().cloned()).collect();
    verify(&words).unwrap()
}

#[test]
fn what_reads_is_broken_and_why() {
    let stage = Stage::new().unwrap();
    let line = case(&stage, "read-file", 8);
    let verified = judge(as_well_as_can_be(), &line);
    assert_eq!(verified.code, Some(1), "{verified:?}");
    let copied = verified.sum("copied", "bytes", &[("route", "read")]);
    let moved = verified.sum("transferred", "bytes", &[("route", "read")]);
    assert!(copied == moved && moved >= 8 * BYTES, "{verified:?}");
    assert_eq!(verified.report["reasons"][0]["code"], "consumed");
    assert_eq!(verified.report["target"]["status"]["exit_code"], 0);
    if kernel::hooks_functions() {
        let inferred = verified.sum("copied", "bytes", &[("quality", "inferred")]);
        assert_eq!(inferred, 0, "{verified:?}");
    } else {
        // What is inferred is no evidence.
        let verified = judge(&[], &line);
        assert_eq!(verified.code, Some(2), "{verified:?}");
        assert!(verified.report["unsure"].to_string().contains("inferred here"), "{verified:?}");
    }
}

#[test]
fn what_reads_directly_passes() {
    let stage = Stage::new().unwrap();
    let line = case(&stage, "direct-read", 8);
    let verified = judge(&[as_well_as_can_be(), &["--route", "direct_io"]].concat(), &line);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert_eq!(verified.report["copied_bytes"]["most"], 0);
    // The twin: a limit on what there is none of.
    let verified = judge(&[as_well_as_can_be(), &["--route", "sendfile"]].concat(), &line);
    assert_eq!(verified.code, Some(1), "{verified:?}");
    let broken = verified.report["broken"].to_string();
    assert!(broken.contains("nothing went by sendfile (but"), "{broken}");
}

/// Waits until a script has made a file.
fn await_file(path: &Path) {
    for _ in 0..6000 {
        if path.exists() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("a script does not come to make {}", path.display());
}

/// Of a parent and a child that sleep throughout, so that no probe ever sees them, the
/// grandchild does all the work, and goes on when the watch is over.
#[test]
fn grandchildren_of_processes_that_sleep_are_counted() {
    let stage = Stage::new().unwrap();
    let line = case(&stage, "pipe", 1).join(" ");
    let [script, ready, done] = ["works.sh", "ready", "done"].map(|name| stage.path().join(name));
    let (at, to) = (ready.display(), done.display());
    let works = format!(": >{at}; read _ <&3; {line}; : >{to}; read _ <&3");
    fs::write(&script, works).unwrap();
    let sleeps = format!("exec 3<&0; sh -c 'sh {} & wait' & wait", script.display());
    let verified = complete(|| {
        for file in [&ready, &done] {
            // There is none yet, the first time.
            let _ = fs::remove_file(file);
        }
        let mut parent = Command::new("sh").args(["-c", &sleeps]).stdin(Stdio::piped()).spawn()?;
        await_file(&ready);
        // Both have little left to do until they wait for good.
        sleep(Duration::from_millis(500));
        let pid = parent.id().to_string();
        let flags = [&["--json", "--pid", &pid], as_well_as_can_be()].concat();
        let watching = Watching::start("verify", &flags)?;
        parent.stdin.as_ref().unwrap().write_all(b"\n")?;
        await_file(&done);
        watching.signal(Signal::INT)?;
        let ended = watching.end()?;
        drop(parent.stdin.take());
        parent.wait()?;
        Ok(Verified::from(ended))
    });
    let verified = verified.unwrap();
    assert_eq!((verified.code, moved_by_pipe(&verified)), (Some(1), BYTES), "{verified:?}");
}

/// Grandchildren whose parent ends as soon as it has made them, as a daemon's does: it is seen
/// whose they are when they are made.
#[test]
fn grandchildren_whose_parent_has_ended_are_counted() {
    const EACH: u64 = 20;
    let stage = Stage::new().unwrap();
    let verified = complete(|| {
        let line = case(&stage, "pipe", 1).join(" ");
        let done = stage.path().join("orphans");
        fs::create_dir_all(&done)?;
        let dir = done.display();
        let script = format!(
            "read go; i=0; while [ $i -lt {EACH} ]; do (({line}; : >{dir}/$i) &); i=$((i+1)); \
             done; i=0; while [ $i -lt {EACH} ]; do [ -e {dir}/$i ] && i=$((i+1)) || sleep 0.1; \
             done"
        );
        let mut parent = Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn()?;
        let pid = parent.id().to_string();
        let flags = [&["--json", "--pid", &pid], as_well_as_can_be()].concat();
        let watching = Watching::start("verify", &flags)?;
        drop(parent.stdin.take());
        parent.wait()?;
        fs::remove_dir_all(&done)?;
        Ok(Verified::from(watching.end()?))
    });
    let verified = verified.unwrap();
    let moved = (verified.code, moved_by_pipe(&verified));
    assert_eq!(moved, (Some(1), EACH * BYTES), "{verified:?}");
}

/// What a command leaves may end after it, if it does so soon.
#[test]
fn what_a_command_leaves_is_waited_for() {
    let stage = Stage::new().unwrap();
    let line = case(&stage, "pipe", 1).join(" ");
    let script = format!("(sleep 0.3; {line}) & exit 0");
    let verified = judge(as_well_as_can_be(), &["sh".to_owned(), "-c".to_owned(), script]);
    assert_eq!((verified.code, moved_by_pipe(&verified)), (Some(1), BYTES), "{verified:?}");
    assert_eq!(verified.report["target"]["running"], 0, "{verified:?}");
}

/// Forty processes, half of them orphans whose parent has ended before them: none is
/// missed, nobody else is counted.
#[test]
fn every_descendant_is_counted_whoever_takes_it_in() {
    const EACH: u64 = 20;
    let stage = Stage::new().unwrap();
    let line = case(&stage, "pipe", 1).join(" ");
    let done = stage.path().join("done");
    fs::create_dir(&done).unwrap();
    let dir = done.display();
    let script = format!(
        "i=0; while [ $i -lt {EACH} ]; do {line}; sh -c '({line}; : >{dir}/'$i') & true'; \
         i=$((i+1)); done; ({line}; : >{dir}/last) & \
         i=0; while [ $i -lt {EACH} ]; do [ -e {dir}/$i ] && i=$((i+1)) || sleep 0.1; done; \
         while ! [ -e {dir}/last ]; do sleep 0.1; done"
    );
    let verified = judge(as_well_as_can_be(), &["sh".to_owned(), "-c".to_owned(), script]);
    let moved =
        |route| verified.sum("transferred", "bytes", &[("route", route), ("endpoint", "pipe")]);
    let known = (2 * EACH + 1) * BYTES;
    assert_eq!((moved("read"), moved("write")), (known, known), "{verified:?}");
    let processes = verified.report["target"]["processes"].as_u64().unwrap();
    assert!(processes > 3 * EACH, "{verified:?}");
    assert_eq!(verified.code, Some(1), "{verified:?}");
}

/// A process that waits to do a case of the workload.
fn waiting(stage: &Stage, name: &str) -> Waiting {
    let mut line = case(stage, name, 1).into_iter();
    let mut command = Command::new(line.next().unwrap());
    Waiting::start({
        command.args(line).arg("--wait");
        command
    })
    .unwrap()
}

fn moved_by_pipe(verified: &Verified) -> u64 {
    verified.sum("transferred", "bytes", &[("route", "write"), ("endpoint", "pipe")])
}

/// The verdict on a process that does one case and ends.
fn judge_process(name: &str, flags: &[&str]) -> Verified {
    let stage = Stage::new().unwrap();
    let verified = complete(|| {
        let process = waiting(&stage, name);
        let pid = process.pid().to_string();
        let flags = [&["--json", "--pid", &pid], flags, as_well_as_can_be()].concat();
        let watching = Watching::start("verify", &flags)?;
        process.finish()?;
        Ok(Verified::from(watching.end()?))
    });
    verified.unwrap()
}

#[test]
fn a_process_is_watched_to_its_end() {
    let verified = judge_process("pipe", &[]);
    assert_eq!((verified.code, moved_by_pipe(&verified)), (Some(1), BYTES), "{verified:?}");
    assert_eq!(verified.report["target"]["running"], 0, "{verified:?}");
}

/// The breakpoints count what the ledger does; where there are none, nothing is said.
#[test]
fn a_process_is_audited_while_it_is_judged() {
    let verified = judge_process("pipe", &["--audit"]);
    if kernel::takes_breakpoints() {
        let audit = &verified.report["audit"];
        assert_eq!((verified.code, moved_by_pipe(&verified)), (Some(1), BYTES), "{verified:?}");
        // Before 5.14 pipes are copied by functions beyond the four that are watched.
        let watched = kernel::version() >= (5, 14);
        let seen = audit["breakpoint_bytes"].as_u64().unwrap() >= 2 * BYTES;
        assert_eq!(seen, watched, "{verified:?}");
        assert_ne!(audit["verdict"], "differs", "{verified:?}");
    } else {
        assert_eq!(verified.code, Some(2), "{verified:?}");
        assert!(verified.log.contains("CONFIG_KPROBES"), "{verified:?}");
    }
}

/// One that is in it, one that starts a program in it, one that is not in it.
#[test]
fn a_cgroup_is_watched_until_asked_to_end() {
    let stage = Stage::new().unwrap();
    let cgroup = Cgroup::new("zc-verify-test").unwrap();
    let path = cgroup.path().display().to_string();
    let flags = [&["--json", "--cgroup", &path], as_well_as_can_be()].concat();
    let script = format!("echo $$ >{path}/cgroup.procs; {}", case(&stage, "pipe", 1).join(" "));
    let verified = complete(|| {
        let (inside, outside) = (waiting(&stage, "pipe"), waiting(&stage, "pipe"));
        cgroup.add(inside.pid())?;
        let watching = Watching::start("verify", &flags)?;
        inside.finish()?;
        outside.finish()?;
        assert!(Command::new("sh").args(["-c", &script]).status()?.success());
        watching.signal(Signal::INT)?;
        Ok(Verified::from(watching.end()?))
    });
    let verified = verified.unwrap();
    assert_eq!((verified.code, moved_by_pipe(&verified)), (Some(1), 2 * BYTES), "{verified:?}");
}
