//! The commands: the only place that knows everybody.

pub mod audit;
mod books;
mod budget;
mod coverage;
pub mod doctor;
pub mod paths;
pub mod run;
mod self_test;
pub mod sites;
pub mod verify;

use crate::{
    cli::{Attach, Hooks},
    host,
    kernel::{
        capabilities,
        ladder::Ladder,
        loader::{Attachment, Choice, Kernel},
        sizes::Sizes,
    },
};
use anyhow::{Context as _, Result, ensure};

/// Attaches with maps sized to the machine.
fn attach(flags: Attach) -> Result<Kernel> {
    attach_keeping(0, flags)
}

/// The same, keeping bytes by so many call sites.
fn attach_keeping(sites: u32, flags: Attach) -> Result<Kernel> {
    capabilities::require()?;
    let pids = host::pid_max()?;
    let threads = match flags.threads {
        Some(threads) => threads,
        None => default_threads(host::threads()?, pids),
    };
    let ladder = match flags.hooks {
        Hooks::Best => Ladder::Best,
        Hooks::Kprobes => Ladder::Kprobes,
    };
    Kernel::attach(Sizes { threads, pids, sites }, Choice { ladder, wanted: |_| true })
}

/// The name of a process that lives; `verb` is what is wanted of it.
fn process(pid: u32, verb: &str) -> Result<String> {
    let (process, comm) = host::process_of(pid).with_context(|| gone(pid))?;
    ensure!(
        process == pid,
        "{pid} is a thread of process {process}: {verb} that (--pid {process})"
    );
    Ok(comm)
}

fn gone(pid: u32) -> String {
    format!("there is no process {pid}; find one with ps or pgrep")
}

/// Room for four times as many threads as there are, at least 16384 and no more
/// than there can be.
fn default_threads(now: u32, pids: u32) -> u32 {
    const LEAST: u32 = 16 * 1024;
    now.saturating_mul(4).max(LEAST).min(pids)
}

/// The hook a probe is attached to, as text.
fn hook_of(attachment: &Attachment) -> Option<String> {
    attachment.hook.map(|rung| rung.to_string())
}
