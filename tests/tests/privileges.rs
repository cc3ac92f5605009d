//! Least privilege: what the daemon and its clerk hold once they serve, what is denied to them,
//! and that zc does all its work without.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use zc_tests::{daemon::Daemon, programs};

const PATIENCE: Duration = Duration::from_secs(60);

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "it does not come to be so: {what}");
        sleep(Duration::from_millis(50));
    }
}

/// What a thread holds, as the kernel says.
fn held(status: &Path) -> BTreeMap<String, u64> {
    const NAMES: [&str; 7] =
        ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"];
    let text = fs::read_to_string(status).unwrap();
    let fields = text.lines().filter_map(|line| line.split_once(":\t"));
    let fields = fields.filter(|(name, _)| NAMES.contains(name));
    fields.map(|(name, value)| (name.to_owned(), u64::from_str_radix(value, 16).unwrap())).collect()
}

fn of_each_thread(pid: u32) -> Vec<BTreeMap<String, u64>> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.map(|thread| held(&thread.unwrap().path().join("status"))).collect()
}

/// Sets of capabilities, then of `no_new_privs`, then filtered.
fn expected(effective: u64, bounding: u64) -> BTreeMap<String, u64> {
    let rows = [
        ("CapInh", 0),
        ("CapPrm", effective),
        ("CapEff", effective),
        ("CapBnd", bounding),
        ("CapAmb", 0),
        ("NoNewPrivs", 1),
        ("Seccomp", 2),
    ];
    rows.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The only child of the daemon.
fn clerk(pid: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let child = children.trim().parse().unwrap();
    let arguments = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap();
    assert_eq!(arguments, "zc\0clerk\0");
    child
}

fn switches(daemon: &Daemon, group: &str) -> u64 {
    let metrics = daemon.metrics().unwrap();
    metrics.group("zc_context_switches_total", group, &["type"]).unwrap().values().sum()
}

/// What it counts goes up, of a group that was not there before too.
fn counts(daemon: &Daemon, name: &str) {
    let stage = programs::Stage::new().unwrap();
    assert!(stage.workload(name).unwrap().arg("--help").stdout(Stdio::null()).status().is_ok());
    wait_until("a new process has its group", || switches(daemon, name) > 0);
    let before = switches(daemon, "zc");
    wait_until("numbers go up", || switches(daemon, "zc") > before);
}

#[test]
fn no_thread_that_serves_holds_anything() {
    const SYS_ADMIN: u64 = 1 << 21;
    let daemon = Daemon::start_with(&["--interval=0.1"]).unwrap();
    counts(&daemon, "least-counts");
    let threads = of_each_thread(daemon.pid());
    // Its first, two that serve, and the sampler.
    assert!(threads.len() >= 4, "{threads:?}");
    for thread in threads {
        assert_eq!(thread, expected(0, 0));
    }
    let clerk = clerk(daemon.pid());
    assert_eq!(of_each_thread(clerk), [expected(SYS_ADMIN, SYS_ADMIN)]);
    wait_until("the clerk has programs timed", || {
        daemon.page("/metrics").unwrap().contains("zc_observer_share{part=\"programs\"}")
    });
    assert_eq!(daemon.end(Signal::TERM).unwrap().code(), Some(0));
    wait_until("the clerk ends", || !Path::new(&format!("/proc/{clerk}/exe")).exists());
}

#[test]
fn nothing_is_open_but_what_it_reads_and_serves() {
    let daemon = Daemon::start_with(&["--interval=0.1"]).unwrap();
    // What this test was started with, zc may have inherited.
    let own = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let own: Vec<_> = own.filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
    let mut kinds = BTreeMap::<String, usize>::new();
    for entry in fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap() {
        let entry = entry.unwrap();
        let number: u32 = entry.file_name().to_str().unwrap().parse().unwrap();
        // A request's may be gone by now.
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        if number > 2 && (!own.contains(&target) || target == Path::new("/dev/null")) {
            let target = target.to_string_lossy().into_owned();
            let kind = target.strip_prefix("anon_inode:").unwrap_or(&target);
            let kind = kind.split(":[").next().unwrap_or(kind).to_owned();
            *kinds.entry(kind).or_default() += 1;
        }
    }
    let mut of = |kind: &str| kinds.remove(kind).unwrap_or_default();
    // It asks programs what they missed; a link is what keeps one attached.
    assert_eq!(of("bpf-prog"), of("bpf_link"));
    // Slots, who has which, which are free, what CPUs keep, cgroups, requests, and the log.
    assert!(of("bpf-map") <= 7, "maps that only programs use");
    // The listener, the clerk's, the pair by which signals are told, and its copy.
    assert!(of("socket") <= 5);
    // By what threads wait; its standard input, as the runtime takes it; the types of maps.
    for kind in ["[eventpoll]", "[eventfd]", "/dev/null", "btf"] {
        assert!(of(kind) <= 2, "{kind}");
    }
    // The second in twenty that the kernel times programs.
    assert!(of("bpf-stats") <= 1);
    assert!(kinds.is_empty(), "{kinds:?}");
}

/// The lines of a trace that show that a call was denied.
fn denied(trace: &str) -> Vec<&str> {
    trace.lines().filter(|line| line.contains("EPERM") || line.contains("SIGSYS")).collect()
}

#[test]
fn no_call_is_denied_while_it_serves_sheds_and_ends() {
    let daemon = Daemon::start_with(&["--interval=0.1", "--budget=0.0001%"]).unwrap();
    let stage = programs::Stage::new().unwrap();
    let file = stage.path().join("trace");
    let mut strace = Command::new("strace")
        .args(["-f", "-qq", "-o"])
        .arg(&file)
        .args(["-p", &daemon.pid().to_string()])
        .spawn()
        .unwrap();
    let trace = || fs::read_to_string(&file).unwrap_or_default();
    wait_until("it is traced", || trace().contains("bpf(BPF_MAP_LOOKUP_ELEM"));
    for page in ["/", "/metrics", "/api/v1/processes", "/-/ready"] {
        daemon.page(page).unwrap();
    }
    wait_until("it sheds", || {
        let metrics = daemon.metrics().unwrap();
        metrics.value("zc_probe_up", ("probe", "transfers")).unwrap() == 0
    });
    assert_eq!(daemon.end(Signal::TERM).unwrap().code(), Some(0));
    strace.wait().unwrap();
    let trace = trace();
    assert!(trace.contains("BPF_OBJ_GET_INFO_BY_FD") && trace.contains("accept4("), "{trace}");
    assert_eq!(denied(&trace), Vec::<&str>::new());
}

#[test]
fn what_is_not_in_the_table_is_denied_to_every_thread() {
    const EPERM: &str = "1";
    let confined = programs::folder().unwrap().join("confined");
    let attempt = |calls: &str, what: &str| {
        let output = Command::new(&confined).args([calls, what]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        output.status.signal().map_or(said.trim().to_owned(), |signal| format!("signal {signal}"))
    };
    let rows = [
        ("daemon", "read a file", "0"),
        ("daemon", "tell the manager", "0"),
        ("daemon", "make a thread", "0"),
        ("daemon", "make a file", EPERM),
        ("daemon", "start a program", EPERM),
        ("daemon", "connect", EPERM),
        ("daemon", "run memory", EPERM),
        ("daemon", "signal another", EPERM),
        ("daemon", "set a limit", EPERM),
        ("daemon", "change the root", "signal 31"),
        ("clerk", "read a file", EPERM),
        ("clerk", "tell the manager", EPERM),
        ("clerk", "make a thread", EPERM),
    ];
    for (calls, what, expected) in rows {
        assert_eq!(attempt(calls, what), expected, "{calls}: {what}");
    }
}

#[test]
fn without_a_sandbox_it_keeps_all_and_says_so() {
    let daemon = Daemon::start_with(&["--no-sandbox"]).unwrap();
    let own = held(Path::new("/proc/self/status"));
    for thread in of_each_thread(daemon.pid()) {
        assert_eq!((thread["CapEff"], thread["Seccomp"]), (own["CapEff"], own["Seccomp"]));
    }
    let children = format!("/proc/{0}/task/{0}/children", daemon.pid());
    assert_eq!(fs::read_to_string(children).unwrap(), "");
}

/// Name, policy and priority of each thread (proc(5)).
fn scheduled(pid: u32) -> Vec<(String, u64, u64)> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let threads = threads.map(|thread| thread.unwrap().path());
    let of = |thread: PathBuf| {
        let stat = fs::read_to_string(thread.join("stat")).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let fields: Vec<_> = fields.split(' ').collect();
        let number = |field: usize| fields[field - 3].parse().unwrap();
        let name = fs::read_to_string(thread.join("comm")).unwrap();
        (name.trim().to_owned(), number(41), number(40))
    };
    threads.map(of).collect()
}

/// Those that have a policy of their own, once all have their names: a thread begins under its
/// maker's.
fn in_real_time(flags: &[&str]) -> Vec<(String, u64, u64)> {
    let daemon = Daemon::start_with(flags).unwrap();
    let names = ["zc", "sampler", "tokio-rt-worker"];
    wait_until("its threads have their names", || {
        let threads = scheduled(daemon.pid());
        names.iter().all(|name| threads.iter().any(|(known, ..)| known == name))
    });
    // The clerk begins as its maker is, too.
    let threads = scheduled(daemon.pid()).into_iter().chain(scheduled(clerk(daemon.pid())));
    threads.filter(|(_, policy, priority)| (*policy, *priority) != (0, 0)).collect()
}

#[test]
fn in_real_time_runs_who_reads_alone() {
    const RR: u64 = 2;
    assert_eq!(in_real_time(&["--realtime"]), [("sampler".to_owned(), RR, 1)]);
    assert_eq!(in_real_time(&[]), []);
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-sys_nice", "--inh-caps=-sys_nice"]);
    command.arg(programs::folder().unwrap().join("zc"));
    let output = command.args(["run", "--realtime"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("give it CAP_SYS_NICE"), "{said}");
}

/// A user of its own, with two capabilities: what a unit gives it.
#[test]
fn two_capabilities_do_instead_of_root() {
    let folder = tempfile::tempdir().unwrap();
    // The binary may lie where nobody cannot go.
    let zc = folder.path().join("zc");
    fs::copy(programs::folder().unwrap().join("zc"), &zc).unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.args(["--inh-caps=-all,+bpf,+perfmon", "--ambient-caps=-all,+bpf,+perfmon"]);
    command.args(["--bounding-set=-all,+bpf,+perfmon"]).arg(&zc);
    let mut doctor = Command::new("setpriv");
    doctor.args(command.get_args()).arg("doctor");
    let said = String::from_utf8(doctor.output().unwrap().stdout).unwrap();
    assert!(said.contains("CAP_SYS_ADMIN is not there"), "{said}");
    let daemon = Daemon::start_by(command, &["--interval=0.1"]).unwrap();
    counts(&daemon, "least-user");
    let bounding = 1 << 38 | 1 << 39;
    for thread in of_each_thread(daemon.pid()) {
        assert_eq!(thread, expected(0, bounding));
    }
    let said = |log: &str| log.contains("takes CAP_SYS_ADMIN");
    wait_until("it says what it cannot tell", || said(daemon.began()) || said(&daemon.log()));
    let page = daemon.page("/metrics").unwrap();
    assert!(page.contains("\nprocess_open_fds ") && !page.contains("zc_observer_share{"), "{page}");
    assert_eq!(daemon.end(Signal::TERM).unwrap().code(), Some(0));
}
