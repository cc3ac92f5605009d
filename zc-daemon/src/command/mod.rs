//! The commands: the only place that knows everybody.

pub mod audit;
mod books;
pub mod doctor;
pub mod run;
mod self_test;

use anyhow::Result;
use zc_common::flow::Route;

use crate::{
    cli::{Attach, Hooks},
    host,
    kernel::{
        capabilities,
        ladder::Ladder,
        loader::{Attachment, Kernel, Sizes},
    },
};

/// Attaches with maps sized to the machine.
fn attach(flags: Attach) -> Result<Kernel> {
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
    Kernel::attach(Sizes { threads, pids }, ladder)
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

/// The routes of which every probe that sees copies is up, or has nothing to see here.
fn observed(attachments: &[Attachment]) -> [bool; Route::COUNT] {
    let fed = |route: &Route, wanted: fn(&Attachment) -> bool| {
        attachments.iter().any(|a| a.probe.routes.contains(route) && wanted(a))
    };
    let mut routes = [false; Route::COUNT];
    for route in Route::ALL {
        let up = fed(route, |a| a.hook.is_some());
        routes[route.index()] = up && !fed(route, |a| a.hook.is_none() && !a.is_missing());
    }
    routes
}
