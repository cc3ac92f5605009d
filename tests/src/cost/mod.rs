//! What a call takes with nothing attached, with a program that does nothing, with zc, and
//! with bpftrace: what `cargo xtask bench cost` runs in a guest that counts instructions.
//! [`pairs`] are timed instead.

mod loops;
pub mod pairs;
mod peer;
mod peers;
mod timed;

use std::{io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use zc_daemon::kernel::{
    ladder::Ladder,
    loader::{Choice, Kernel},
    sizes::Sizes,
};

use loops::Loop::{self, Fault, Getppid, Pread, Yield};
use peers::{Bpftrace, Empty, Hook};

/// The function that copies in the loops of reads.
const COPIES: &str = "filemap_read";
pub(super) const SWITCH: &str = "sched_switch";
const CALL: &str = "sys_exit";
const FAULTS: &str = "handle_mm_fault";

/// What zc needs to charge a copy of a file, and no more.
const ONE_COPY: &[&str] = &["exec", "rename", "context_switches", "copy_file_read"];

/// Runs every stage, and prints `cost STAGE LOOP INSTRUCTIONS` a line, or `cost STAGE LOOP -
/// WHY` for what this kernel does not have.
///
/// # Errors
///
/// If zc or an empty program cannot be attached.
pub fn count(object: &Path, folder: &Path) -> Result<()> {
    take_turns()?;
    time("untraced", folder, &every())?;
    for (hook, loops) in [
        (Hook::Return(COPIES), &[Pread][..]),
        (Hook::Tracepoint(SWITCH), &[Yield]),
        (Hook::Tracepoint(CALL), &[Getppid]),
        (Hook::Return(FAULTS), &[Fault]),
    ] {
        let _empty =
            Empty::attach(object, hook).with_context(|| format!("{hook:?} takes no program"))?;
        time("empty", folder, loops)?;
    }
    zc("zc-copy", folder, |probe| ONE_COPY.contains(&probe), &[Pread, Yield])?;
    zc("zc", folder, |probe| probe != "syscalls", &every())?;
    zc("zc-modes", folder, |_| true, &every())?;
    for (script, call) in [
        (format!("fexit:{COPIES}"), Pread),
        (format!("tracepoint:sched:{SWITCH}"), Yield),
        (format!("tracepoint:raw_syscalls:{CALL}"), Getppid),
    ] {
        bpftrace(&script, call, folder)?;
    }
    Ok(())
}

fn every() -> Vec<Loop> {
    Loop::ALL.iter().map(|(each, _)| *each).collect()
}

fn zc(stage: &str, folder: &Path, wanted: fn(&str) -> bool, loops: &[Loop]) -> Result<()> {
    let sizes = Sizes { threads: 4096, pids: 1 << 15, ..Sizes::LEAST };
    let choice = Choice { ladder: Ladder::Best, wanted };
    let _kernel = Kernel::attach(sizes, choice)
        .with_context(|| format!("zc cannot be attached ({stage})"))?;
    time(stage, folder, loops)
}

/// Where bpftrace does not take a probe, it says why.
fn bpftrace(probe: &str, call: Loop, folder: &Path) -> Result<()> {
    match Bpftrace::attach(probe) {
        Ok(_attached) => time("bpftrace", folder, &[call]),
        Err(why) => {
            let why = format!("{why:#}").replace('\n', "; ");
            print(&format!("cost bpftrace {} - {why}", name(call)))
        }
    }
}

fn time(stage: &str, folder: &Path, loops: &[Loop]) -> Result<()> {
    for each in loops {
        print(&format!("cost {stage} {} {:.1}", name(*each), each.time(folder)?))?;
    }
    Ok(())
}

fn name(of: Loop) -> &'static str {
    Loop::ALL.iter().find(|(each, _)| *each == of).map_or("", |(_, name)| name)
}

fn print(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Runs before all others, and by turns with those that do: nothing else comes between, and
/// to give way is to be switched out.
fn take_turns() -> Result<()> {
    let parameters = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameters live until the call returns.
    let answer = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) };
    if answer == 0 { Ok(()) } else { Err(std::io::Error::last_os_error().into()) }
}
