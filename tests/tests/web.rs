//! What is served, to friend and foe.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    ffi::OsStr,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    process::{Command, Stdio},
};

use zc_tests::{
    daemon::Daemon,
    http::{self, Answer, ask},
    programs::Stage,
};

const OPEN: &str = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5";

fn unzipped(answer: &Answer) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(answer.body.as_slice()).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn pages_are_served_as_http_has_it() {
    let flags = ["--web.listen-address", "127.0.0.1:0", "--web.telemetry-path", "/zc/metrics"];
    let daemon = Daemon::start_with(&flags).unwrap();
    let address = daemon.address();
    let get = |path: &str, headers: &[&str]| ask(address, "GET", path, headers).unwrap();

    let classic = get("/zc/metrics", &[]);
    assert_eq!(classic.status, 200);
    assert_eq!(classic.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(classic.header("content-length"), Some(classic.body.len().to_string().as_str()));
    assert_eq!(classic.header("x-content-type-options"), Some("nosniff"));
    assert!(!classic.text().unwrap().contains("# EOF"));
    let open = get("/zc/metrics", &[OPEN]);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.header("content-type"), Some(kind));
    assert!(open.text().unwrap().ends_with("\n# EOF\n"));
    assert_eq!(get("/metrics", &[]).status, 404);

    for path in ["/zc/metrics", "/api/v1/processes"] {
        let zipped = get(path, &["Accept-Encoding: gzip"]);
        assert_eq!(zipped.header("content-encoding"), Some("gzip"), "{path}");
        assert!(zipped.header("vary").unwrap().contains("accept-encoding"), "{path}");
        let text = unzipped(&zipped);
        assert!(text.len() > zipped.body.len() && text.contains("group"), "{path}");
        let head = ask(address, "HEAD", path, &[]).unwrap();
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 1000);
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
            let refused = ask(address, method, path, &[]).unwrap();
            assert_eq!(refused.status, 405, "{method} {path}");
            assert_eq!(refused.header("allow"), Some("GET,HEAD"), "{method} {path}");
        }
    }
    for path in ["/nowhere", "/api/v1/processes/", "/../etc/passwd", "//", "/%00"] {
        assert_eq!(get(path, &[]).status, 404, "{path}");
    }
    let late = get("/zc/metrics", &["X-Prometheus-Scrape-Timeout-Seconds: 0.000001"]);
    assert_eq!(late.status, 503);
    assert!(late.text().unwrap().contains("was not done within"), "{late:?}");
    // The other address is said as well.
    let second = daemon.says("zc serves http://").unwrap();
    let (_, second) = second.split_once("http://").unwrap();
    let (second, _) = second.split_once('/').unwrap();
    assert_ne!(second, address);
    assert_eq!(ask(second, "GET", "/-/healthy", &[]).unwrap().text().unwrap(), "zc is healthy\n");
}

/// Reads an exposition from standard input by the grammar of Python's client, and prints the
/// groups that it has, as JSON.
const READ: &str = "
import json, sys
if sys.argv[1] == 'open':
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
else:
    from prometheus_client.parser import text_string_to_metric_families as parse
page = sys.stdin.buffer.read().decode('utf-8')
families = list(parse(page))
labels = [s.labels for f in families for s in f.samples]
print(json.dumps({
    'families': len(families),
    'groups': sorted({l['group'] for l in labels if 'group' in l}),
}))
";

fn read(format: &str, page: &[u8]) -> serde_json::Value {
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", READ, format])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(page).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{format} is not read by Python's client");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Names that would break a page which did not know better, and how they are shown.
const HOSTILE: &[(&[u8], &str)] = &[
    (b"new\nline", "new\nline"),
    (b"quo\"te", "quo\"te"),
    (b"back\\slash\\n", "back\\slash\\n"),
    (b"no\xff\xc3utf8", "no\u{fffd}\u{fffd}utf8"),
    (b"\"} 1\nzc_x 2", "\"} 1\nzc_x 2"),
    (b"# EOF\n", "# EOF\n"),
    (b"\r\t\x1b[31m\x7f", "\r\t\u{1b}[31m\u{7f}"),
    (b"<b>&amp;<i>", "<b>&amp;<i>"),
];

#[test]
fn no_name_of_a_process_breaks_either_format() {
    let stage = Stage::new().unwrap();
    let template = stage.path().join("groups.toml");
    fs::write(&template, "[[rule]]\nname = \"{comm}:{argv}\"\n").unwrap();
    let by_comm = Daemon::start().unwrap();
    let by_argv = Daemon::start_with(&["--group-template", template.to_str().unwrap()]).unwrap();
    for (name, _) in HOSTILE {
        let link = stage.path().join(OsStr::from_bytes(name));
        symlink("/bin/cat", &link).unwrap();
        let long = "\"\\{}=,".repeat(682);
        let mut cat = Command::new(link);
        cat.args(["/etc/hostname", &long, "\n"]).stdout(Stdio::null()).stderr(Stdio::null());
        // It finds no files of the other names.
        assert_eq!(cat.status().unwrap().code(), Some(1));
    }
    for daemon in [&by_comm, &by_argv] {
        for (format, accept) in [("classic", "Accept: */*"), ("open", OPEN)] {
            let page = ask(daemon.address(), "GET", "/metrics", &[accept]).unwrap();
            let read = read(format, &page.body);
            assert!(read["families"].as_u64() > Some(15), "{read}");
            let groups = read["groups"].as_array().unwrap();
            let groups: Vec<_> = groups.iter().map(|group| group.as_str().unwrap()).collect();
            if daemon.pid() == by_comm.pid() {
                for (_, shown) in HOSTILE {
                    assert!(groups.contains(shown), "{shown:?} in {groups:?}");
                }
            } else {
                let argv = groups.iter().filter(|group| group.contains("\"\\{}=,\"\\{}=,"));
                assert!(argv.count() > 0, "{groups:?}");
            }
        }
        let processes: serde_json::Value =
            serde_json::from_str(&daemon.page("/api/v1/processes").unwrap()).unwrap();
        assert!(processes["processes"].is_array());
    }
}

