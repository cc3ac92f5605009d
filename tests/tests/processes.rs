//! Identity, switches and faults, against `/proc` and against numbers known
//! beforehand.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;
use zc_tests::{
    daemon::Daemon,
    kernel,
    programs::{Stage, Waiting, folder},
    scrape::Metrics,
};

const SWITCHES: &str = "zc_context_switches_total";
const FAULTS: &str = "zc_page_faults_total";
const BY_BACKING: &str = "zc_page_faults_by_backing_total";
const BACKINGS: [&str; 2] = ["anonymous", "file"];
const MISSED_FAULTS: (&str, &str) = ("reason", "recursion_faults");
const MOVED: &str = "zc_transferred_bytes_total";
const CALLS: &str = "zc_transfers_total";

/// Fields of `/proc/PID/stat` (`proc(5)`).
const MINFLT: usize = 10;
const MAJFLT: usize = 12;

/// What `/api/v1/processes` says of a process that stands still equals `/proc`.
fn assert_equals_proc(daemon: &Daemon, waiting: &Waiting) {
    let shown = daemon.process(waiting.pid()).unwrap();
    let switches = &shown["context_switches"];
    assert_eq!(switches["voluntary"], waiting.status("voluntary_ctxt_switches").unwrap());
    assert_eq!(switches["involuntary"], waiting.status("nonvoluntary_ctxt_switches").unwrap());
    let faults = &shown["page_faults"];
    for (name, field) in [("minor", MINFLT), ("major", MAJFLT)] {
        let kernels = waiting.stat(field).unwrap();
        assert_eq!(faults[name], kernels);
        if kernel::hooks_functions() {
            let split = BACKINGS.iter().map(|by| backed(&shown, name, by)).sum();
            assert_all_but_missed(daemon, split, kernels);
        } else {
            assert!(faults["by_backing"].is_null(), "{faults}");
        }
    }
}

/// The faults of one type on pages of one backing.
fn backed(process: &Value, name: &str, backing: &str) -> u64 {
    let rows = process["page_faults"]["by_backing"].as_array().unwrap();
    let row = rows.iter().find(|row| row["type"] == name && row["backing"] == backing);
    row.unwrap()["faults"].as_u64().unwrap()
}

/// As many as there were; where the kernel skipped the program on faults, as it does when
/// that is preempted, and zc says so, up to as many less.
fn assert_all_but_missed(daemon: &Daemon, seen: u64, there_were: u64) {
    let missed = daemon.metrics().unwrap().value("zc_lost_total", MISSED_FAULTS).unwrap();
    assert!(seen <= there_were, "{seen} of {there_were}");
    assert!(there_were - seen <= missed, "{seen} of {there_were}, missed {missed}");
}

#[test]
fn faults_equal_proc_and_the_pages_touched() {
    const PAGES: u64 = 1000;
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    let minor = |name: &str, pages: u64| {
        let mut command = stage.workload(name).unwrap();
        command.args(["faults", "--pages", &pages.to_string()]);
        let waiting = Waiting::start(command).unwrap();
        assert_equals_proc(&daemon, &waiting);
        waiting.finish().unwrap();
        daemon.metrics().unwrap().group(FAULTS, name, &["type"]).unwrap()[&vec!["minor".into()]]
    };
    let (few, many) = (minor("faults-1", 1), minor("faults-1001", 1 + PAGES));
    // The loader's own faults vary by a few: where the stack happens to lie.
    assert!((many - few).abs_diff(PAGES) <= 10, "{few} and {many}");
}

