//! A copy of this machine's files to install into: this machine stays as it is.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use super::output;

/// What is written goes into memory, over the machine's own files, in a namespace of mounts that
/// ends with this.
#[derive(Debug)]
pub struct Copy {
    holder: Child,
    folder: TempDir,
}

/// Mounts it, says so, and waits for the end of its input.
const SCRIPT: &str = r#"
set -e
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay none -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
for edge in proc sys dev; do mount --rbind "/$edge" "$1/root/$edge"; done
mount -t tmpfs none "$1/root/run"
# Renewing the index of manuals takes longer than all else.
rm -f "$1/root/var/lib/man-db/auto-update"
echo mounted
cat
"#;

impl Copy {
    /// One as the machine is now.
    ///
    /// # Errors
    ///
    /// If it cannot be mounted, which takes root and a kernel with overlays.
    pub fn new() -> Result<Self> {
        let folder = TempDir::new()?;
        let mut hold = Command::new("unshare");
        hold.args(["--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh"]);
        hold.arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = hold.spawn().context("cannot run unshare, of util-linux")?;
        let stdout = holder.stdout.take().context("no output")?;
        let copy = Self { holder, folder };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        ensure!(line == "mounted\n", "a copy of this machine's files cannot be mounted");
        Ok(copy)
    }

    /// A command that runs in it, as root.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        let pid = self.holder.id().to_string();
        command.args(["--mount", "--target", &pid, "chroot"]).arg(self.path("root"));
        command.arg(program).stdin(Stdio::null());
        command
    }

    /// Runs a line of the shell in it; what it printed.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn shell(&self, line: &str) -> Result<String> {
        output(self.command("sh").args(["-e", "-c", line]))
    }

    /// Puts a file of this machine's into it; its path there.
    ///
    /// # Errors
    ///
    /// If it cannot be read or written.
    pub fn put(&self, file: &Path) -> Result<String> {
        let name = file.file_name().and_then(|name| name.to_str()).context("no name")?;
        let place = format!("/run/{name}");
        let mut tee = self.command("tee");
        let from = std::fs::File::open(file)?;
        let status = tee.arg(&place).stdin(from).stdout(Stdio::null()).status()?;
        ensure!(status.success(), "cannot write {place}");
        Ok(place)
    }

    /// The files and links that were written into it and are there, but those below `except`.
    ///
    /// # Errors
    ///
    /// If it cannot be looked at.
    pub fn written(&self, except: &[&str]) -> Result<BTreeSet<String>> {
        let mut find = Command::new("nsenter");
        find.args(["--mount", "--target", &self.holder.id().to_string(), "find"]);
        // What was removed is there as a device.
        find.arg(self.path("upper")).args(["-not", "-type", "c", "-not", "-type", "d"]);
        find.args(["-printf", "/%P\\n"]);
        let found = output(&mut find)?;
        let is_left = |path: &&str| !except.iter().any(|place| path.starts_with(place));
        Ok(found.lines().filter(is_left).map(str::to_owned).collect())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // Its `cat` ends, and with the last process the mounts.
        drop(self.holder.stdin.take());
        // There is nobody to tell, and the folder is empty without the mounts.
        let _ = self.holder.wait();
    }
}
