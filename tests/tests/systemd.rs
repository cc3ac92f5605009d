//! Under a service manager: what it is told, the socket that it passes, and the unit. It need
//! not be running here: the tests stand in for it.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpListener,
    os::{
        fd::AsRawFd as _,
        unix::{fs::PermissionsExt as _, net::UnixDatagram},
    },
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;
use zc_tests::{daemon::Daemon, programs};

fn zc() -> PathBuf {
    programs::folder().unwrap().join("zc")
}

/// What the service manager is told next.
fn told(manager: &UnixDatagram) -> String {
    let mut message = [0; 4096];
    let length = manager.recv(&mut message).unwrap();
    String::from_utf8(message[..length].to_vec()).unwrap()
}

fn told_until(manager: &UnixDatagram, what: &str) -> String {
    loop {
        let message = told(manager);
        if message.lines().any(|line| line.starts_with(what)) {
            return message;
        }
    }
}

#[test]
fn the_service_manager_is_told_how_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut command = Command::new(zc());
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000000");
    let daemon = Daemon::start_by(command, &["--interval=0.1"]).unwrap();
    let ready = told(&manager);
    assert!(ready.starts_with("READY=1\nSTATUS=counts "), "{ready}");
    for _ in 0..3 {
        let alive = told(&manager);
        assert!(alive.starts_with("WATCHDOG=1\nSTATUS=counts "), "{alive}");
    }
    daemon.signal(Signal::HUP).unwrap();
    let reloading = told_until(&manager, "RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    told_until(&manager, "READY=1");
    daemon.signal(Signal::TERM).unwrap();
    told_until(&manager, "STOPPING=1");
    assert_eq!(daemon.end(Signal::TERM).unwrap().code(), Some(0));
}

#[test]
fn a_socket_that_is_passed_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // As systemd does: from 3 on, and for the process that it starts.
    let mut command = Command::new("sh");
    let script = format!(
        "exec 3<&{}; LISTEN_PID=$$ LISTEN_FDS=1 exec {} \"$@\"",
        listener.as_raw_fd(),
        zc().display()
    );
    command.args(["-c", &script, "sh"]);
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).unwrap();
    let daemon = Daemon::start_by(command, &[]).unwrap();
    assert_eq!(daemon.address(), address);
    drop(listener);
    assert_eq!(daemon.page("/-/healthy").unwrap(), "zc is healthy\n");
    assert_eq!(daemon.end(Signal::TERM).unwrap().code(), Some(0));
}

/// The folder of units, with the program that there is.
fn units() -> (tempfile::TempDir, String) {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd");
    let folder = tempfile::tempdir().unwrap();
    let unit = fs::read_to_string(deploy.join("zc.service")).unwrap();
    let here = unit.replace("/usr/bin/zc ", &format!("{} ", zc().display()));
    assert_ne!(here, unit);
    fs::write(folder.path().join("zc.service"), here).unwrap();
    fs::copy(deploy.join("examples/zc.socket"), folder.path().join("zc.socket")).unwrap();
    (folder, unit)
}

fn analyze(arguments: &[&str]) -> String {
    let output = Command::new("systemd-analyze").args(arguments).output().unwrap();
    let [said, errors] = [&output.stdout, &output.stderr].map(|b| String::from_utf8_lossy(b));
    assert!(output.status.success(), "{arguments:?}: {said}{errors}");
    // Where tracefs is not mounted it says that it lists no more than it knows itself.
    let errors: Vec<_> = errors.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(errors.is_empty(), "{arguments:?}: {errors:?}");
    said.into_owned()
}

#[test]
fn the_units_are_right_and_the_service_is_hardened() {
    let (folder, _) = units();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (service, socket) = (path("zc.service"), path("zc.socket"));
    analyze(&["verify", "--man=no", &service, &socket]);
    let report = analyze(&["security", "--no-pager", "--offline=true", &service]);
    let (_, score) = report.split_once("Overall exposure level for zc.service: ").unwrap();
    let score: f64 = score.split(' ').next().unwrap().parse().unwrap();
    println!("systemd-analyze security: {score}");
    assert!(score <= 2.0, "{report}");
}

