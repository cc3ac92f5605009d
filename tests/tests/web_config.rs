//! TLS, users and headers: the file of `--web.config.file`.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use zc_tests::{
    certificates::{Certificate, authority, issue},
    daemon::Daemon,
    programs::{self, Stage},
};

/// What curl got: its own status, that of HTTP, and everything.
struct Got {
    curl: Option<i32>,
    status: u16,
    text: String,
}

fn curl(daemon: &Daemon, scheme: &str, more: &[&str]) -> Got {
    let url = format!("{scheme}://{}/-/healthy", daemon.address());
    let Output { status, stdout, .. } = Command::new("curl")
        .args(["-sS", "-i", "--max-time", "60", &url])
        .args(more)
        .output()
        .unwrap();
    let text = String::from_utf8(stdout).unwrap();
    let answered = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Got { curl: status.code(), status: answered, text }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder with a web configuration.
struct Folder {
    stage: Stage,
    config: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let stage = Stage::new().unwrap();
        let config = stage.path().join("web.yml");
        Self { stage, config }
    }

    /// Writes the file at once, as a careful operator does.
    fn write(&self, config: &str) {
        let new = self.stage.path().join("web.yml.new");
        fs::write(&new, config).unwrap();
        fs::rename(&new, &self.config).unwrap();
    }

    fn daemon(&self) -> Daemon {
        Daemon::start_with(&["--web.config.file", text(&self.config)]).unwrap()
    }
}

/// A hash by Apache's program, which Prometheus' documentation names.
fn htpasswd(password: &str) -> String {
    let output = Command::new("htpasswd").args(["-nbBC", "10", "u", password]).output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    line.trim().strip_prefix("u:").unwrap().to_owned()
}

#[test]
fn users_are_let_in_by_their_password_and_the_file_is_read_anew() {
    let folder = Folder::new();
    let users = |password: &str| format!("basic_auth_users:\n  alice: {}\n", htpasswd(password));
    let headers = "http_server_config:\n  headers:\n    X-Frame-Options: deny\n";
    folder.write(&(users("old secret") + headers));
    let daemon = folder.daemon();
    let right = curl(&daemon, "http", &["-u", "alice:old secret"]);
    assert_eq!(right.status, 200);
    assert!(right.text.contains("x-frame-options: deny"), "{}", right.text);
    for wrong in [&["-u", "alice:new"][..], &["-u", "bob:old secret"], &[], &["-u", ":"]] {
        let refused = curl(&daemon, "http", wrong);
        assert_eq!(refused.status, 401, "{wrong:?}");
        assert!(refused.text.contains("www-authenticate: Basic realm="), "{}", refused.text);
        assert!(refused.text.contains("x-frame-options: deny"), "{}", refused.text);
        assert!(!refused.text.contains("healthy"), "{}", refused.text);
    }
    // A new file holds from the next request on.
    folder.write(&users("new"));
    assert_eq!(curl(&daemon, "http", &["-u", "alice:old secret"]).status, 401);
    assert_eq!(curl(&daemon, "http", &["-u", "alice:new"]).status, 200);
    // A bad one does not, and is said once.
    folder.write("basic_auth_users:\n  alice: new\n");
    assert_eq!(curl(&daemon, "http", &["-u", "alice:new"]).status, 200);
    assert_eq!(curl(&daemon, "http", &[]).status, 401);
    let said = daemon.says("still holds").unwrap();
    assert!(said.contains("line 2, column 10") && said.contains("no bcrypt hash"), "{said}");
    folder.write("");
    assert_eq!(curl(&daemon, "http", &[]).status, 200);
    assert!(!daemon.log().contains("still holds"));
}

