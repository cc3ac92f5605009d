//! The daemon under test.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::{programs, scrape::Metrics};

/// A running `zc run`.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    address: String,
    /// What it said until it served.
    began: String,
    /// What it says from then on.
    log: Mutex<mpsc::Receiver<String>>,
}

/// How long the daemon may take to attach: emulated machines are slow.
const PATIENCE: Duration = Duration::from_secs(300);

impl Daemon {
    /// Starts it on a free port with room for every group of a test.
    ///
    /// # Errors
    ///
    /// If it does not come to serve; its log is in the error.
    pub fn start() -> Result<Self> {
        Self::start_with(&["--max-groups", "2000"])
    }

    /// The same with other flags.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_with(flags: &[&str]) -> Result<Self> {
        Self::start_by(Command::new(programs::folder()?.join("zc")), flags)
    }

    /// The same by a command that becomes zc.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_by(mut command: Command, flags: &[&str]) -> Result<Self> {
        command.args(["run", "--web.listen-address", "127.0.0.1:0"]).args(flags);
        // Most tests know their processes by comm.
        if !flags.iter().any(|flag| flag.starts_with("--group-")) {
            command.args(["--group-by", "comm"]);
        }
        let mut child =
            command.stderr(Stdio::piped()).spawn().context("cannot start zc; is it built?")?;
        let (lines, log) = mpsc::channel();
        let stderr = child.stderr.take().context("zc has no standard error")?;
        std::thread::spawn(move || forward(stderr, &lines));
        let address = find_address(&log);
        let log = Mutex::new(log);
        let mut daemon = Self { child, address: String::new(), began: String::new(), log };
        // Dropped with it if it does not serve.
        (daemon.address, daemon.began) = address?;
        Ok(daemon)
    }

    /// Where it serves.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it said until it served.
    #[must_use]
    pub fn began(&self) -> &str {
        &self.began
    }

    /// What it has said since it serves, and was not asked for yet.
    #[must_use]
    pub fn log(&self) -> String {
        self.said().try_iter().collect()
    }

    /// Waits until it says something.
    ///
    /// # Errors
    ///
    /// If it does not; what it says instead is in the error.
    pub fn says(&self, what: &str) -> Result<String> {
        let log = self.said();
        let mut said = String::new();
        while let Ok(line) = log.recv_timeout(Duration::from_secs(60)) {
            if line.contains(what) {
                return Ok(line);
            }
            said += &line;
        }
        bail!("zc does not say {what:?}, but: {said}")
    }

    fn said(&self) -> MutexGuard<'_, mpsc::Receiver<String>> {
        // Whoever held it has panicked, and the lines are none the worse for it.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The text of one of its pages.
    ///
    /// # Errors
    ///
    /// If it is not served with status 200.
    pub fn page(&self, path: &str) -> Result<String> {
        let url = format!("http://{}{path}", self.address);
        let request = ureq::get(&url).config().http_status_as_error(false).build();
        let mut answer = request.call().with_context(|| format!("cannot get {path}"))?;
        let text = answer.body_mut().with_config().limit(64 << 20).read_to_string()?;
        ensure!(answer.status() == 200, "{path} is {}: {text}", answer.status());
        Ok(text)
    }

    /// A scrape of `/metrics`.
    ///
    /// # Errors
    ///
    /// If it is not served or is no exposition.
    pub fn metrics(&self) -> Result<Metrics> {
        Metrics::parse(&self.page("/metrics")?)
    }

    /// How often the kernel skipped a program on a tracepoint because it was preempted on
    /// the CPU (from 7.0), as zc says itself.
    ///
    /// # Errors
    ///
    /// As [`Self::metrics`].
    pub fn missed(&self) -> Result<u64> {
        self.metrics()?.value("zc_lost_total", ("reason", "recursion"))
    }

    /// The same of programs on functions, which any kernel may preempt, and of calls that
    /// kprobes saw only in half: then a copy is not seen, and inferred instead.
    ///
    /// # Errors
    ///
    /// As [`Self::metrics`].
    pub fn missed_copies(&self) -> Result<u64> {
        let metrics = self.metrics()?;
        let lost = |reason| metrics.value("zc_lost_total", ("reason", reason));
        Ok(lost("recursion_copying")? + lost("half_seen")?)
    }

    /// The entry of one process in `/api/v1/processes`.
    ///
    /// # Errors
    ///
    /// If it has none.
    pub fn process(&self, pid: u32) -> Result<serde_json::Value> {
        let mut page: serde_json::Value = serde_json::from_str(&self.page("/api/v1/processes")?)?;
        let processes = page["processes"].as_array_mut().context("no processes")?;
        let found = processes.iter().position(|process| process["pid"] == pid);
        Ok(processes.swap_remove(found.with_context(|| format!("no process {pid}"))?))
    }

    /// Sends a signal and waits for the end.
    ///
    /// # Errors
    ///
    /// If the signal cannot be sent.
    pub fn end(mut self, signal: Signal) -> Result<ExitStatus> {
        self.signal(signal)?;
        self.child.wait().context("cannot wait for zc")
    }

    /// Waits for an end that was asked for otherwise.
    ///
    /// # Errors
    ///
    /// If it cannot be waited for.
    pub fn wait(mut self) -> Result<ExitStatus> {
        self.child.wait().context("cannot wait for zc")
    }

    /// Sends a signal.
    ///
    /// # Errors
    ///
    /// If that cannot be done.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.pid().cast_signed()).context("zc has no pid")?;
        kill_process(pid, signal).context("cannot signal zc")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the line that says where the daemon serves, and the lines before it.
fn find_address(log: &mpsc::Receiver<String>) -> Result<(String, String)> {
    let mut said = String::new();
    while let Ok(line) = log.recv_timeout(PATIENCE) {
        let place = line.split_once("http://").or_else(|| line.split_once("https://"));
        if let Some((_, rest)) = place {
            let (address, _) = rest.split_once('/').context("an address without a path")?;
            return Ok((address.to_owned(), said));
        }
        said += &line;
    }
    bail!("zc does not come to serve: {said}")
}

/// Passes the log on until the daemon ends, so that it never blocks.
fn forward(stderr: ChildStderr, lines: &mpsc::Sender<String>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        // Nobody listens once the address is known.
        let _ = lines.send(line + "\n");
    }
}
