//! Programs under names of their own: the daemon tells processes apart by comm.

use std::{
    collections::BTreeSet,
    env, fs,
    io::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::kernel;

/// Where the built programs are: `ZC_BIN`, else beside this test's own folder.
///
/// # Errors
///
/// If this test cannot tell where it is.
pub fn folder() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("ZC_BIN") {
        return Ok(folder.into());
    }
    let test = env::current_exe().context("a test that does not know its own path")?;
    let folder = test.parent().and_then(Path::parent);
    Ok(folder.context("a test outside a target folder")?.to_owned())
}

/// A place for links and files that goes with the test. On a disk, not in
/// memory: `O_DIRECT` is to be real.
#[derive(Debug)]
pub struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    /// A fresh one, in the temporary folder.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn new() -> Result<Self> {
        Self::within(&env::temp_dir())
    }

    /// One on the file system that a case is for, if the environment names a folder for
    /// it ([`kernel::folder_of`]); else as [`Self::new`].
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn of_case(case: &str) -> Result<Self> {
        let parent = kernel::folder_of(case).and_then(env::var_os);
        parent.map_or_else(Self::new, |parent| Self::within(Path::new(&parent)))
    }

    /// The same, but on a disk: where the temporary folder is in memory, beside the programs.
    ///
    /// # Errors
    ///
    /// As [`Self::of_case`], or if neither is on a disk.
    pub fn on_disk(case: &str) -> Result<Self> {
        let stage = Self::of_case(case)?;
        if !kernel::is_in_memory(stage.path()) {
            return Ok(stage);
        }
        let stage = Self::within(&folder()?)?;
        ensure!(
            !kernel::is_in_memory(stage.path()),
            "neither {} nor the temporary folder is on a disk; set TMPDIR to one that is",
            folder()?.display()
        );
        Ok(stage)
    }

    fn within(parent: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("zc-test-")
            .tempdir_in(parent)
            .with_context(|| format!("no room for a test in {}", parent.display()))?;
        Ok(Self { folder })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The workload under this name; what it prints goes nowhere.
    ///
    /// # Errors
    ///
    /// If the name is longer than a comm, or the link cannot be made.
    pub fn workload(&self, name: &str) -> Result<Command> {
        self.link(name, &folder()?.join("workload"))
    }

    /// Any program under this name.
    ///
    /// # Errors
    ///
    /// As [`Self::workload`].
    pub fn link(&self, name: &str, program: &Path) -> Result<Command> {
        const LONGEST: usize = 15; // TASK_COMM_LEN - 1
        ensure!(name.len() <= LONGEST, "{name} is longer than a comm");
        let link = self.path().join(name);
        if fs::symlink_metadata(&link).is_err() {
            symlink(program, &link).with_context(|| format!("cannot link {}", link.display()))?;
        }
        let mut command = Command::new(link);
        command.stdin(Stdio::null());
        Ok(command)
    }
}

/// A program that waits for a byte on its standard input, so that its numbers
/// stand still.
#[derive(Debug)]
pub struct Waiting(Child);

impl Waiting {
    /// Starts it, and waits until it sleeps in `read`.
    ///
    /// # Errors
    ///
    /// If it ends or never gets there.
    pub fn start(mut command: Command) -> Result<Self> {
        let child = command.stdin(Stdio::piped()).spawn().context("cannot start a workload")?;
        let waiting = Self(child);
        waiting.comes_to(Self::is_blocked)?;
        Ok(waiting)
    }

    /// Gives it a byte, and waits until it sleeps in `read` once more.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn step(&self) -> Result<()> {
        let slept = |waiting: &Self| waiting.sum_over_threads("voluntary_ctxt_switches");
        let before = slept(self)?;
        self.0.stdin.as_ref().context("no standard input")?.write_all(&[0])?;
        self.comes_to(|waiting| Ok(slept(waiting)? > before && waiting.is_blocked()?))
    }

    fn comes_to(&self, there: impl Fn(&Self) -> Result<bool>) -> Result<()> {
        for _ in 0..PATIENCE {
            if there(self)? {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        anyhow::bail!("a workload does not come to wait for its standard input")
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// A file of its `/proc` folder.
    ///
    /// # Errors
    ///
    /// If it is gone.
    pub fn proc(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.pid());
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }

    /// A number of its `/proc/PID/status`.
    ///
    /// # Errors
    ///
    /// If there is none of that name.
    pub fn status(&self, name: &str) -> Result<u64> {
        number(&self.proc("status")?, name)
    }

    /// The same, summed over its threads: over a first one that is dead, too.
    ///
    /// # Errors
    ///
    /// As [`Self::status`].
    pub fn sum_over_threads(&self, name: &str) -> Result<u64> {
        let threads = self.threads()?;
        threads.iter().map(|tid| number(&self.proc(&format!("task/{tid}/status"))?, name)).sum()
    }

    /// The ids of its threads.
    ///
    /// # Errors
    ///
    /// If it is gone.
    pub fn threads(&self) -> Result<BTreeSet<u32>> {
        zc_daemon::host::threads_of(self.pid())
    }

    /// A number of its `/proc/PID/stat`, counted from 1 as in `proc(5)`.
    ///
    /// # Errors
    ///
    /// If there is none at that place.
    pub fn stat(&self, field: usize) -> Result<u64> {
        const AFTER_COMM: usize = 3;
        let text = self.proc("stat")?;
        let (_, rest) = text.rsplit_once(") ").context("/proc/PID/stat has no comm")?;
        let number = rest.split_whitespace().nth(field - AFTER_COMM);
        number.context("/proc/PID/stat is short")?.parse().context("no number there")
    }

    /// Every thread is asleep (or dead, as the first one may be), and one in a read of its
    /// standard input (system call 0, descriptor 0).
    fn is_blocked(&self) -> Result<bool> {
        let mut reads = false;
        for tid in self.threads()? {
            // One that has gone since they were listed was no sleeper.
            let Ok(stat) = self.proc(&format!("task/{tid}/stat")) else { return Ok(false) };
            if !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['S', 'Z'])) {
                return Ok(false);
            }
            let call = self.proc(&format!("task/{tid}/syscall"));
            reads |= call.map_or(true, |text| text.starts_with("0 0x0 "));
        }
        Ok(reads)
    }

    /// Lets it end.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn finish(mut self) -> Result<()> {
        drop(self.0.stdin.take());
        let status = self.0.wait()?;
        ensure!(status.success(), "a workload ended with {status}");
        Ok(())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A number of a `status` file.
fn number(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.with_context(|| format!("no {name} in /proc/PID/status"))?.trim();
    number.parse().with_context(|| format!("{name} is {number:?}"))
}

/// Times 10 ms: emulated machines are slow.
const PATIENCE: u32 = 6000;
