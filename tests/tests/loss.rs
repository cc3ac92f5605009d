//! Nothing is lost, or it is counted as lost: attempted = booked + `zc_lost_total`, shown by
//! workloads whose bytes are known to the byte. Where a thread has no slot its bytes are
//! booked to the group `other`, so that over all groups the sum holds even then.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    env, fs,
    os::fd::{AsFd as _, AsRawFd as _},
    process::{Child, Command},
    thread::sleep,
    time::Duration,
};

use aya::maps::{MapInfo, loaded_maps};
use rustix::process::Signal;
use zc_daemon::{
    host,
    kernel::sizes::{Kept, Kind, Sizes},
};
use zc_tests::{
    daemon::Daemon,
    kernel,
    pids::PidMax,
    programs::{Stage, Waiting},
    scrape::Metrics,
    storm::{Calm, Done, NO_SLOT, NO_SLOT_SWITCH, PID_RANGE, Storm, is_moved_somewhere, lost},
};

/// Emulated machines are slow, and there are several: for a shorter time.
fn seconds(native: u64, emulated: u64) -> u64 {
    if kernel::is_guest() { emulated } else { native }
}

fn daemon(flags: &[&str]) -> Daemon {
    Daemon::start_with(&[&["--max-groups", "2000"], flags].concat()).unwrap()
}

/// Slots for a few more threads than there are.
fn few() -> String {
    (host::threads().unwrap() + 400).to_string()
}

/// What was lost for a reason in between.
fn lost_between(before: &Metrics, after: &Metrics, reason: &str) -> u64 {
    lost(after, reason).unwrap() - lost(before, reason).unwrap()
}

/// Something a storm did stands under `other`, and was counted; the sums hold.
fn assert_counted(done: &Done, before: &Metrics, after: &Metrics) {
    let others = done.is_booked(before, after).unwrap();
    let [charges, switches] = [NO_SLOT, NO_SLOT_SWITCH].map(|r| lost_between(before, after, r));
    eprintln!("{others} calls were booked to other; lost: {charges} charges, {switches} switches");
    assert!(others > 0 && others <= charges);
    assert!(switches > 0);
    done.has_its_switches(after, switches).unwrap();
}

/// Five thousand lives a second, or as many as there can be; each is booked. The storm takes
/// every CPU, so there are slots for all that end while the daemon waits some seconds for one.
#[test]
fn a_storm_of_short_lives_is_booked_to_the_byte() {
    let (daemon, stage) = (daemon(&["--threads", "40000"]), Stage::new().unwrap());
    let calm = Calm::run(&stage).unwrap();
    let before = daemon.metrics().unwrap();
    let storm = Storm { name: "storm", seconds: seconds(20, 6), rate: 5000, exec_every: 100 };
    let done = storm.run(&stage).unwrap();
    eprintln!("{} lives, {} a second, {} execs", done.lives, done.rate(), done.execs);
    done.is_all_by_name(&calm, &before, &daemon.metrics().unwrap()).unwrap();
}

/// Commands that run until this is dropped, each in a session of its own: then the scheduler
/// shares out time among them as if they were users.
struct Crowd(Vec<Child>);

