//! Disks that reach memory by bounce buffers alone, where the kernel was told so.

use std::fs;

use zc_tests::{daemon::Daemon, kernel, programs::Stage};

const BYTES: u64 = 1 << 20;

/// A read is bounced twice: before it, so that what the device does not write stays as it
/// was, and after it (`swiotlb_tbl_map_single`, kernel/dma/swiotlb.c, since 5.18).
const COPIES: u64 = 2;

/// What a file system may read and write beside: its tables and its journal.
const BESIDE: u64 = 256 << 10;

#[test]
fn what_a_disk_reads_bounces_where_it_must() {
    let arguments = fs::read_to_string("/proc/cmdline").unwrap();
    let forced = arguments.split_whitespace().any(|argument| argument == "swiotlb=force");
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
    if !forced || !kernel::hooks_functions() {
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
