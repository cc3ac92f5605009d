//! Disks that reach memory by bounce buffers alone, where the kernel was told so.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{fs, process::Command};

use zc_tests::{
    daemon::Daemon,
    kernel,
    programs::{self, Stage},
    verify::{as_well_as_can_be, verify},
};

const BYTES: u64 = 1 << 20;

/// A read is bounced twice: before it, so that what the device does not write stays as it
/// was, and after it (`swiotlb_tbl_map_single`, kernel/dma/swiotlb.c, since 5.18).
const COPIES: u64 = 2;

/// What a file system may read and write beside: its tables and its journal.
const BESIDE: u64 = 256 << 10;

/// Whether the kernel was told so, and what is bounced is seen.
fn is_seen() -> bool {
    let arguments = fs::read_to_string("/proc/cmdline").unwrap();
    let forced = arguments.split_whitespace().any(|argument| argument == "swiotlb=force");
    forced && kernel::hooks_functions()
}

/// The bytes are on nobody's account, so they may be its own: that is no pass.
#[test]
fn who_reads_directly_may_be_who_is_bounced() {
    let stage = Stage::new().unwrap();
    let workload = programs::folder().unwrap().join("workload");
    let (workload, dir) = (workload.to_str().unwrap(), stage.path().to_str().unwrap());
    let bytes = BYTES.to_string();
    let line = |action| [workload, "direct-read", action, "--bytes", &bytes, "--dir", dir];
    let [program, arguments @ ..] = line("prepare");
    assert!(Command::new(program).args(arguments).status().unwrap().success());
    rustix::fs::sync();
    let flags = ["--route", "direct_io", "--"];
    let verified = verify(&[as_well_as_can_be(), &flags, &line("run")].concat()).unwrap();
    if is_seen() {
        assert_eq!(verified.code, Some(2), "{verified:?}");
        let unsure = verified.report["unsure"].to_string();
        assert!(unsure.contains("on nobody's account"), "{unsure}");
    } else {
        assert_eq!(verified.code, Some(0), "{verified:?}");
    }
}

#[test]
fn what_a_disk_reads_bounces_where_it_must() {
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    let run = |name: &str, action: &str| {
        let mut command = stage.workload(name).unwrap();
        command.args(["direct-read", action, "--bytes", &BYTES.to_string()]);
        command.arg("--dir").arg(stage.path());
        assert!(command.status().unwrap().success());
    };
    run("bounce-prepare", "prepare");
    rustix::fs::sync();
    let by = ["group", "direction", "quality"];
    let bounced = || {
        let metrics = daemon.metrics().unwrap();
        metrics.rows("zc_copied_bytes_total", ("route", "bounce"), &by).unwrap()
    };
    let before = bounced();
    run("bounce-run", "run");
    let after = bounced();
    if !is_seen() {
        assert!(after.is_empty(), "{after:?}");
        return;
    }
    let key = ["other", "in_kernel", "measured"].map(str::to_owned).to_vec();
    assert!(after.keys().eq([&key]), "{after:?}");
    let read = after[&key] - before.get(&key).copied().unwrap_or(0);
    assert!((COPIES * BYTES..=COPIES * BYTES + BESIDE).contains(&read), "{read}");
    // The process itself copied nothing.
    let own = daemon.metrics().unwrap();
    let own = own.group("zc_copied_bytes_total", "bounce-run", &["route"]).unwrap();
    assert!(!own.contains_key(&vec!["direct_io".to_owned()]), "{own:?}");
}