impl Crowd {
    fn start(line: &str, count: usize) -> Self {
        let start = |_| Command::new("setsid").args(["sh", "-c", line]).spawn().unwrap();
        Self((0..count).map(start).collect())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A machine that is busy and starts thousands of programs a second has a thread that reads wait
/// for seconds (Linux 6.18: a thread that only computes had 4 % of a processor); not one in real
/// time.
#[test]
fn in_real_time_no_burst_of_programs_starves_who_reads() {
    let daemon = daemon(&["--threads", "40000", "--interval", "0.2", "--realtime"]);
    let before = daemon.metrics().unwrap();
    {
        let _busy = Crowd::start("while :; do :; done", 4);
        let _starting = Crowd::start("while :; do /bin/true; done", 6);
        sleep(Duration::from_secs(8));
    }
    let after = daemon.metrics().unwrap();
    for reason in [NO_SLOT, NO_SLOT_SWITCH] {
        assert_eq!(lost_between(&before, &after, reason), 0, "{reason}");
    }
}

/// For how long the daemon is stopped; the variable makes it longer, as in the field.
fn stop_seconds() -> u64 {
    env::var("ZC_STOP_SECONDS").map_or_else(|_| seconds(8, 5), |text| text.parse().unwrap())
}

/// A storm during which, but for its first second, the daemon is stopped.
fn storm_on_a_stopped(daemon: &Daemon, stage: &Stage, name: &str) -> Done {
    let seconds = 1 + stop_seconds();
    let storm = Storm { name, seconds, rate: 1000, exec_every: 100 }.start(stage).unwrap();
    sleep(Duration::from_secs(1));
    daemon.signal(Signal::STOP).unwrap();
    let done = storm.end().unwrap();
    daemon.signal(Signal::CONT).unwrap();
    eprintln!("stopped for {} s, {} lives", stop_seconds(), done.lives);
    done
}

#[test]
fn a_stopped_daemon_with_slots_enough_loses_nothing() {
    // A life takes one, and one more if it becomes another program; the rest is the machine's.
    let slots = (10_000 + 1000 * (1 + stop_seconds())).to_string();
    let (daemon, stage) = (daemon(&["--threads", &slots]), Stage::new().unwrap());
    let calm = Calm::run(&stage).unwrap();
    let before = daemon.metrics().unwrap();
    let done = storm_on_a_stopped(&daemon, &stage, "stopped");
    done.is_all_by_name(&calm, &before, &daemon.metrics().unwrap()).unwrap();
}

#[test]
fn a_stopped_daemon_with_too_few_slots_counts_what_it_loses() {
    let (daemon, stage) = (daemon(&["--threads", &few()]), Stage::new().unwrap());
    let calm = Calm::run(&stage).unwrap();
    let before = daemon.metrics().unwrap();
    let done = storm_on_a_stopped(&daemon, &stage, "stopped");
    assert_counted(&done, &before, &daemon.metrics().unwrap());
    assert_recovers(&daemon, &stage, &calm);
}

/// Once there are slots again, all is booked by name again.
fn assert_recovers(daemon: &Daemon, stage: &Stage, calm: &Calm) {
    let in_use = |metrics: &Metrics| metrics.value("zc_map_entries", ("map", "slots")).unwrap();
    let slots = daemon.metrics().unwrap().value("zc_map_capacity", ("map", "slots")).unwrap();
    let mut before = daemon.metrics().unwrap();
    while in_use(&before) * 2 > slots {
        sleep(Duration::from_millis(20));
        before = daemon.metrics().unwrap();
    }
    let storm = Storm { name: "recovered", seconds: 1, rate: 100, exec_every: 10 };
    let done = storm.run(stage).unwrap();
    done.is_all_by_name(calm, &before, &daemon.metrics().unwrap()).unwrap();
}

/// A team of the workload.
fn team(stage: &Stage, name: &str, threads: u64, flags: &[&str]) -> Waiting {
    let mut command = stage.workload(name).unwrap();
    command.args(["team", "--threads", &threads.to_string(), "--bytes", &EACH.to_string()]);
    command.args(flags);
    Waiting::start(command).unwrap()
}

/// What each thread of a team moves, each time.
const EACH: u64 = 1009;

/// More threads alive than slots.
#[test]
fn a_full_map_books_to_other_and_counts() {
    let (daemon, stage) = (daemon(&["--threads", &few()]), Stage::new().unwrap());
    let slots = daemon.metrics().unwrap().value("zc_map_capacity", ("map", "slots")).unwrap();
    let threads = slots + 200;
    let calm = Calm::run(&stage).unwrap();
    let before = daemon.metrics().unwrap();
    let waiting = team(&stage, "team", threads, &[]);
    let full = daemon.metrics().unwrap();
    let in_use = full.value("zc_map_entries", ("map", "slots")).unwrap();
    assert!(slots / 2 < in_use && in_use <= slots, "{in_use} of {slots}");
    waiting.step().unwrap();
    let switches: u64 = TYPES.map(|name| waiting.sum_over_threads(name).unwrap()).into_iter().sum();
    let after = daemon.metrics().unwrap();
    let known = [2 * threads * EACH, 2 * threads];
    let others = is_moved_somewhere(known, &before, &after).unwrap();
    // At least so many have no slot, either time.
    assert!(others >= 2 * (threads - slots), "{others}");
    assert!(others <= lost_between(&before, &after, NO_SLOT));
    // Of the process, whatever it was called: it may be switched before it executes.
    let shown = &daemon.process(waiting.pid()).unwrap()["context_switches"];
    let booked = KINDS.map(|kind| shown[kind].as_u64().unwrap()).into_iter().sum::<u64>();
    let after = daemon.metrics().unwrap();
    let missed = lost_between(&before, &after, NO_SLOT_SWITCH);
    assert!(booked <= switches && switches <= booked + missed, "{booked}+{missed}, {switches}");
    waiting.finish().unwrap();
    assert_recovers(&daemon, &stage, &calm);
}

/// The two kinds of switches, as zc calls them, and as `/proc/PID/status` does.
const KINDS: [&str; 2] = ["voluntary", "involuntary"];
const TYPES: [&str; 2] = ["voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"];

#[test]
fn threads_that_outlive_their_leader_go_on_counting() {
    const THREADS: u64 = 20;
    let (daemon, stage) = (daemon(&[]), Stage::new().unwrap());
    let before = daemon.metrics().unwrap();
    let waiting = team(&stage, "leaderless", THREADS, &["--leaderless"]);
    let pid = waiting.pid();
    for round in 1..=2 {
        let shown = daemon.process(pid).unwrap();
        // One more waits for the standard input; the leader is dead.
        assert_eq!(shown["threads"], THREADS + 1);
        for (kind, name) in KINDS.iter().zip(TYPES) {
            let kernels = waiting.sum_over_threads(name).unwrap();
            assert_eq!(shown["context_switches"][kind], kernels, "{kind}");
        }
        let rows = daemon.metrics().unwrap();
        let rows = rows.group("zc_transferred_bytes_total", "leaderless", &["route", "endpoint"]);
        let moved = rows.unwrap()[&["process_vm", "other"].map(str::to_owned).to_vec()];
        assert_eq!(moved, round * THREADS * EACH);
        if round == 1 {
            waiting.step().unwrap();
        }
    }
    waiting.finish().unwrap();
    let after = daemon.metrics().unwrap();
    let known = [2 * THREADS * EACH, 2 * THREADS];
    assert_eq!(is_moved_somewhere(known, &before, &after).unwrap(), 0);
    assert!(daemon.process(pid).is_err());
}

/// The machine's ids, so few that they wrap soon.
fn few_ids() -> PidMax {
    PidMax::lower_to(host::threads().unwrap() + 1000).unwrap()
}

/// Ids are given again while the slots of the dead wait to be booked: the daemon is stopped
/// while they wrap.
#[test]
fn ids_that_wrap_belong_to_whom_they_are_given() {
    let (daemon, stage) = (daemon(&["--threads", "60000"]), Stage::new().unwrap());
    let pid_max = few_ids();
    let calm = Calm::run(&stage).unwrap();
    let before = daemon.metrics().unwrap();
    let seconds = seconds(2, 10);
    let storm = Storm { name: "wrapping", seconds, rate: 5000, exec_every: 100 };
    let storm = storm.start(&stage).unwrap();
    daemon.signal(Signal::STOP).unwrap();
    let done = storm.end().unwrap();
    daemon.signal(Signal::CONT).unwrap();
    eprintln!("{} lives, {} ids", done.lives, pid_max.now);
    assert!(done.lives > u64::from(pid_max.now), "the ids did not wrap");
    done.is_all_by_name(&calm, &before, &daemon.metrics().unwrap()).unwrap();
}

/// There are more ids than when the daemon started: who has one of those has no slot.
#[test]
fn ids_beyond_those_at_the_start_are_counted() {
    let stage = Stage::new().unwrap();
    let pid_max = few_ids();
    let daemon = daemon(&[]);
    let before = daemon.metrics().unwrap();
    pid_max.restore_beyond().unwrap();
    let storm = Storm { name: "beyond", seconds: 1, rate: 500, exec_every: 10 };
    let done = storm.run(&stage).unwrap();
    let after = daemon.metrics().unwrap();
    assert_counted(&done, &before, &after);
    assert!(lost_between(&before, &after, PID_RANGE) >= done.lives);
}

/// The only ring is that of the programs' debug lines: what it has no room for is lost, and
/// no number with it.
#[test]
fn a_ring_that_overflows_loses_lines_alone() {
    // Each life takes two slots, and none comes back while the daemon is stopped.
    let flags = ["--log.level", "zc=debug", "--threads", "60000"];
    let (daemon, stage) = (daemon(&flags), Stage::new().unwrap());
    let calm = Calm::run(&stage).unwrap();
    let before = daemon.metrics().unwrap();
    daemon.signal(Signal::STOP).unwrap();
    let storm = Storm { name: "chatty", seconds: seconds(5, 15), rate: 5000, exec_every: 1 };
    let done = storm.run(&stage).unwrap();
    daemon.signal(Signal::CONT).unwrap();
    done.is_all_by_name(&calm, &before, &daemon.metrics().unwrap()).unwrap();
    let log = daemon.log();
    let lines = log.lines().filter(|line| line.contains("became another program")).count();
    eprintln!("{} execs, {lines} lines of them", done.execs);
    assert!(lines > 0 && (lines as u64) < done.execs);
}

/// Types of maps (`enum bpf_map_type`, include/uapi/linux/bpf.h).
const HASH: u64 = 1;
const ARRAY: u64 = 2;
const LRU_HASH: u64 = 9;
const STACK: u64 = 23;

/// A map as its `fdinfo` has it.
#[derive(Debug)]
struct Map {
    kind: u64,
    entries: u64,
    memory: u64,
}

/// All maps that are loaded.
fn maps() -> Vec<Map> {
    let map = |info: MapInfo| {
        let held = info.fd().ok()?;
        let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", held.as_fd().as_raw_fd()));
        let text = text.ok()?;
        let number = |name: &str| {
            let mut values = text.lines().filter_map(|line| line.strip_prefix(name));
            values.next()?.strip_prefix(":\t")?.parse().ok()
        };
        Some(Map {
            kind: number("map_type")?,
            entries: number("max_entries")?,
            memory: number("memlock")?,
        })
    };
    loaded_maps().filter_map(|info| map(info.ok()?)).collect()
}

/// What `docs/sizing.md` computes is what the kernel says it took (since 6.4, when it began
/// to tell all of it).
#[test]
fn maps_take_the_memory_that_the_formula_gives() {
    const PAGE: u64 = 4096;
    // A number that no other map has.
    const THREADS: u32 = 23_456;
    let stage = Stage::new().unwrap();
    let template = stage.path().join("by-arguments.toml");
    fs::write(&template, "[[rule]]\nname = \"{argv}\"\n").unwrap();
    let template = template.display().to_string();
    // Confined, it closes maps that no program uses which this kernel takes.
    let threads = THREADS.to_string();
    let _daemon = daemon(&["--no-sandbox", "--threads", &threads, "--group-template", &template]);
    let pids = host::pid_max().unwrap();
    let cpus = u32::try_from(aya::util::nr_cpus().unwrap()).unwrap();
    let cgroups = host::cgroup::hierarchy(None).unwrap().map_or(0, |_| Kept::CGROUPS);
    let identity = Kept { cgroups, argv: true, ..Kept::default() };
    let maps = maps();
    for room in (Sizes { identity, ..Sizes::new(THREADS, pids) }).maps(cpus) {
        let kind = match room.kind {
            Kind::Array => ARRAY,
            Kind::Stack => STACK,
            Kind::Lru => LRU_HASH,
            Kind::Hash(_) => HASH,
        };
        let least = if kernel::version() >= (6, 4) { room.bytes() } else { 0 };
        let fits = |map: &Map| {
            map.kind == kind
                && map.entries == u64::from(room.entries)
                && (least..=room.bytes() + 2 * PAGE).contains(&map.memory)
        };
        assert!(maps.iter().any(fits), "{room:?}, {}: {maps:?}", room.bytes());
    }
}
