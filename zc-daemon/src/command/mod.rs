//! The commands: the only place that knows everybody.

pub mod advise;
pub mod audit;
mod books;
mod budget;
pub mod check_config;
mod coverage;
pub mod diff;
pub mod doctor;
pub mod flame;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod grouping;
mod least;
mod names;
pub mod paths;
pub mod record;
mod reload;
pub mod report;
pub mod run;
mod self_test;
pub mod sites;
pub mod top;
pub mod verify;

use crate::{
    cli::{Attach, Hooks},
    host,
    kernel::{
        capabilities,
        hooks::EACH_CALL,
        ladder::Ladder,
        loader::{Attachment, Choice, Kernel},
        sizes::{Kept, Sample, Sizes},
    },
};
use anyhow::{Context as _, Result, ensure};

/// Attaches everything, with maps sized to the machine.
fn attach(flags: Attach) -> Result<Kernel> {
    attach_keeping(0, flags)
}

/// The same, keeping bytes by so many call sites.
fn attach_keeping(sites: u32, flags: Attach) -> Result<Kernel> {
    attach_sampling(|_| true, sites, Sample::ALL, flags)
}

/// The same, or what is wanted of it, where not every stack is kept.
fn attach_sampling(
    wanted: fn(&str) -> bool,
    sites: u32,
    sample: Sample,
    flags: Attach,
) -> Result<Kernel> {
    let sizes = Sizes { sites, sample, ..Sizes::LEAST };
    attach_wanted(wanted, sizes, flags)
}

/// The same, keeping so much of who processes are, but what makes every system call dear only
/// if it is asked for.
fn attach_cheaply(mode_switches: bool, identity: Kept, flags: Attach) -> Result<Kernel> {
    let wanted = if mode_switches { |_: &str| true } else { |probe: &str| probe != EACH_CALL };
    attach_wanted(wanted, Sizes { identity, ..Sizes::LEAST }, flags)
}

/// Attaches what is wanted, with maps sized to the machine besides what must be asked for.
fn attach_wanted(wanted: fn(&str) -> bool, asked: Sizes, flags: Attach) -> Result<Kernel> {
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
    let Sizes { sites, sample, identity, .. } = asked;
    let sizes = Sizes { sites, sample, identity, ..Sizes::new(threads, pids) };
    Kernel::attach(sizes, Choice { ladder, wanted })
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
