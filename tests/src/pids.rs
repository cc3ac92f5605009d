//! The machine's range of process ids, lowered for a test.

use std::{
    fs,
    io::Write as _,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

const PID_MAX: &str = "/proc/sys/kernel/pid_max";
const LAST: &str = "/proc/sys/kernel/ns_last_pid";

/// A lower limit, until it is dropped: by a process of its own, that finds out however this
/// one ends.
#[derive(Debug)]
pub struct PidMax {
    keeper: Child,
    was: u32,
    /// What it is.
    pub now: u32,
}

impl PidMax {
    /// Lowers it, and has the next id be the lowest again.
    ///
    /// # Errors
    ///
    /// If the kernel does not take it.
    pub fn lower_to(now: u32) -> Result<Self> {
        let was: u32 = fs::read_to_string(PID_MAX)?.trim().parse().context("pid_max")?;
        ensure!(now < was, "there are only {was} ids: no room for a test of them");
        let keep = format!("trap '' INT TERM HUP; read _; echo {was} >{PID_MAX}");
        let keeper = Command::new("sh").args(["-c", &keep]).stdin(Stdio::piped()).spawn()?;
        let lowered = Self { keeper, was, now };
        fs::write(PID_MAX, now.to_string()).context("cannot lower pid_max")?;
        Ok(lowered)
    }

    /// Restores it, and has the next ids be beyond the lower limit.
    ///
    /// # Errors
    ///
    /// If the kernel does not take it.
    pub fn restore_beyond(&self) -> Result<()> {
        fs::write(PID_MAX, self.was.to_string()).context("cannot restore pid_max")?;
        fs::write(LAST, self.now.to_string()).context("cannot choose the next id")
    }
}

impl Drop for PidMax {
    fn drop(&mut self) {
        // It waits for the end of its standard input; whether it did is seen by the next test.
        if let Some(mut stdin) = self.keeper.stdin.take() {
            let _ = stdin.write_all(b"\n");
        }
        let _ = self.keeper.wait();
    }
}