/// CPU time that a process has taken, in clock ticks.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_password_is_hashed_once_for_many_scrapes() {
    let folder = Folder::new();
    let users = format!("basic_auth_users:\n  alice: {}\n", htpasswd("secret"));
    folder.write(&users);
    let daemon = folder.daemon();
    let cost = |pair: &str, times: usize| {
        let before = ticks(daemon.pid());
        for _ in 0..times {
            curl(&daemon, "http", &["-u", pair]);
        }
        ticks(daemon.pid()) - before
    };
    // A hash of cost 10 is some ticks of work; who is not there costs one as well.
    let unknown: u64 = (0..5).map(|n| cost(&format!("bob{n}:secret"), 1)).sum();
    let wrong: u64 = (0..5).map(|n| cost(&format!("alice:{n}"), 1)).sum();
    assert!(unknown >= 10 && wrong >= 10, "{unknown} and {wrong} ticks for five hashes each");
    cost("alice:secret", 1);
    let right = cost("alice:secret", 20);
    assert!(right * 2 < unknown * 4, "{right} ticks for 20 scrapes, {unknown} for five hashes");
}

#[test]
fn tls_is_spoken_and_its_certificate_renewed() {
    let folder = Folder::new();
    let place = folder.stage.path();
    let ca = authority(place, "ca").unwrap();
    let server = issue(place, "server", &ca, "IP:127.0.0.1").unwrap();
    let config = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  \
                  min_version: TLS13\n";
    folder.write(config);
    let daemon = folder.daemon();
    let trust = ["--cacert", text(&ca.certificate)];
    assert_eq!(curl(&daemon, "https", &trust).status, 200);
    // curl's 35: no version in common; 60: not believed.
    let older = ["--cacert", text(&ca.certificate), "--tls-max", "1.2"];
    assert_eq!(curl(&daemon, "https", &older).curl, Some(35));
    assert_eq!(curl(&daemon, "https", &[]).curl, Some(60));
    assert_eq!(curl(&daemon, "http", &[]).status, 0);
    // By another authority, in the same files: the key does not fit until both are there.
    let other = authority(place, "other").unwrap();
    let renewed = issue(place, "renewed", &other, "IP:127.0.0.1").unwrap();
    fs::rename(&renewed.certificate, &server.certificate).unwrap();
    assert_eq!(curl(&daemon, "https", &trust).status, 200);
    assert!(daemon.says("still holds").unwrap().contains("do not go together"));
    fs::rename(&renewed.key, &server.key).unwrap();
    assert_eq!(curl(&daemon, "https", &trust).curl, Some(60));
    assert_eq!(curl(&daemon, "https", &["--cacert", text(&other.certificate)]).status, 200);
    // And back to no TLS.
    folder.write("http_server_config:\n");
    assert_eq!(curl(&daemon, "http", &[]).status, 200);
}

#[test]
fn clients_show_the_certificates_that_are_asked_for() {
    let folder = Folder::new();
    let place = folder.stage.path();
    let (ca, other) = (authority(place, "ca").unwrap(), authority(place, "other").unwrap());
    issue(place, "server", &ca, "IP:127.0.0.1").unwrap();
    let scraper = issue(place, "scraper", &ca, "DNS:scraper.example").unwrap();
    let addressed = issue(place, "addressed", &ca, "IP:192.0.2.7").unwrap();
    let stranger = issue(place, "stranger", &other, "DNS:scraper.example").unwrap();
    let nameless = issue(place, "nameless", &ca, "DNS:nobody.example").unwrap();
    let server = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";
    let verified = "  client_ca_file: ca.pem\n";
    let sans = "  client_allowed_sans: [scraper.example, 192.0.2.7]\n";
    folder.write(server);
    let daemon = folder.daemon();
    let everybody = [None, Some(&scraper), Some(&addressed), Some(&stranger), Some(&nameless)];
    for (policy, more, answered) in [
        ("NoClientCert", "", [true, true, true, true, true]),
        ("RequestClientCert", "", [true, true, true, true, true]),
        ("RequireAnyClientCert", "", [false, true, true, true, true]),
        ("VerifyClientCertIfGiven", verified, [true, true, true, false, true]),
        ("RequireAndVerifyClientCert", verified, [false, true, true, false, true]),
        (
            "RequireAndVerifyClientCert",
            &format!("{verified}{sans}"),
            [false, true, true, false, false],
        ),
    ] {
        folder.write(&format!("{server}  client_auth_type: {policy}\n{more}"));
        for (client, answered) in everybody.iter().zip(answered) {
            let mut flags = vec!["--cacert", text(&ca.certificate)];
            if let Some(Certificate { certificate, key }) = client {
                flags.extend(["--cert", text(certificate), "--key", text(key)]);
            }
            let got = curl(&daemon, "https", &flags);
            assert_eq!(got.status == 200, answered, "{policy} {more} {client:?}: {}", got.text);
        }
    }
}

