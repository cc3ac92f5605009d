//! Who is booked to which group: on cgroups made by hand, and processes that change.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use zc_tests::{
    cgroup::{Cgroup, root_of},
    daemon::Daemon,
    programs::{Stage, Waiting, folder},
    scrape::Metrics,
};

const MOVED: &str = "zc_transferred_bytes_total";
const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const UID: &str = "1b2c3d4e-0000-4a5b-8c7d-0123456789ab";

/// The hierarchies that are mounted here, of version 2 and of version 1.
fn hierarchies() -> Vec<(&'static str, PathBuf)> {
    let mounted = ["v2", "memory"].iter().filter_map(|name| Some((*name, root_of(name)?)));
    let mounted: Vec<_> = mounted.collect();
    assert!(!mounted.is_empty(), "no hierarchy of cgroups is mounted");
    mounted
}

/// Bytes that a group wrote to `/dev/null`.
fn written(metrics: &Metrics, group: &str) -> u64 {
    let rows = metrics.group(MOVED, group, &["route", "endpoint"]).unwrap();
    rows.get(&["write", "other"].map(str::to_owned)[..]).copied().unwrap_or(0)
}

/// Bytes that all groups wrote to `/dev/null`.
fn written_by_all(metrics: &Metrics) -> u64 {
    let counters = metrics.counters().unwrap();
    let is_it = |name: &str| {
        name.starts_with(MOVED) && name.contains("\"write\"") && name.contains("\"other\"")
    };
    counters.iter().filter(|(name, _)| is_it(name)).map(|(_, value)| value).sum()
}

/// The words that write so many bytes to `/dev/null`.
fn writes(stage: &Stage, bytes: u64) -> [String; 6] {
    let dir = stage.path().display().to_string();
    ["write-null", "run", "--bytes", &bytes.to_string(), "--dir", &dir].map(str::to_owned)
}

/// A file of rules.
fn template(stage: &Stage, rules: &str) -> String {
    let path = stage.path().join("groups.toml");
    fs::write(&path, rules).unwrap();
    path.display().to_string()
}

/// The daemon with flags of its own, which looks when it is asked.
fn daemon(hierarchy: &str, flags: &[&str]) -> Daemon {
    let own = ["--max-groups", "2000", "--interval", "10", "--cgroup-hierarchy", hierarchy];
    Daemon::start_with(&[own.as_slice(), flags].concat()).unwrap()
}

#[test]
fn by_default_a_pod_a_container_or_a_unit_names_the_group() {
    let stage = Stage::new().unwrap();
    let logs = stage.path().join("pods");
    fs::create_dir_all(logs.join(format!("shop_cart-0_{UID}"))).unwrap();
    for (name, root) in hierarchies() {
        let flags = ["--group-by", "default", "--pod-logs", logs.to_str().unwrap()];
        let daemon = daemon(name, &flags);
        groups_say_who_is_in_them(&daemon, &root);
        who_is_gone_with_its_cgroup_is_in_its_group_to_the_byte(&daemon, &stage, &root);
    }
}

fn who_is_gone_with_its_cgroup_is_in_its_group_to_the_byte(
    daemon: &Daemon,
    stage: &Stage,
    root: &Path,
) {
    let workload = folder().unwrap().join("workload");
    let before = daemon.metrics().unwrap();
    let places = [
        ("zc-test.slice/zc-ghost@1.service".to_owned(), "zc-ghost@1.service"),
        (format!("zc-test.slice/docker-{ID}.scope"), &ID[..12]),
        (format!("kubepods/burstable/pod{UID}/{ID}"), "shop/cart-0"),
    ];
    for (number, (path, _)) in places.iter().enumerate() {
        let cgroup = Cgroup::within(root, path).unwrap();
        let procs = cgroup.path().join("cgroup.procs");
        let line = writes(stage, 1000 + number as u64).join(" ");
        let script = format!("echo $$ >{}; exec {} {line}", procs.display(), workload.display());
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
        let path = cgroup.path().to_owned();
        drop(cgroup);
        assert!(!path.exists(), "{path:?}");
    }
    let metrics = daemon.metrics().unwrap();
    for (number, (_, group)) in places.iter().enumerate() {
        let bytes = written(&metrics, group) - written(&before, group);
        assert_eq!(bytes, 1000 + number as u64, "{root:?}: {group}");
    }
    assert_eq!(metrics.value("zc_lost_total", ("reason", "cgroup_path")).unwrap(), 0);
}