/// Faults by type and backing.
type Faults = BTreeMap<[&'static str; 2], u64>;

/// What a process that has touched one page like it takes for `pages` fresh ones, once
/// `meanwhile` is done; it is left to end.
fn faults_of(
    daemon: &Daemon,
    mut command: Command,
    pages: u64,
    meanwhile: impl FnOnce(),
) -> Faults {
    command.args(["--wait", "--pages", &pages.to_string()]);
    let waiting = Waiting::start(command).unwrap();
    let read = || {
        assert_equals_proc(daemon, &waiting);
        let shown = daemon.process(waiting.pid()).unwrap();
        let keys = ["minor", "major"].iter().flat_map(|name| BACKINGS.map(|by| [*name, by]));
        keys.map(|[name, by]| ([name, by], backed(&shown, name, by))).collect::<Faults>()
    };
    let before = read();
    meanwhile();
    waiting.step().unwrap();
    let mut faults = read();
    waiting.finish().unwrap();
    for (key, count) in &mut faults {
        *count -= before[key];
    }
    faults
}

/// Whether the kernel takes no program on its functions: then there is no series, rather
/// than one of zero.
fn is_withheld(daemon: &Daemon) -> bool {
    let shown = daemon.page("/metrics").unwrap().contains(BY_BACKING);
    assert!(kernel::hooks_functions() || !shown);
    !kernel::hooks_functions()
}

/// A file of so many pages.
fn file_of(stage: &Stage, pages: u64) -> PathBuf {
    let bytes = (pages * 4096).to_string();
    let mut prepare = stage.workload("backed-prepare").unwrap();
    prepare.args(["read-file", "prepare", "--bytes", &bytes, "--dir"]).arg(stage.path());
    assert!(prepare.status().unwrap().success());
    stage.path().join("data")
}

#[test]
fn faults_are_told_by_what_backs_the_page() {
    const PAGES: u64 = 1000;
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    let file = file_of(&stage, PAGES);
    if is_withheld(&daemon) {
        return;
    }
    let of_file = ["--file", file.to_str().unwrap()];
    let cases: [(&str, &[&str], &str, &str); 3] = [
        ("backed-memory", &[], "anonymous", "file"),
        ("backed-file", &of_file, "file", "anonymous"),
        ("backed-shared", &[of_file[0], of_file[1], "--shared"], "file", "anonymous"),
    ];
    for (name, arguments, own, other) in cases {
        for pages in [1, PAGES] {
            let mut command = stage.workload(name).unwrap();
            command.arg("faults").args(arguments);
            let faults = faults_of(&daemon, command, pages, || {});
            // A fault that waits for others to write to the disk may be major.
            let of = |backing| faults[&["minor", backing]] + faults[&["major", backing]];
            assert_all_but_missed(&daemon, of(own), pages);
            assert_eq!(of(other), 0, "{name}: {faults:?}");
        }
        assert_sums_hold(&daemon, name);
    }
}

/// Over backings there are as many as there are at all, in a group whose processes ended.
fn assert_sums_hold(daemon: &Daemon, group: &str) {
    let metrics = daemon.metrics().unwrap();
    let rows = metrics.group(BY_BACKING, group, &["type", "backing"]).unwrap();
    for (key, total) in metrics.group(FAULTS, group, &["type"]).unwrap() {
        let split = rows.iter().filter(|(row, _)| row[0] == key[0]).map(|(_, count)| count);
        assert_all_but_missed(daemon, split.sum(), total);
    }
}

#[test]
fn faults_that_wait_for_a_disk_are_major_and_of_a_file() {
    const PAGES: u64 = 1000;
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    if is_withheld(&daemon) {
        return;
    }
    let path = file_of(&stage, PAGES);
    let mut command = stage.workload("backed-cold").unwrap();
    command.arg("faults").arg("--file").arg(&path);
    let faults = faults_of(&daemon, command, PAGES, || {
        let file = fs::File::open(&path).unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    });
    let count = |name, by| faults[&[name, by]];
    assert!(count("major", "file") >= 1, "{faults:?}");
    assert_all_but_missed(&daemon, count("major", "file") + count("minor", "file"), PAGES);
    assert_eq!(count("major", "anonymous") + count("minor", "anonymous"), 0, "{faults:?}");
}

#[test]
fn switches_equal_proc_and_the_blocks_made() {
    const BLOCKS: u64 = 500;
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    let mut command = stage.workload("switches").unwrap();
    command.args(["switches", "--count", &BLOCKS.to_string()]);
    let waiting = Waiting::start(command).unwrap();
    assert_equals_proc(&daemon, &waiting);
    let shown = daemon.process(waiting.pid()).unwrap();
    let voluntary = shown["context_switches"]["voluntary"].as_u64().unwrap();
    assert!((BLOCKS..BLOCKS + 50).contains(&voluntary), "{voluntary}");
}

/// Keeps every CPU busy while it lives, so that others are switched out unasked.
struct Pressure {
    ended: Arc<AtomicBool>,
}

impl Pressure {
    fn start() -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        for _ in 0..std::thread::available_parallelism().unwrap().get() {
            let ended = Arc::clone(&ended);
            std::thread::spawn(move || while !ended.load(Ordering::Relaxed) {});
        }
        Self { ended }
    }
}

