//! Configuration: checked as a whole, refused with a place, and changed by SIGHUP.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use zc_tests::{daemon::Daemon, programs};

/// What `zc check-config` says: status, output, errors.
fn check(file: &Path, environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(programs::folder().unwrap().join("zc"));
    command.arg("check-config").arg(file).envs(environment.iter().copied());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/zc.toml")
}

#[test]
fn the_example_has_every_key_at_its_default() {
    let (code, example, error) = check(&example(), &[]);
    assert_eq!(code, Some(0), "{error}");
    let (_, defaults, _) = check(Path::new("/dev/null"), &[]);
    let set = |text: &str| -> Vec<String> {
        let line = |line: &str| line.split(" # ").next().unwrap_or_default().to_owned();
        text.lines().map(line).collect()
    };
    assert_eq!(set(&example), set(&defaults));
    let text = fs::read_to_string(self::example()).unwrap();
    for line in defaults.lines() {
        let key = line.trim_start_matches("# ").split(" = ").next().unwrap();
        // In its table, or by itself.
        let names = key.match_indices('.').map(|(dot, _)| &key[dot + 1..]).chain([key]);
        let named = |name: &str| {
            text.lines().any(|line| line.trim_start_matches('#').starts_with(&format!("{name} =")))
        };
        assert!(names.into_iter().any(named), "{key}");
    }
}

#[test]
fn what_is_printed_can_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first.toml", "second.toml"].map(|name| folder.path().join(name));
    fs::write(&first, "interval = 2.5\ngroup-by = 'unit'\nself-test = true\n").unwrap();
    let (code, printed, error) = check(&first, &[("ZC_MAX_GROUPS", "7"), ("ZC_COPIES", "both")]);
    assert_eq!(code, Some(0), "{error}");
    for line in [
        "max-groups = 7 # ZC_MAX_GROUPS".to_owned(),
        format!("interval = 2.5 # {}, line 1", first.display()),
        "copies = \"both\" # ZC_COPIES".to_owned(),
        "group-expiry = \"10m\" # the default".to_owned(),
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    fs::write(&second, &printed).unwrap();
    let (code, again, error) = check(&second, &[]);
    assert_eq!(code, Some(0), "{error}");
    let values = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(" # ").next().unwrap().to_owned()).collect()
    };
    assert_eq!(values(&again), values(&printed));
}

#[test]
fn what_is_wrong_is_status_2_and_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("zc.toml");
    let template = folder.path().join("groups.toml");
    fs::write(&template, "[[rule]]\nname = '{nothing}'\n").unwrap();
    let template = format!("group-template = '{}'\n", template.display());
    let rows = [
        ("interval = 0\n", "zc.toml:1:12: interval: "),
        ("\n\nspeed = 1\n", "zc.toml:3:1: nothing is called speed"),
        (template.as_str(), "groups.toml: "),
    ];
    for (text, said) in rows {
        fs::write(&file, text).unwrap();
        let (code, _, error) = check(&file, &[]);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.starts_with("zc: ") && error.contains(said), "{error}");
        let mut run = Command::new(programs::folder().unwrap().join("zc"));
        run.args(["run", "--web.listen-address=127.0.0.1:0", "--config.file"]).arg(&file);
        let output = run.stdout(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(said));
    }
    let (code, _, error) = check(&folder.path().join("none.toml"), &[]);
    assert!(code == Some(2) && error.contains("cannot read"), "{error}");
}

/// Waits until the daemon has said this.
fn hear(daemon: &Daemon, what: &str) {
    let (began, mut said) = (Instant::now(), String::new());
    while !said.contains(what) {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not say {what}: {said}");
        sleep(Duration::from_millis(20));
        said += &daemon.log();
    }
}

fn has_group(daemon: &Daemon, group: &str) -> bool {
    daemon.page("/metrics").unwrap().contains(&format!("group=\"{group}\""))
}

#[test]
fn sighup_changes_what_it_can_and_names_what_it_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let [file, groups] = ["zc.toml", "groups.toml"].map(|name| folder.path().join(name));
    let write = |more: &str| {
        let head = format!("interval = 0.1\ngroup-template = '{}'\n", groups.display());
        fs::write(&file, head + more).unwrap();
    };
    let name = |prefix: &str| {
        fs::write(&groups, format!("[[rule]]\nname = '{prefix}-{{comm}}'\n")).unwrap();
    };
    name("one");
    write("");
    let flag = format!("--config.file={}", file.display());
    let no_flag = "--group-expiry=10m";
    let daemon = Daemon::start_with(&[&flag, no_flag]).unwrap();
    assert!(has_group(&daemon, "one-zc"));

    name("two");
    write("copies = 'both'\n[log]\nlevel = 'debug'\n");
    daemon.signal(Signal::HUP).unwrap();
    hear(&daemon, "copies changes with a restart only");
    let stage = programs::Stage::new().unwrap();
    let mut run = stage.workload("reloaded").unwrap();
    run.arg("--help").stdout(Stdio::null()).status().unwrap();
    let began = Instant::now();
    while !has_group(&daemon, "two-reloaded") {
        assert!(began.elapsed() < Duration::from_secs(60), "the new template is not used");
        sleep(Duration::from_millis(50));
    }
    // Who has a group keeps it.
    assert!(has_group(&daemon, "one-zc"), "{}", daemon.page("/metrics").unwrap());
    assert!(!has_group(&daemon, "two-zc"), "{}", daemon.page("/metrics").unwrap());

    for (more, said) in
        [("speed = 1\n", ":3:1: nothing is called speed"), ("interval = 2", "duplicate key")]
    {
        write(more);
        daemon.signal(Signal::HUP).unwrap();
        hear(&daemon, said);
    }
    fs::write(&groups, "[[rule]]\nname = '{argv}'\n").unwrap();
    write("");
    daemon.signal(Signal::HUP).unwrap();
    hear(&daemon, "looks at arguments, which takes a restart");
    assert!(has_group(&daemon, "two-reloaded"));
    assert_eq!(daemon.end(Signal::TERM).unwrap().code(), Some(0));
}