/// The labels of `zc_group_info`, while somebody lives.
fn groups_say_who_is_in_them(daemon: &Daemon, root: &Path) {
    const POD: &str = "shop/cart-0";
    let path = format!("kubepods/pod{UID}/crio-{ID}");
    let cgroup = Cgroup::within(root, &path).unwrap();
    let mut command = Command::new(folder().unwrap().join("workload"));
    command.arg("change");
    let waiting = Waiting::start(command).unwrap();
    cgroup.add(waiting.pid()).unwrap();
    waiting.step().unwrap();
    let labels = ["unit", "container", "runtime", "pod_uid", "pod_namespace", "pod_name"];
    let info = || {
        let metrics = daemon.metrics().unwrap();
        metrics.rows("zc_group_info", ("group", POD), &labels).unwrap()
    };
    let expected = ["", &ID[..12], "cri-o", UID, "shop", "cart-0"].map(str::to_owned);
    assert_eq!(info().into_iter().collect::<Vec<_>>(), [(expected.to_vec(), 1)]);
    waiting.finish().unwrap();
    // Booked for the last time, and given back.
    assert!((0..4).any(|_| info().is_empty()));
    assert_eq!(written(&daemon.metrics().unwrap(), POD), 7);
}

/// A rule for each case; by what is not matched, it is its program that names who is left.
const RULES: &str = r"
[[rule]]
match = { argv = '.*workload change.*' }
name = 'job {unit} {user}'
[[rule]]
match = { argv = '.*workload change.*' }
name = 'job {user}'

[[rule]]
match = { argv = '.*workload team.*' }
name = 'team {unit}'
[[rule]]
match = { argv = '.*workload team.*' }
name = 'team'
[[rule]]
match = { cgroup = '/zc-.*/zc-in.*' }
name = '{cgroup}'

[[rule]]
match = { argv = '.* --bytes 777 .*' }
name = 'seven {exe}'
[[rule]]
match = { argv = 'sh -c .*: marked.*' }
name = 'marked'

[[rule]]
match = { cgroup = '/ccc.*' }
name = '{cgroup}'
[[rule]]
name = '{exe}'
";

#[test]
fn a_template_names_the_group() {
    let stage = Stage::new().unwrap();
    let template = template(&stage, RULES);
    for (number, (name, root)) in hierarchies().into_iter().enumerate() {
        let daemon = daemon(name, &["--group-template", &template]);
        what_was_done_before_a_change_stays_in_the_old_group(&daemon, &root);
        who_moves_without_its_leader_is_in_both_groups(&daemon, &root);
        if name != "v2" {
            a_cgroup_that_was_renamed_has_its_new_path(&daemon, &root);
        }
        // These do not depend on the hierarchy.
        if number == 0 {
            arguments_tell_short_lives_apart(&daemon, &stage);
            names_that_mean_harm_are_text(&daemon, &stage, &root);
        }
    }
}