#[test]
fn what_will_not_do_is_one_sentence_with_its_place_and_status_2() {
    let folder = Folder::new();
    let ca = authority(folder.stage.path(), "ca").unwrap();
    let tls = format!(
        "tls_server_config:\n  cert_file: {}\n  key_file: {}\n",
        text(&ca.certificate),
        text(&ca.key)
    );
    for (config, said) in [
        ("tls_server_confg: {}\n", &["line 1, column 1", "tls_server_confg"][..]),
        ("tls_server_config:\n  cert: x\n  keyfile: y\n", &["line 3, column 3", "keyfile"]),
        ("basic_auth_users:\n  a: b\n", &["line 2, column 6", "bcrypt"]),
        ("basic_auth_users: [a]\n", &["line 1, column 19"]),
        (
            "tls_server_config:\n  cert_file: a\n",
            &["line 2, column 3", "needs cert_file and key_file"],
        ),
        ("tls_server_config:\n  cert_file: a\n  key_file: b\n", &["cannot read", "/a"]),
        ("http_server_config:\n  headers:\n    X-Zc: 1\n", &["line 3, column 11", "X-Zc"]),
        (&format!("{tls}  min_version: TLS10\n"), &["line 4, column 16", "TLS10", "TLS12"]),
        (&format!("{tls}  client_auth_type: Maybe\n"), &["line 4, column 21", "NoClientCert"]),
        (&format!("{tls}  client_ca_file: ca.pem\n"), &["do not go together"]),
        (&format!("{tls}  cipher_suites: [RC4]\n"), &["line 4, column 19", "TLS_ECDHE"]),
        (&format!("{tls}  curve_preferences: [P]\n"), &["line 4, column 23", "X25519"]),
        ("tls_server_config: [\n", &["line ", ", column "]),
    ] {
        folder.write(config);
        let output = Command::new(programs::folder().unwrap().join("zc"))
            .args(["run", "--web.listen-address", "127.0.0.1:0", "--web.config.file"])
            .arg(&folder.config)
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{config}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        for said in said {
            assert!(stderr.contains(said), "{said:?} for {config}: {stderr}");
        }
    }
}

/// What `zc top` said of a daemon: its status, its table, and what went wrong.
fn top(url: &str, flags: &[&str]) -> (Option<i32>, String, String) {
    let mut zc = Command::new(programs::folder().unwrap().join("zc"));
    let output = zc.args(["top", "--once", "--connect", url]).args(flags).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn top_reads_a_daemon_by_tls_as_a_user() {
    let folder = Folder::new();
    let place = folder.stage.path();
    let ca = authority(place, "ca").unwrap();
    let other = authority(place, "other").unwrap();
    issue(place, "server", &ca, "IP:127.0.0.1").unwrap();
    let tls = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";
    let users = format!("basic_auth_users:\n  alice: {}\n", htpasswd("secret"));
    folder.write(&format!("{tls}{users}"));
    let daemon = folder.daemon();
    let url = format!("https://{}", daemon.address());
    let file = |name: &str, text: &str| {
        let path = place.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (right, wrong) = (file("right", "secret\n"), file("wrong", "guess\n"));
    let alice = |ca: &Certificate, password: &Path| {
        let trust = ["--connect.ca", text(&ca.certificate)];
        let user = ["--connect.user", "alice", "--connect.password-file", text(password)];
        top(&url, &[trust, [user[0], user[1]], [user[2], user[3]]].concat())
    };
    let (code, table, log) = alice(&ca, &right);
    assert!(code == Some(0) && table.contains("GROUP"), "{log}");
    for (answer, why) in [
        (alice(&ca, &wrong), "another user or password"),
        (alice(&other, &right), "--connect.ca"),
        (top(&url, &["--connect.ca", text(&right)]), "holds no certificate"),
        (top("ftp://x", &[]), "http://HOST:PORT"),
    ] {
        assert!(answer.0 == Some(2) && answer.2.contains(why), "{why}: {answer:?}");
    }
}
