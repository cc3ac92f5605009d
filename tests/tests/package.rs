//! What a release is made of: installed, started, upgraded and purged in a copy of this machine's
//! files; held against Debian's and others' own rules.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use clap::CommandFactory as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use zc_daemon::cli::Cli;
use zc_tests::{
    programs::{Stage, folder},
    release::{Copy, Unit, file, judge, output, packages},
    scrape::Metrics,
};

/// The service as its unit starts it, of what is installed.
struct Service {
    child: Child,
    port: u16,
}

impl Service {
    fn start(copy: &Copy, port: u16) -> Self {
        let unit = Unit::parse(&copy.shell("cat /usr/lib/systemd/system/zc.service").unwrap());
        let mut command = copy.command("setpriv");
        command.args(unit.privileges().unwrap());
        unit.start(&mut command).unwrap().stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let service = Self { child, port };
        let began = Instant::now();
        while service.get("/-/ready").is_none() {
            assert!(began.elapsed() < Duration::from_secs(120), "it does not come to serve");
            sleep(Duration::from_millis(50));
        }
        service
    }

    fn get(&self, path: &str) -> Option<String> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        ureq::get(&url).call().ok()?.body_mut().read_to_string().ok()
    }

    /// Has a program write a megabyte into a file, and sees it on the page.
    fn assert_it_counts(&self) {
        let stage = Stage::new().unwrap();
        let mut dd = stage.link("t-package", Path::new("/usr/bin/dd")).unwrap();
        dd.args(["if=/dev/zero", "bs=64k", "count=16"]).stderr(Stdio::null());
        dd.arg(format!("of={}", stage.path().join("file").display()));
        let before = self.written();
        assert!(dd.status().unwrap().success());
        assert_eq!(self.written() - before, 1 << 20);
    }

    fn written(&self) -> u64 {
        let metrics = Metrics::parse(&self.get("/metrics").unwrap()).unwrap();
        let by = ["route", "endpoint"];
        let rows = metrics.group("zc_transferred_bytes_total", "t-package", &by).unwrap();
        rows.get(["write", "file"].map(str::to_owned).as_slice()).copied().unwrap_or(0)
    }

    /// The value of a field of its status, as a number of base 16 or the first of base 10.
    fn status(&self, field: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim_start_matches(':').split_whitespace().next().unwrap().to_owned()
    }

    fn end(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Of a test that failed; else it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What dpkg and its log keep for themselves.
const DPKG: &[&str] = &["/var/lib/dpkg/", "/var/log/", "/var/cache/", "/run/", "/tmp/"];

#[test]
fn it_is_installed_started_upgraded_and_purged() {
    let copy = Copy::new().unwrap();
    let before = copy.written(DPKG).unwrap();
    let install = |folder| {
        let deb = copy.put(&file(folder, ".deb").unwrap()).unwrap();
        copy.shell(&format!("DEBIAN_FRONTEND=noninteractive dpkg -i {deb} 2>&1")).unwrap()
    };
    install("first");
    let installed = copy.written(DPKG).unwrap();
    for place in ["/usr/bin/zc", "/etc/zc/zc.toml", "/usr/share/man/man1/zc-run.1.gz"] {
        assert!(installed.contains(place), "no {place} in {installed:?}");
    }
    assert!(copy.shell("man --where zc-run").unwrap().contains("man1/zc-run.1.gz"));

    let port = free_port();
    let settings =
        format!("# mine\ngroup-by = \"comm\"\nweb.listen-address = \"127.0.0.1:{port}\"\n");
    copy.shell(&format!("printf '{settings}' >/etc/zc/zc.toml")).unwrap();
    let service = Service::start(&copy, port);
    assert_ne!(service.status("Uid"), "0");
    let held = u64::from_str_radix(&service.status("CapPrm"), 16).unwrap();
    // CAP_PERFMON and CAP_BPF of linux/capability.h, and what the unit may name besides.
    assert_eq!(held & (1 << 21), 0, "the service holds CAP_SYS_ADMIN: {held:x}");
    service.assert_it_counts();
    service.end();

    let said = install("later");
    assert!(said.contains("-2) over (") && said.contains("-1)"), "{said}");
    assert_eq!(copy.shell("cat /etc/zc/zc.toml").unwrap(), settings);
    let service = Service::start(&copy, port);
    service.assert_it_counts();
    service.end();

    copy.shell("dpkg --remove zc 2>&1").unwrap();
    assert_eq!(copy.shell("cat /etc/zc/zc.toml").unwrap(), settings);
    copy.shell("dpkg --purge zc 2>&1").unwrap();
    assert_eq!(copy.written(DPKG).unwrap(), before, "left behind");
    // Its twin: what was there is seen.
    assert!(installed.len() > before.len() + 10);
}

#[test]
fn lintian_finds_nothing() {
    let deb = file("first", ".deb").unwrap();
    let lint = |flags: &[&str]| {
        let mut lintian = Command::new("lintian");
        lintian.args(["--allow-root", "--fail-on", "error,warning"]);
        let output = lintian.args(flags).arg(&deb).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(lint(&[]), (true, String::new()));
    // Its twin: the one tag that is overridden, with its reason, is one that it looks for.
    let (passed, said) = lint(&["--no-override"]);
    assert!(!passed && said.lines().count() == 1, "{said}");
}

#[test]
fn the_same_source_makes_the_same_bytes() {
    let folder = packages().unwrap();
    let names = |of: &str| -> BTreeSet<_> {
        let entries = folder.join(of).read_dir().unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    };
    assert_eq!(names("first"), names("again"));
    assert_eq!(names("first").len(), 6);
    for name in names("first") {
        let read = |of: &str| fs::read(folder.join(of).join(&name)).unwrap();
        assert!(read("first") == read("again"), "{} differs", name.display());
    }
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--quiet", "SHA256SUMS"]).current_dir(folder.join("first"));
    output(&mut check).unwrap();
}

/// But those that each distribution has a place of its own for.
#[test]
fn both_packages_hold_the_same_files() {
    let listed = |command: &mut Command| -> BTreeSet<String> {
        let own = ["/usr/share/zsh/", "/usr/share/doc/", "/usr/share/licenses/"];
        let other = ["/usr/share/lintian/", "/usr/lib/.build-id"];
        let text = output(command).unwrap();
        let paths = text.lines().filter_map(|line| line.split_once('/'));
        let paths = paths.map(|(_, path)| format!("/{path}"));
        paths.filter(|path| !own.iter().chain(&other).any(|own| path.starts_with(own))).collect()
    };
    let deb = file("first", ".deb").unwrap();
    let list = "dpkg-deb --fsys-tarfile \"$0\" | tar -t | grep -v /$";
    let deb = listed(Command::new("sh").args(["-c", list]).arg(deb));
    let rpm = file("first", ".rpm").unwrap();
    let list = "rpm -qlvp \"$0\" | grep -v ^d";
    assert_eq!(deb, listed(Command::new("sh").args(["-c", list]).arg(&rpm)));
    assert!(deb.contains("/usr/bin/zc"), "{deb:?}");
    let query = |flags: &[&str]| output(Command::new("rpm").args(flags).arg(&rpm)).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let named = query(&["-qp", "--queryformat", "%{NAME} %{VERSION} %{ARCH} %{LICENSE}"]);
    assert_eq!(named, format!("zc {version} x86_64 MIT OR Apache-2.0"));
    assert_eq!(query(&["-qp", "--configfiles"]), "/etc/zc/zc.toml\n");
    output(Command::new("rpm").args(["-K", "--nosignature"]).arg(&rpm)).unwrap();
    let scripts = query(&["-qp", "--queryformat", "%{POSTIN}\n%{PREUN}\n%{POSTUN}\n"]);
    output(Command::new("sh").args(["-n", "-c", &scripts])).unwrap();
}

#[test]
fn the_tarball_runs_and_unpacks_below_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let tarball = file("first", ".tar.gz").unwrap();
    let root = format!("zc-{}-x86_64-linux", env!("CARGO_PKG_VERSION"));
    let list = output(Command::new("tar").args(["-tvf"]).arg(&tarball)).unwrap();
    for line in list.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        assert!(words[1] == "0/0" && words[5].starts_with(&root), "{line}");
    }
    output(Command::new("tar").args(["-xf"]).arg(&tarball).current_dir(folder.path())).unwrap();
    let root = folder.path().join(root);
    let said = output(Command::new(root.join("zc")).arg("--version")).unwrap();
    assert_eq!(said, format!("zc {}\n", env!("CARGO_PKG_VERSION")));
    for place in ["LICENSE-MIT", "man/zc.1.gz", "completions/_zc", "deploy/README.md"] {
        assert!(root.join(place).is_file(), "no {place}");
    }
}