/// The system calls that the unit leaves, by their names.
fn left(unit: &str) -> BTreeSet<String> {
    let mut sets = BTreeMap::<String, Vec<String>>::new();
    let mut name = String::new();
    for line in analyze(&["--no-pager", "syscall-filter"]).lines() {
        match line.strip_prefix("    ") {
            None => line.clone_into(&mut name),
            Some(call) if call.starts_with('#') => {}
            Some(call) => sets.entry(name.clone()).or_default().push(call.to_owned()),
        }
    }
    fn expand(sets: &BTreeMap<String, Vec<String>>, word: &str) -> BTreeSet<String> {
        match sets.get(word) {
            Some(members) => members.iter().flat_map(|member| expand(sets, member)).collect(),
            None => [word.to_owned()].into(),
        }
    }
    let mut left = expand(&sets, "@default");
    for line in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let words = line.trim_start_matches('~').split(' ');
        let calls = words.flat_map(|word| expand(&sets, word));
        if line.starts_with('~') {
            let denied: BTreeSet<_> = calls.collect();
            left.retain(|call| !denied.contains(call));
        } else {
            left.extend(calls);
        }
    }
    left
}

/// Without a service manager to start it, as it would: its user's kind, its capabilities, its
/// `no_new_privs`; and every call that it makes passes the unit's filter.
#[test]
fn the_daemon_runs_with_what_the_unit_gives_it() {
    let (_units, unit) = units();
    let value = |name: &str| unit.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let ambient = value("AmbientCapabilities=");
    assert_eq!(ambient, value("CapabilityBoundingSet="));
    let capabilities: Vec<_> = ambient.split(' ').map(str::to_lowercase).collect();
    let capabilities: Vec<_> = capabilities.iter().map(|name| name.replace("cap_", "+")).collect();
    let capabilities = format!("-all,{}", capabilities.join(","));
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    // The binary may lie where such a user cannot go.
    let [copy, trace] = ["zc", "trace"].map(|name| folder.path().join(name));
    fs::copy(zc(), &copy).unwrap();
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(&trace);
    command.args(["setpriv", "--reuid=61184", "--regid=61184", "--clear-groups", "--no-new-privs"]);
    command.arg(format!("--inh-caps={capabilities}"));
    command.arg(format!("--ambient-caps={capabilities}"));
    command.arg(format!("--bounding-set={capabilities}")).arg(&copy);
    let daemon = Daemon::start_by(command, &["--interval=0.1"]).unwrap();
    assert!(daemon.metrics().unwrap().value("zc_probe_up", ("probe", "exec")).unwrap() == 1);
    let children = format!("/proc/{0}/task/{0}/children", daemon.pid());
    let traced = fs::read_to_string(children).unwrap();
    Command::new("kill").args(["-TERM", traced.trim()]).status().unwrap();
    let waited = daemon.wait().unwrap();
    assert_eq!(waited.code(), Some(0));
    let trace = fs::read_to_string(&trace).unwrap();
    // From where setpriv has become zc.
    let (_, own) = trace.split_once(&format!("execve(\"{}\"", copy.display())).unwrap();
    let left = left(&unit);
    let call = |line: &str| -> Option<String> {
        let (_, call) = line.split_once(' ')?;
        let name = call.trim_start().split_once('(')?.0;
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (is_name && !name.is_empty()).then(|| name.to_owned())
    };
    let made: BTreeSet<_> = own.lines().filter_map(call).collect();
    assert!(
        made.contains("bpf") && made.contains("capset") && made.contains("accept4"),
        "{made:?}"
    );
    let denied: Vec<_> = made.difference(&left).collect();
    assert!(denied.is_empty(), "the unit denies {denied:?}");
}
