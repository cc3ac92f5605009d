//! What becomes of the counts while the machine itself changes: CPUs come and go, the clock
//! jumps.
//!
//! Run in a guest only, of two CPUs: a host is not to be changed.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    fs,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use zc_tests::{
    daemon::Daemon,
    programs::Stage,
    storm::{Calm, Storm},
};

/// Between two changes.
const PAUSE: Duration = Duration::from_millis(400);

const STORM: Storm<'_> = Storm { name: "changing", seconds: 4, rate: 5000, exec_every: 100 };

/// Has the second CPU run, or not.
fn second_cpu(runs: bool) {
    fs::write("/sys/devices/system/cpu/cpu1/online", if runs { "1" } else { "0" }).unwrap();
}

/// Begins without the second CPU, which then comes and goes.
#[test]
fn cpus_that_come_and_go_lose_nothing() {
    second_cpu(false);
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    let calm = Calm::run(&stage).unwrap();
    let before = daemon.metrics().unwrap();
    let storm = STORM.start(&stage).unwrap();
    for _ in 0..STORM.seconds {
        for runs in [true, false] {
            sleep(PAUSE);
            second_cpu(runs);
            daemon.metrics().unwrap();
        }
    }
    second_cpu(true);
    let done = storm.end().unwrap();
    eprintln!("{} lives, {} a second", done.lives, done.rate());
    done.is_all_by_name(&calm, &before, &daemon.metrics().unwrap()).unwrap();
}

/// Sets the clock so many seconds forward, or back.
fn jump(seconds: i64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let then = format!("@{}", now.checked_add_signed(seconds).unwrap());
    let status = Command::new("date").args(["-s", &then]).stdout(Stdio::null()).status();
    assert!(status.unwrap().success());
}

#[test]
fn a_clock_that_jumps_changes_nothing() {
    const HOUR: i64 = 3600;
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    let calm = Calm::run(&stage).unwrap();
    let before = daemon.metrics().unwrap();
    let storm = STORM.start(&stage).unwrap();
    for seconds in [HOUR, -HOUR, -HOUR, HOUR] {
        sleep(PAUSE);
        jump(seconds);
        // Nobody asks meanwhile: it looks by itself, whatever time it is.
        sleep(PAUSE);
    }
    let done = storm.end().unwrap();
    done.is_all_by_name(&calm, &before, &daemon.metrics().unwrap()).unwrap();
}