fn what_was_done_before_a_change_stays_in_the_old_group(daemon: &Daemon, root: &Path) {
    const USER: u32 = 54321;
    let mut before = BTreeMap::new();
    let mut check = |flags: &[&str], meanwhile: &dyn Fn(u32), expected: &[(&str, u64)]| {
        let mut command = Command::new(folder().unwrap().join("workload"));
        let waiting = Waiting::start({
            command.arg("change").args(flags);
            command
        })
        .unwrap();
        meanwhile(waiting.pid());
        waiting.step().unwrap();
        let metrics = daemon.metrics().unwrap();
        let shown = daemon.process(waiting.pid()).unwrap();
        for (group, bytes) in expected {
            let now = written(&metrics, group);
            let last = before.insert((*group).to_owned(), now).unwrap_or(0);
            assert_eq!(now - last, *bytes, "{root:?}: {group}: {flags:?}");
        }
        assert_eq!(shown["group"], expected[expected.len() - 1].0, "{shown}");
        let rows = shown["transferred"].as_array().unwrap().iter();
        let own = rows.filter(|row| row["route"] == "write" && row["endpoint"] == "other");
        assert_eq!(own.map(|row| row["bytes"].as_u64().unwrap()).sum::<u64>(), 12);
        waiting.finish().unwrap();
    };
    let (nothing, user) = (|_| {}, USER.to_string());
    let root_user = root_name();
    let job = |rest: &str| format!("job {rest}");
    let (home, other) = (job(&root_user), job(&user));
    check(&[], &nothing, &[(&home, 12)]);
    check(&["--networks"], &nothing, &[(&home, 12)]);
    check(&["--user", &user], &nothing, &[(&home, 5), (&other, 7)]);
    let unit = Cgroup::within(root, "zc-moved.service").unwrap();
    let moved = job(&format!("zc-moved.service {root_user}"));
    check(&[], &|pid| unit.add(pid).unwrap(), &[(&home, 5), (&moved, 7)]);
}

/// Its threads go on in another cgroup while the leader, whose slot says where the process is,
/// sleeps.
fn who_moves_without_its_leader_is_in_both_groups(daemon: &Daemon, root: &Path) {
    const THREADS: u64 = 10;
    const EACH: u64 = 1009;
    let mut command = Command::new(folder().unwrap().join("workload"));
    command.args(["team", "--idle-leader", "--threads", &THREADS.to_string()]);
    command.args(["--bytes", &EACH.to_string()]);
    let missed = || daemon.missed().unwrap() + daemon.missed_copies().unwrap();
    let before = missed();
    let waiting = Waiting::start(command).unwrap();
    let unit = Cgroup::within(root, "zc-before.slice/zc-team.service").unwrap();
    unit.add(waiting.pid()).unwrap();
    waiting.step().unwrap();
    let metrics = daemon.metrics().unwrap();
    let moved = |group: &str| {
        let rows = metrics.group(MOVED, group, &["route", "endpoint"]).unwrap();
        rows.get(&["process_vm", "other"].map(str::to_owned)[..]).copied().unwrap_or(0)
    };
    // A call of which the kernel skipped the program is none, and is counted as lost.
    let skipped = (missed() - before) * EACH;
    let all = (THREADS * EACH).saturating_sub(skipped)..=THREADS * EACH;
    for group in ["team", "team zc-team.service"] {
        assert!(all.contains(&moved(group)), "{group}: {} of {all:?}, {root:?}", moved(group));
    }
    waiting.finish().unwrap();
}

/// With all below it. Only in version 1 is there such a thing.
fn a_cgroup_that_was_renamed_has_its_new_path(daemon: &Daemon, root: &Path) {
    let _inner = Cgroup::within(root, "zc-old.slice/zc-in.service").unwrap();
    // Both are known by their old paths.
    daemon.metrics().unwrap();
    let [old, new] = ["zc-old.slice", "zc-new.slice"].map(|name| root.join(name));
    fs::rename(&old, &new).unwrap();
    let waiting = Waiting::start(in_cgroup(&new.join("zc-in.service"))).unwrap();
    let shown = daemon.process(waiting.pid()).unwrap();
    waiting.finish().unwrap();
    fs::rename(&new, &old).unwrap();
    assert_eq!(shown["group"], "/zc-new.slice/zc-in.service");
}

/// What this machine calls user 0.
fn root_name() -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let root = users.lines().find(|line| line.split(':').nth(2) == Some("0"));
    root.and_then(|line| line.split(':').next()).unwrap_or("0").to_owned()
}

