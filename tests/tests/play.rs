//! `cargo xtask vm play`: what a reader without a stock kernel gets to see.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use zc_tests::scrape::Metrics;

/// The task runner with these arguments, and its scratch files in `scratch`.
fn xtask(arguments: &[&str], scratch: &Path) -> Command {
    let mut command = Command::new(env::var_os("ZC_XTASK").unwrap());
    command.args(arguments).env("TMPDIR", scratch);
    command
}

/// A running `cargo xtask vm play`.
struct Play {
    child: Child,
    /// Held open, for it to write to.
    log: BufReader<ChildStderr>,
    port: u16,
}

impl Play {
    /// Starts it and waits for its address.
    fn start(scratch: &Path) -> Self {
        let mut command = xtask(&["vm", "play", "--port", "0"], scratch);
        let mut child = command.stdout(Stdio::inherit()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut play = Self { child, log, port: 0 };
        let mut said = String::new();
        while play.log.read_line(&mut said).unwrap() > 0 {
            if let Some((_, rest)) = said.split_once("serving http://127.0.0.1:") {
                play.port = rest.split_once('/').unwrap().0.parse().unwrap();
                return play;
            }
        }
        panic!("it does not come to serve: {said}");
    }

    fn metrics(&self) -> Metrics {
        let url = format!("http://127.0.0.1:{}/metrics", self.port);
        let page = ureq::get(&url).call().unwrap().body_mut().read_to_string().unwrap();
        Metrics::parse(&page).unwrap()
    }

    /// QEMUs that forward its port.
    fn machines(&self) -> usize {
        let forward = format!("hostfwd=tcp:127.0.0.1:{}-", self.port);
        let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        let lines = processes.filter_map(|process| fs::read(process.join("cmdline")).ok());
        lines.filter(|line| String::from_utf8_lossy(line).contains(&forward)).count()
    }

    fn interrupt(&mut self) -> ExitStatus {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes that a group copied, as measured, by route and direction.
fn measured(metrics: &Metrics, group: &str, route: &str, direction: &str) -> u64 {
    let by = ["route", "direction", "quality"];
    let rows = metrics.group("zc_copied_bytes_total", group, &by).unwrap();
    let key = [route, direction, "measured"].map(str::to_owned);
    rows.get(&key[..]).copied().unwrap_or(0)
}

/// Bytes that cat sent by sendfile.
fn sent(metrics: &Metrics) -> u64 {
    let by = ["route", "endpoint"];
    let rows = metrics.group("zc_transferred_bytes_total", "cat", &by).unwrap();
    rows.get(&["sendfile", "socket"].map(str::to_owned)[..]).copied().unwrap_or(0)
}

#[test]
fn measured_numbers_grow_until_an_interrupt() {
    /// Scrapes, a second apart, until the bytes must have moved.
    const SCRAPES: usize = 120;
    let scratch = tempfile::tempdir().unwrap();
    let mut play = Play::start(scratch.path());
    assert_eq!(play.machines(), 1);
    let first = play.metrics();
    let copied = |metrics: &Metrics| measured(metrics, "dd", "read", "to_user");
    let grown =
        |metrics: &Metrics| copied(metrics) > copied(&first) && sent(metrics) > sent(&first);
    let last = (0..SCRAPES).find_map(|_| {
        thread::sleep(Duration::from_secs(1));
        Some(play.metrics()).filter(grown)
    });
    let last = last.unwrap();
    // The lesson: what sendfile sends, its caller does not copy.
    let by_cat = last.group("zc_copied_bytes_total", "cat", &["route", "direction"]).unwrap();
    assert!(!by_cat.keys().any(|key| key[0] == "sendfile"), "{by_cat:?}");
    assert!(play.interrupt().success());
    assert_eq!(play.machines(), 0);
    let left: Vec<_> = fs::read_dir(scratch.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_unknown_kernel_is_a_usage_error() {
    let output = xtask(&["vm", "play", "2.6"], Path::new("/tmp")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("'2.6'") && said.contains("6.12"), "{said}");
}
