//! `zc top`: exact bytes for scripts, by its own probes and from a daemon; on a real terminal
//! (tmux), its keys, and that the terminal is given back whatever happens.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    env, fs,
    io::{Read, Write as _},
    path::Path,
    process::{Child, Command, Stdio, id},
    thread::sleep,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use zc_daemon::command::top::screen::Screen;
use zc_tests::{
    daemon::Daemon,
    programs::{self, Stage},
    watching::Watching,
};

const BYTES: usize = 300_007;

/// Copies what it is given into a file, and no more.
struct Relay {
    child: Child,
    output: std::path::PathBuf,
}

impl Relay {
    /// Starts it under this name, and waits until it reads.
    fn start(stage: &Stage, name: &str) -> Self {
        let output = stage.path().join("output");
        let mut command = stage.link(name, Path::new("/bin/cat")).unwrap();
        command.stdin(Stdio::piped()).stdout(fs::File::create(&output).unwrap());
        let relay = Self { child: command.spawn().unwrap(), output };
        let call = format!("/proc/{}/syscall", relay.child.id());
        await_true(|| fs::read_to_string(&call).unwrap().starts_with("0 0x0 "));
        relay
    }

    /// Has it relay all bytes once more.
    fn pass(&mut self) {
        let before = fs::metadata(&self.output).unwrap().len();
        self.child.stdin.as_ref().unwrap().write_all(&[7; BYTES]).unwrap();
        let all = before + BYTES as u64;
        await_true(|| fs::metadata(&self.output).unwrap().len() == all);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn await_true(there: impl Fn() -> bool) {
    for _ in 0..3000 {
        if there() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("it does not come to be");
}

/// What `zc top` prints of what the relay does between the two looks.
fn seen(flags: &[&str], relay: &mut Relay) -> Value {
    let always = ["--once", "--json", "--interval", "2", "--log.level"];
    let flags = [&always[..], &["zc_daemon::command::top=debug"], flags].concat();
    let watching = Watching::start("top", &flags).unwrap();
    relay.pass();
    let ended = watching.end().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    serde_json::from_str(&ended.output).unwrap()
}

/// It read every byte, and wrote every byte, in this row.
fn is_exact(page: &Value, row: &Value) {
    let copied = &row["copied_bytes"];
    let copied = copied["measured"].as_u64().unwrap() + copied["inferred"].as_u64().unwrap();
    assert_eq!((copied, &row["bytes"]), (2 * BYTES as u64, &Value::from(2 * BYTES)), "{row}");
    let rate = row["per_second"]["copied_bytes"].as_f64().unwrap();
    let seconds = page["seconds"].as_f64().unwrap();
    assert!((2.0..10.0).contains(&seconds), "{seconds}");
    assert!((rate * seconds - copied as f64).abs() < 1.0, "{rate} × {seconds}");
    assert_eq!((&row["verdict"], &row["copies_per_byte"]), (&"copies".into(), &1.0.into()));
    assert_eq!(row["reasons"][0]["code"], "relayed", "{row}");
    let routes: Vec<_> = row["routes"].as_array().unwrap().iter().collect();
    assert!(routes.iter().all(|route| route["bytes"] == BYTES), "{row}");
}

fn row(page: &Value, wanted: impl Fn(&Value) -> bool) -> &Value {
    let mut rows = page["rows"].as_array().unwrap().iter();
    rows.find(|row| wanted(row)).unwrap_or_else(|| panic!("{page}"))
}

#[test]
fn its_own_probes_show_the_bytes() {
    let stage = Stage::new().unwrap();
    let mut relay = Relay::start(&stage, "top-own");
    let page = seen(&["--by", "process"], &mut relay);
    let pid = relay.child.id();
    is_exact(&page, row(&page, |row| row["pid"] == pid));
    assert_eq!((&page["source"], &page["version"]), (&"probes".into(), &1.into()));
    let page = seen(&["--group-by", "comm", "--filter", "TOP-OWN", "--limit", "1"], &mut relay);
    assert_eq!(page["rows"].as_array().unwrap().len(), 1);
    is_exact(&page, &page["rows"][0]);
}

#[test]
fn a_daemon_shows_the_same() {
    let stage = Stage::new().unwrap();
    let mut relay = Relay::start(&stage, "top-daemon");
    let daemon = Daemon::start().unwrap();
    // It knows of the relay from its first switch on.
    relay.pass();
    let url = format!("http://{}/", daemon.address());
    let pid = relay.child.id();
    let page = seen(&["--connect", &url, "--by", "process"], &mut relay);
    is_exact(&page, row(&page, |row| row["pid"] == pid));
    let page = seen(&["--connect", &url], &mut relay);
    is_exact(&page, row(&page, |row| row["name"] == "top-daemon"));
    assert_eq!(page["source"], url.trim_end_matches('/'));
}

fn top(flags: &[&str]) -> (Option<i32>, String, String) {
    let zc = programs::folder().unwrap().join("zc");
    let output = Command::new(zc).arg("top").args(flags).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn who_is_no_terminal_gets_a_plain_table() {
    let (code, table, log) = top(&["--interval", "0.2", "--sort", "name"]);
    assert_eq!((code, log.as_str()), (Some(0), ""));
    assert!(table.starts_with("GROUP"), "{table}");
    assert!(table.lines().last().unwrap().starts_with("# copies measured on "), "{table}");
    assert!(!table.contains('\u{1b}'));
}

#[test]
fn what_cannot_be_read_is_a_sentence() {
    let (code, _, log) = top(&["--connect", "http://127.0.0.1:1"]);
    assert_eq!(code, Some(2));
    assert!(log.starts_with("zc: http://127.0.0.1:1 cannot be read; is `zc run` up"), "{log}");
    let (code, _, log) = top(&["--connect", "127.0.0.1:1"]);
    assert!(code == Some(2) && log.contains("write http://HOST:PORT"), "{log}");
    let daemon = Daemon::start().unwrap();
    let elsewhere = format!("http://{}/elsewhere", daemon.address());
    let (code, _, log) = top(&["--connect", &elsewhere]);
    assert!(code == Some(2) && log.contains("answers 404"), "{log}");
    let (code, _, log) = top(&["--sort", "beauty"]);
    assert!(code == Some(2) && log.contains("copies-per-byte"), "{log}");
}

/// A shell on a terminal of its own.
struct Terminal(String);

impl Terminal {
    fn open(name: &str) -> Self {
        let terminal = Self(format!("zc-{name}-{}", id()));
        let shell = "env -u NO_COLOR PS1='$ ' ENV= TERM=screen sh -i";
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", shell]);
        terminal.shows("$");
        terminal
    }

    fn tmux(&self, words: &[&str]) -> String {
        let output = Command::new("tmux").args(["-L", &self.0]).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn types(&self, keys: &str) {
        self.tmux(&["send-keys", keys]);
    }

    fn runs(&self, line: &str) {
        self.tmux(&["send-keys", line, "Enter"]);
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until this stands on the screen.
    fn shows(&self, words: &str) {
        for _ in 0..600 {
            if self.screen().contains(words) {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("there is no {words:?}: {}", self.screen());
    }

    /// The program that the shell runs.
    fn running(&self) -> Pid {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        let shell = shell.trim();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        Pid::from_raw(children.trim().parse().unwrap()).unwrap()
    }

    /// It is as it was: the shell's own screen, a cursor, lines with echo.
    fn is_given_back(&self) {
        let flags = || self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]);
        await_true(|| flags().trim() == "0 1");
        let modes = "stty -a | tr ' ' '\\n' | grep -xcE 'icanon;?|echo;?|isig;?|opost;?'";
        self.runs(&format!("clear; {modes}; echo given back"));
        self.shows("4\ngiven back");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = Command::new("tmux").args(["-L", &self.0, "kill-server"]).output();
    }
}

#[test]
fn keys_work_and_the_terminal_is_given_back() {
    let terminal = Terminal::open("keys");
    let zc = programs::folder().unwrap().join("zc");
    let line = format!("clear; {} top --interval 0.3; echo status $?", zc.display());
    terminal.runs(&line);
    terminal.shows("COPIED/s▾");
    terminal.shows("q quit");
    terminal.types("g");
    terminal.shows("PROCESS ");
    terminal.types("/");
    // Not its clients, which come and go with each look.
    terminal.types("tmux: server");
    terminal.types("Enter");
    terminal.shows("[tmux: server] q quit");
    terminal.shows("tmux: server");
    terminal.types("Enter");
    terminal.shows("switches/s");
    terminal.types("?");
    terminal.shows("voluntary/involuntary");
    terminal.types("x");
    terminal.tmux(&["resize-window", "-x", "40", "-y", "10"]);
    terminal.types("r");
    terminal.shows("COPIED/s▴");
    terminal.tmux(&["resize-window", "-x", "80", "-y", "24"]);
    terminal.types("q");
    terminal.shows("status 0");
    terminal.is_given_back();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        terminal.runs(&line);
        terminal.shows("q quit");
        kill_process(terminal.running(), signal).unwrap();
        terminal.shows("status 0");
        terminal.is_given_back();
    }
    terminal.runs(&line);
    terminal.shows("q quit");
    let pid = terminal.running();
    kill_process(pid, Signal::TSTP).unwrap();
    terminal.shows("Stopped");
    terminal.is_given_back();
    terminal.runs("clear; fg");
    terminal.shows("q quit");
    terminal.types("C-c");
    terminal.is_given_back();
}

#[test]
fn advice_names_who_relays() {
    let stage = Stage::new().unwrap();
    let mut relay = stage.link("top-advised", Path::new("/bin/cat")).unwrap();
    // More than is read meanwhile; a pipe is what it relays to.
    let data = stage.path().join("data");
    fs::File::create(&data).unwrap().set_len(1 << 40).unwrap();
    let mut relay = relay.arg(&data).stdout(Stdio::piped()).spawn().unwrap();
    let output = relay.stdout.take().unwrap();
    let reader = std::thread::spawn(move || drip(output));
    let terminal = Terminal::open("advice");
    let zc = programs::folder().unwrap().join("zc");
    terminal.runs(&format!("clear; {} top; echo status $?", zc.display()));
    terminal.shows("q quit");
    terminal.types("a");
    terminal.shows("looking for relays, 1 s");
    terminal.types("Escape");
    terminal.shows("COPIED/s▾");
    terminal.types("a");
    terminal.shows("advice: all processes, watched for 10.");
    terminal.shows(&format!("top-advised ({}): file to pipe: use splice", relay.id()));
    terminal.shows(" % of a core; confidence high");
    // Another one ends with it.
    terminal.types("a");
    terminal.shows("looking for relays, 1 s");
    let top = terminal.running().as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{top}/task/{top}/children")).unwrap();
    let adviser = format!("/proc/{}", children.trim());
    assert!(fs::exists(&adviser).unwrap(), "{adviser}");
    terminal.types("q");
    terminal.shows("status 0");
    await_true(|| !fs::exists(&adviser).unwrap());
    terminal.is_given_back();
    relay.kill().unwrap();
    relay.wait().unwrap();
    reader.join().unwrap();
}

/// Reads until there is no more, some 30 MB a second.
fn drip(mut output: impl Read) {
    let mut buffer = vec![0; 1 << 16];
    while output.read(&mut buffer).unwrap() > 0 {
        sleep(Duration::from_millis(2));
    }
}

/// Of a daemon, which may be elsewhere, there is no advice.
#[test]
fn a_daemon_gives_no_advice() {
    let daemon = Daemon::start().unwrap();
    let terminal = Terminal::open("no-advice");
    let zc = programs::folder().unwrap().join("zc");
    terminal.runs(&format!("clear; {} top --connect http://{}", zc.display(), daemon.address()));
    terminal.shows("q quit");
    terminal.types("a");
    terminal.shows("a daemon gives no advice");
    terminal.types("Escape");
    terminal.shows("COPIED/s▾");
    terminal.types("q");
    terminal.is_given_back();
}

/// Runs itself on a terminal, where it panics on the screen of `zc top`.
#[test]
fn a_panic_gives_the_terminal_back() {
    const HERE: &str = "ZC_TEST_ON_A_TERMINAL";
    if env::var_os(HERE).is_some() {
        let _screen = Screen::enter().unwrap();
        sleep(Duration::from_secs(1));
        panic!("on purpose");
    }
    let terminal = Terminal::open("panic");
    let test = env::current_exe().unwrap();
    let name = "a_panic_gives_the_terminal_back";
    let line =
        format!("clear; RUST_BACKTRACE=0 {HERE}=1 {} --exact {name} --nocapture", test.display());
    terminal.runs(&(line + "; echo status $?"));
    let alternate = || terminal.tmux(&["display-message", "-p", "#{alternate_on}"]);
    await_true(|| alternate().trim() == "1");
    terminal.shows("status 101");
    assert!(terminal.screen().contains("on purpose"), "{}", terminal.screen());
    terminal.is_given_back();
}