fn arguments_tell_short_lives_apart(daemon: &Daemon, stage: &Stage) {
    let workload = folder().unwrap().join("workload");
    for bytes in [777, 778] {
        let line = writes(stage, bytes);
        assert!(Command::new(&workload).args(&line).status().unwrap().success());
    }
    // A child that starts no program has its parent's.
    let script = ": marked; (echo 12345 >/dev/null); echo 12 >/dev/null";
    assert!(Command::new("sh").args(["-c", script]).status().unwrap().success());
    let metrics = daemon.metrics().unwrap();
    assert_eq!(written(&metrics, "seven workload"), 777);
    assert_eq!(written(&metrics, "marked"), 6 + 3);
}

#[test]
fn a_group_expires_into_other_and_the_sum_never_falls() {
    const BYTES: u64 = 1 << 30;
    let stage = Stage::new().unwrap();
    let flags = ["--group-by", "comm", "--group-expiry", "1s", "--interval", "0.1"];
    let daemon = Daemon::start_with(&flags).unwrap();
    let mut command = stage.workload("expires").unwrap();
    command.args(writes(&stage, BYTES)).args(["--chunk", "1048576"]);
    assert!(command.status().unwrap().success());
    let metrics = daemon.metrics().unwrap();
    assert_eq!(written(&metrics, "expires"), BYTES);
    assert!(written(&metrics, "other") < BYTES);
    let mut sum = written_by_all(&metrics);
    let expired = (0..600).any(|_| {
        sleep(Duration::from_millis(100));
        let metrics = daemon.metrics().unwrap();
        let now = written_by_all(&metrics);
        assert!(now >= sum, "{now} after {sum}");
        sum = now;
        written(&metrics, "expires") == 0 && written(&metrics, "other") >= BYTES
    });
    assert!(expired);
    assert!(daemon.page("/metrics").unwrap().contains("zc_groups_expired_total"));
}

fn names_that_mean_harm_are_text(daemon: &Daemon, stage: &Stage, root: &Path) {
    let program = stage.path().join(OsStr::from_bytes(b"q\"\\\n\xff-{exe}"));
    fs::copy(folder().unwrap().join("workload"), &program).unwrap();
    assert!(Command::new(&program).args(writes(stage, 4321)).status().unwrap().success());
    let page = daemon.page("/metrics").unwrap();
    let series = "{group=\"q\\\"\\\\\\n\u{fffd}-{exe}\",route=\"write\",endpoint=\"other\"} 4321\n";
    assert!(page.contains(series), "{page}");
    // Longer than what the kernel half notes of a path.
    let long = ["c"; 3].map(|letter| letter.repeat(250)).join("/");
    let cgroup = Cgroup::within(root, &long).unwrap();
    let waiting = Waiting::start(in_cgroup(cgroup.path())).unwrap();
    let shown = daemon.process(waiting.pid()).unwrap();
    let group = shown["group"].as_str().unwrap();
    assert!(group.starts_with("/ccc") && group.ends_with("c…") && group.len() == 256, "{group}");
    waiting.finish().unwrap();
}

/// What waits in a cgroup.
fn in_cgroup(path: &Path) -> Command {
    let workload = folder().unwrap().join("workload");
    let procs = path.join("cgroup.procs");
    let script = format!("echo $$ >{}; exec {} hold", procs.display(), workload.display());
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    command
}

#[test]
fn a_wrong_template_is_a_usage_error_with_its_place() {
    let stage = Stage::new().unwrap();
    let zc = folder().unwrap().join("zc");
    let run = |flags: &[&str]| {
        let output = Command::new(&zc)
            .args(["run", "--web.listen-address", "127.0.0.1:0"])
            .args(flags)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let wrong = template(&stage, "[[rule]]\nname = 'a'\n\n[[rule]]\nname = '{pod}'\n");
    let (code, said) = run(&["--group-template", &wrong]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("line 5") && said.contains(&wrong), "{said}");
    let (code, said) = run(&["--group-template", "/nowhere"]);
    assert!(code == Some(2) && said.contains("/nowhere"), "{said}");
    for flags in
        [["--group-by", "colour"], ["--group-expiry", "soon"], ["--cgroup-hierarchy", "v3"]]
    {
        let (code, said) = run(&flags);
        assert!(code == Some(2) && said.contains(flags[1]), "{said}");
    }
}