/// The memory that a process holds, in bytes.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// The sockets that a process has.
fn sockets(pid: u32) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

/// Fails unless a scrape is answered.
fn assert_serves(daemon: &Daemon) {
    assert_eq!(ask(daemon.address(), "GET", "/metrics", &[]).unwrap().status, 200);
}

const CONNECTIONS: usize = 256;

#[test]
fn who_holds_connections_open_keeps_nobody_out() {
    let daemon = Daemon::start().unwrap();
    assert_serves(&daemon);
    let before = resident(daemon.pid());
    let mut idle = Vec::new();
    for number in 0..1000 {
        let mut stream = http::connect(daemon.address()).unwrap();
        // Half of them say nothing at all; it may have been closed already.
        if number % 2 == 0 {
            let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: ");
        }
        idle.push(stream);
        if number % 100 == 99 {
            assert_serves(&daemon);
            let open = sockets(daemon.pid());
            assert!(open <= CONNECTIONS + 16, "{open} sockets");
        }
    }
    let grown = resident(daemon.pid()).saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more for 1000 connections");
    // Who came first has been closed without an answer.
    assert_eq!(http::rest(&mut idle[0]), b"");
}

#[test]
fn who_is_slow_or_immense_is_refused_in_time() {
    let daemon = Daemon::start_with(&["--web.max-requests", "1"]).unwrap();
    let address = daemon.address();
    // Its head comes for ever, a byte a second.
    let mut slow = http::connect(address).unwrap();
    let mut trickle: TcpStream = slow.try_clone().unwrap();
    let trickling = std::thread::spawn(move || {
        let head = b"GET /metrics HTTP/1.1\r\nX: ".iter().chain([b'a'; 120].iter());
        head.map(|byte| {
            std::thread::sleep(std::time::Duration::from_millis(500));
            trickle.write_all(&[*byte])
        })
        .take_while(Result::is_ok)
        .count()
    });
    // It asks, and reads nothing: its place is free all the same, as its page is small.
    let mut deaf = http::connect(address).unwrap();
    deaf.write_all(b"GET /-/ready HTTP/1.1\r\nHost: zc\r\n\r\n").unwrap();

    let before = resident(daemon.pid());
    let long = "a".repeat(1 << 20);
    let many: String = (0..1000).map(|n| format!("X-{n}: 1\r\n")).collect();
    for (request, expected) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: zc\r\n\r\n"), &[414, 431][..]),
        (format!("GET /metrics HTTP/1.1\r\nHost: zc\r\nX: {long}\r\n\r\n"), &[431]),
        (format!("GET /metrics HTTP/1.1\r\nHost: zc\r\n{many}\r\n"), &[431]),
        ("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".to_owned(), &[400]),
        ("GET /metrics HTTP/1.1\r\nHost: zc\r\nContent-Length: x\r\n\r\n".to_owned(), &[400]),
    ] {
        let answer = http::exchange(address, request.as_bytes()).unwrap();
        // Whoever still sends when it is refused may see a reset before the answer.
        if !answer.is_empty() {
            let status = Answer::parse(&answer).unwrap().status;
            assert!(expected.contains(&status), "{status} for {:.60}", request);
        }
        assert!(request.len() > 10_000 || !answer.is_empty(), "{:.60}", request);
    }
    let body =
        format!("POST /metrics HTTP/1.1\r\nHost: zc\r\nContent-Length: {}\r\n\r\n", 1_u64 << 40);
    let mut endless = http::connect(address).unwrap();
    endless.write_all(body.as_bytes()).unwrap();
    let mut sent = 0;
    while sent < 64 << 20 && endless.write_all(&[0; 1 << 16]).is_ok() {
        sent += 1 << 16;
    }
    assert!(sent < 64 << 20, "an endless body is read");
    let grown = resident(daemon.pid()).saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
    assert_eq!(http::rest(&mut slow), b"");
    assert!(trickling.join().unwrap() < 100);
    assert_serves(&daemon);
    drop(deaf);
}

#[test]
fn more_scrapes_than_allowed_are_told_to_come_again() {
    let daemon = Daemon::start_with(&["--web.max-requests", "1", "--max-groups", "2000"]).unwrap();
    let address = daemon.address();
    let scrape = || ask(address, "GET", "/metrics", &[]).unwrap();
    let (mut served, mut refused) = (0, 0);
    for _ in 0..100 {
        let answers = std::thread::scope(|scope| {
            let scrapes: Vec<_> = (0..8).map(|_| scope.spawn(scrape)).collect();
            scrapes.into_iter().map(|scrape| scrape.join().unwrap()).collect::<Vec<_>>()
        });
        for answer in answers {
            match answer.status {
                200 => served += 1,
                503 => {
                    refused += 1;
                    assert_eq!(answer.header("retry-after"), Some("1"));
                }
                other => panic!("{other}"),
            }
        }
        if served > 0 && refused > 0 {
            break;
        }
    }
    assert!(served > 0 && refused > 0, "{served} served, {refused} refused");
    assert_eq!(ask(address, "GET", "/-/healthy", &[]).unwrap().status, 200);
}