#[test]
fn each_command_has_a_page_and_completions() {
    let pages = folder().unwrap().join("pages");
    let cli = Cli::command();
    let commands: Vec<_> = cli.get_subcommands().filter(|c| !c.is_hide_set()).collect();
    assert!(commands.len() >= 5);
    let mut expected: BTreeSet<_> =
        commands.iter().map(|c| format!("zc-{}.1.gz", c.get_name())).collect();
    expected.insert("zc.1.gz".to_owned());
    let entries = pages.join("man").read_dir().unwrap();
    let made = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(made.collect::<BTreeSet<_>>(), expected);
    for page in &expected {
        let mut man = Command::new("man");
        man.args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"]).stdout(Stdio::null());
        let said = man.arg(pages.join("man").join(page)).output().unwrap();
        assert!(said.status.success(), "{page}");
        assert_eq!(String::from_utf8_lossy(&said.stderr), "", "{page}");
    }
    complete(&pages.join("completions"), &commands);
}

/// Each shell loads its completions; bash's are asked, the others' name every command.
fn complete(folder: &Path, commands: &[&clap::Command]) {
    let names: BTreeSet<_> = commands.iter().map(|command| command.get_name()).collect();
    let ask =
        "source \"$0\"; COMP_WORDS=(zc ''); COMP_CWORD=1; _zc zc '' zc; echo \"${COMPREPLY[@]}\"";
    let bash = output(Command::new("bash").args(["-c", ask]).arg(folder.join("zc"))).unwrap();
    let offered: BTreeSet<_> = bash.split_whitespace().collect();
    assert!(names.is_subset(&offered), "{names:?} of {offered:?}");
    for (shell, file) in [("zsh", "_zc"), ("fish", "zc.fish")] {
        let file = folder.join(file);
        output(Command::new(shell).arg("-n").arg(&file)).unwrap();
        let text = fs::read_to_string(file).unwrap();
        assert!(names.iter().all(|name| text.contains(name)), "{shell} lacks one of {names:?}");
        assert!(text.contains("web.listen-address"), "{shell}");
    }
}