impl Drop for Pressure {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

#[test]
fn execs_lose_no_switch_and_count_none_twice() {
    const EXECS: u64 = 40;
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    let execs = |by: &str| {
        let _pressure = Pressure::start();
        let mut command = stage.workload(&format!("execs-{by}")).unwrap();
        command.args(["execs", "--count", &EXECS.to_string(), "--by", by]);
        Waiting::start(command).unwrap()
    };
    assert_equals_proc(&daemon, &execs("leader"));
    // From a second thread: `/proc/PID/status` has no switches of threads that are
    // gone, but `/proc/PID/stat` has their faults.
    for by in ["thread", "heir"] {
        let waiting = execs(by);
        let shown = daemon.process(waiting.pid()).unwrap();
        assert_eq!(shown["page_faults"]["minor"], waiting.stat(MINFLT).unwrap(), "{by}");
        assert!(comes_to_one_thread(&daemon, waiting.pid()), "{by}");
    }
}

/// Whether a process is shown with one thread once the sampler has looked thoroughly: since
/// 7.0 an exec may leave a slot without its thread, which quick looks take for a live one.
fn comes_to_one_thread(daemon: &Daemon, pid: u32) -> bool {
    const LOOKS: u32 = 16;
    (0..=LOOKS).any(|_| daemon.process(pid).unwrap()["threads"] == 1)
}

/// How often a process has left its CPU.
fn switches_of(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let rows = status.lines().filter(|line| line.contains("ctxt_switches"));
    rows.map(|line| line.rsplit('\t').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// How long a process has run, in nanoseconds, as of the last tick.
fn ran(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// A process that never waits, while this lives.
struct Busy(Child);

impl Busy {
    fn start() -> Self {
        let mut dd = Command::new("dd");
        dd.args(["if=/dev/zero", "of=/dev/null", "bs=1"]).stderr(Stdio::null());
        Self(dd.spawn().unwrap())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Its switches do not tell that it has done something since: that it runs must.
#[test]
fn who_never_leaves_its_cpu_is_counted_at_each_look() {
    const LOOKS: u32 = 100;
    /// More in a row than there are looks that leave nothing out.
    const STILL: u32 = 10;
    let daemon = Daemon::start_with(&["--mode-switches"]).unwrap();
    let busy = Busy::start();
    let pid = busy.0.id();
    let calls = || daemon.process(pid).unwrap()["mode_switches"].as_u64().unwrap();
    sleep(Duration::from_millis(500));
    let (mut before, mut still) = (calls(), 0);
    let (began, ran_before) = (Instant::now(), ran(pid));
    for _ in 0..LOOKS {
        let (switches, began) = (switches_of(pid), ran(pid));
        sleep(Duration::from_millis(30));
        let has_run = ran(pid) > began;
        let now = calls();
        assert!(now > before || !has_run, "{now} after {before}");
        still += u32::from(has_run && switches == switches_of(pid));
        before = now;
    }
    // On one CPU it leaves that to the daemon at each look, on a busy machine to others.
    let share = (ran(pid) - ran_before) as f64 / began.elapsed().as_nanos() as f64;
    eprintln!("it stood still for {still} of {LOOKS} looks, and had {share:.2} of a CPU");
    assert!(share < 0.95 || still >= STILL, "{still}, {share}");
}

#[test]
fn two_thousand_short_lives_are_all_booked() {
    const LIVES: u64 = 2000;
    const EACH: u64 = 4096;
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    let mut prepare = stage.workload("spawn-prepare").unwrap();
    prepare.args(["read-file", "prepare", "--bytes", "4096", "--dir"]).arg(stage.path());
    assert!(prepare.status().unwrap().success());
    let spawn = |name: &str, count: u64| {
        let mut command = stage.workload(name).unwrap();
        command.args(["spawn", "--count", &count.to_string(), "--dir"]).arg(stage.path());
        assert!(command.status().unwrap().success());
    };
    let before = daemon.metrics().unwrap();
    spawn("spawn-0", 0);
    spawn("spawn-2000", LIVES);
    let metrics = daemon.metrics().unwrap();
    let missed = daemon.missed().unwrap();
    let may_be = kernel::version() >= (7, 0) || kernel::hooks_functions();
    assert!(missed == 0 || may_be, "{missed} skipped of tracepoints before 7.0");
    for (row, each) in [(["read", "file"], EACH), (["write", "other"], EACH)] {
        let key = row.map(str::to_owned).to_vec();
        let value = |family, group: &str| {
            let rows = metrics.group(family, group, &["route", "endpoint"]).unwrap();
            rows.get(&key).copied().unwrap_or(0)
        };
        let calls = value(CALLS, "spawn-2000") - value(CALLS, "spawn-0");
        let bytes = value(MOVED, "spawn-2000") - value(MOVED, "spawn-0");
        assert_eq!(bytes, calls * each, "{row:?}");
        // What the kernel skipped is counted; elsewhere it is nothing.
        assert!(calls <= LIVES && LIVES - calls <= missed, "{row:?}: {calls}, missed {missed}");
    }
    // Each life is switched out at least once: when it ends.
    let switches = metrics.group(SWITCHES, "spawn-2000", &["type"]).unwrap();
    assert!(switches.values().sum::<u64>() >= LIVES);
    for reason in ["no_slot", "no_slot_switch", "pid_range"] {
        let lost = |metrics: &Metrics| metrics.value("zc_lost_total", ("reason", reason)).unwrap();
        assert_eq!(lost(&metrics), lost(&before), "{reason}");
    }
}

/// Runs a program of ours as process `pid`, by asking for the next pid until the
/// kernel gives that one.
fn run_as(stage: &Stage, name: &str, pid: u32, bytes: u64) -> bool {
    fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).unwrap();
    let mut command = stage.workload(name).unwrap();
    command.args(["write-null", "run", "--bytes", &bytes.to_string(), "--dir"]).arg(stage.path());
    let mut child = command.spawn().unwrap();
    let got = child.id();
    assert!(child.wait().unwrap().success());
    got == pid
}

#[test]
fn a_reused_pid_is_another_process() {
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    let first = Command::new("true").spawn().unwrap();
    let pid = first.id() + 100;
    assert!(first.wait_with_output().unwrap().status.success());
    let mut got = 0;
    for (life, name) in ["reuse-a", "reuse-b", "reuse-c"].iter().enumerate() {
        let bytes = 1000 * (life as u64 + 1);
        got += u32::from(run_as(&stage, name, pid, bytes));
        let metrics = daemon.metrics().unwrap();
        let rows = metrics.group(MOVED, name, &["route", "endpoint"]).unwrap();
        assert_eq!(rows[&vec!["write".to_owned(), "other".to_owned()]], bytes, "{name}");
    }
    assert!(got >= 2, "the kernel gave the pid only {got} times");
}

#[test]
fn a_renamed_process_is_booked_under_each_name() {
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    let mut command = stage.workload("before").unwrap();
    command.args(["rename", "--to", "renamed"]);
    let waiting = Waiting::start(command).unwrap();
    let shown = daemon.process(waiting.pid()).unwrap();
    assert_eq!(shown["comm"], "renamed");
    let metrics = daemon.metrics().unwrap();
    let null = |name: &str| {
        let rows = metrics.group(MOVED, name, &["route", "endpoint"]).unwrap();
        rows.get(&vec!["write".to_owned(), "other".to_owned()]).copied().unwrap_or(0)
    };
    assert_eq!((null("before"), null("renamed")), (5, 7));
}

#[test]
fn what_has_no_slot_is_counted_as_lost_and_booked_to_other() {
    const BYTES: u64 = 1 << 20;
    let stage = Stage::new().unwrap();
    let daemon = Daemon::start_with(&["--threads", "1"]).unwrap();
    let mut command = stage.workload("homeless").unwrap();
    command.args(["write-null", "run", "--bytes", &BYTES.to_string(), "--dir"]).arg(stage.path());
    assert!(command.status().unwrap().success());
    let metrics = daemon.metrics().unwrap();
    assert!(metrics.value("zc_lost_total", ("reason", "no_slot")).unwrap() >= 16);
    assert!(metrics.value("zc_lost_total", ("reason", "no_slot_switch")).unwrap() >= 1);
    let written: u64 = ["homeless", "other"]
        .iter()
        .map(|group| {
            let rows = metrics.group(MOVED, group, &["route", "endpoint"]).unwrap();
            rows.get(&vec!["write".to_owned(), "other".to_owned()]).copied().unwrap_or(0)
        })
        .sum();
    assert!(written >= BYTES, "{written} of {BYTES} bytes are in no group");
}

#[test]
fn counters_never_go_backwards_while_processes_come_and_go() {
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    let churn = |name: &str| {
        let mut command = stage.workload(name).unwrap();
        command.args(["read-zero", "run", "--dir"]).arg(stage.path());
        command.spawn().unwrap()
    };
    let mut before = daemon.metrics().unwrap().counters().unwrap();
    for round in 0..10 {
        let mut children: Vec<_> = (0..4).map(|n| churn(&format!("churn-{n}"))).collect();
        if round % 2 == 0 {
            sleep(Duration::from_millis(20));
        }
        let now = daemon.metrics().unwrap().counters().unwrap();
        for (series, value) in &before {
            let later = now.get(series).copied();
            assert!(later >= Some(*value), "{series}: {value}, then {later:?}");
        }
        before = now;
        for child in &mut children {
            assert!(child.wait().unwrap().success());
        }
    }
    assert!(folder().unwrap().join("zc").exists());
}
