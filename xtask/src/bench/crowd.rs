//! Many processes that sleep, and move some bytes when they are told to.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

/// How large it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) processes: u32,
    pub(super) groups: u32,
    /// Of each process.
    pub(super) threads: u32,
}

impl Size {
    /// All threads.
    pub(super) const fn members(self) -> u32 {
        self.processes * self.threads
    }

    /// Says it.
    pub(super) fn text(self) -> String {
        let Self { processes, groups, threads } = self;
        match threads {
            1 => format!("{processes} processes in {groups} groups"),
            _ => format!("{processes} processes of {threads} threads"),
        }
    }
}

/// The running crowd; it ends with this.
pub(super) struct Crowd {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// What the kernel's limit was before.
    _limit: Limit,
}

impl Crowd {
    /// Starts it, and waits until each thread sleeps.
    pub(super) fn start(folder: &Path, size: Size) -> Result<Self> {
        let limit = Limit::at_least(2 * size.members() + SPARE)?;
        let mut child = Command::new(folder.join("workload"))
            .args(["crowd", "--processes", &size.processes.to_string()])
            .args(["--groups", &size.groups.to_string(), "--threads", &size.threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the workload")?;
        let orders = child.stdin.take().context("no standard input")?;
        let answers = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut crowd = Self { child, orders, answers, _limit: limit };
        crowd.expect("ready")?;
        Ok(crowd)
    }

    /// Has each thread move some bytes, and waits until all have.
    pub(super) fn turn(&mut self) -> Result<()> {
        writeln!(self.orders)?;
        self.expect("moved")
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(line.trim_end() == word, "the crowd failed; its own message is above");
        Ok(())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // Its processes are killed as it ends.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ids for what else runs.
const SPARE: u32 = 4096;

/// The kernel's limit of ids, raised while this lives.
struct Limit {
    before: Option<String>,
}

const PID_MAX: &str = "/proc/sys/kernel/pid_max";

impl Limit {
    fn at_least(wanted: u32) -> Result<Self> {
        let now = fs::read_to_string(PID_MAX)?;
        if now.trim().parse::<u32>()? >= wanted {
            return Ok(Self { before: None });
        }
        eprintln!("xtask: raising {PID_MAX} to {wanted} meanwhile");
        fs::write(PID_MAX, wanted.to_string())
            .with_context(|| format!("cannot raise {PID_MAX}; start again as root"))?;
        Ok(Self { before: Some(now) })
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // The kernel refuses it while ids beyond it are in use, which harms nobody.
            let _ = fs::write(PID_MAX, before);
        }
    }
}