/// The crates whose code the debugging symbols name, as cargo's folders call them.
fn crates_of(program: &[u8]) -> BTreeSet<String> {
    const PLACE: &[u8] = b"/registry/src/";
    let places = program.windows(PLACE.len()).enumerate().filter(|(_, bytes)| *bytes == PLACE);
    let paths = places.filter_map(|(at, _)| {
        let rest = &program[at + PLACE.len()..][..200.min(program.len() - at - PLACE.len())];
        let text = rest.split(|byte| !byte.is_ascii_graphic()).next()?;
        std::str::from_utf8(text).ok()
    });
    // The registry, then the crate.
    paths.filter_map(|path| path.split('/').nth(1)).map(str::to_owned).collect()
}

#[test]
fn the_sbom_names_all_that_is_linked() {
    const SCRIPT: &str = "import sys\n\
        from cyclonedx.schema import SchemaVersion\n\
        from cyclonedx.validation.json import JsonStrictValidator\n\
        error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(sys.stdin.read())\n\
        sys.exit(str(error) if error else 0)\n";
    let path = file("first", ".cdx.json").unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let validate = |text: &str| {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("sbom"), text).unwrap();
        let input = fs::File::open(scratch.path().join("sbom")).unwrap();
        output(judge("python3").unwrap().args(["-c", SCRIPT]).stdin(input))
    };
    validate(&text).unwrap();
    validate(&text.replace("\"purl\"", "\"url\"")).unwrap_err();

    let list: Value = serde_json::from_str(&text).unwrap();
    let components = list["components"].as_array().unwrap();
    let named: BTreeSet<_> = components
        .iter()
        .map(|row| {
            format!("{}-{}", row["name"].as_str().unwrap(), row["version"].as_str().unwrap())
        })
        .collect();
    for row in components.iter().filter(|row| row["name"] != "zc-common") {
        assert!(row["hashes"][0]["content"].as_str().unwrap().len() == 64, "{row}");
        assert!(row["licenses"][0]["expression"].is_string(), "{row}");
    }
    let linked = crates_of(&fs::read(folder().unwrap().join("zc")).unwrap());
    assert!(linked.len() > 50, "{linked:?}");
    let missing: Vec<_> = linked.difference(&named).collect();
    assert!(missing.is_empty(), "not in the SBOM: {missing:?}");
}
