//! A kernel locked down for confidentiality: what cannot be known is unknown.
//!
//! Run in guests only, last: lockdown cannot be undone.

use std::process::Command;

use zc_tests::{
    daemon::Daemon,
    programs::{self, Stage},
};

const BYTES: u64 = 1 << 20;

#[test]
fn endpoints_and_copies_are_unknown_not_zero() {
    assert_eq!(zc_daemon::host::lockdown().as_deref(), Some("confidentiality"));
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    for (case, name) in [("write-null", "locked-write"), ("tcp-send-recv", "locked-send")] {
        let mut command = stage.workload(name).unwrap();
        command.args([case, "run", "--bytes", &BYTES.to_string(), "--dir"]).arg(stage.path());
        assert!(command.status().unwrap().success());
    }
    let metrics = daemon.metrics().unwrap();
    let row = |family, group, key: [&str; 2], by| {
        let rows = metrics.group(family, group, by).unwrap();
        rows.get(key.map(str::to_owned).as_slice()).copied()
    };
    let far = &["route", "endpoint"];
    let moved = "zc_transferred_bytes_total";
    assert_eq!(row(moved, "locked-write", ["write", "unknown"], far), Some(BYTES));
    let unknown = "zc_copy_unknown_bytes_total";
    assert_eq!(row(unknown, "locked-write", ["write", "unknown"], far), Some(BYTES));
    let copied = "zc_copied_bytes_total";
    let across = &["route", "direction"];
    assert_eq!(row(copied, "locked-write", ["write", "from_user"], across), None);
    // A send needs no look at its descriptor: it is a socket.
    assert_eq!(row(moved, "locked-send", ["send", "socket"], far), Some(BYTES));
    assert_eq!(row(copied, "locked-send", ["send", "from_user"], across), Some(BYTES));
}

#[test]
fn no_advice_is_given_blindly() {
    let mut zc = Command::new(programs::folder().unwrap().join("zc"));
    let output = zc.args(["advise", "--for", "1s"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(2), vec![]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("zc cannot tell who relays what"), "{said}");
}
