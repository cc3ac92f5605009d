//! `zc sites`: the stacks on which one process' bytes are copied.

use std::{
    collections::BTreeSet,
    io::Write as _,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;
use zc_common::{site::Known, slot::Care};

use super::{attach_keeping, process};
use crate::{
    cli,
    engine::{
        ledger::Ledger,
        sampler,
        site::{self, Frame, Site, Whole},
        summary::{Amount, Quality},
    },
    host::{
        self,
        symbols::{Symbol, Symbols},
    },
    kernel::sites::{self, Stack},
    view::site::Sites,
};

/// Room for so many call sites.
pub(super) const ROOM: u32 = 8192;
/// Time between two looks.
const STEP: Duration = Duration::from_millis(50);

/// Watches until it is time, or the process ends; prints the sites.
///
/// # Errors
///
/// If there is no such process, or the kernel refuses the probes.
pub fn run(flags: &cli::Sites) -> Result<ExitCode> {
    let pid = flags.pid;
    process(pid, "watch")?;
    let mut kernel = attach_keeping(ROOM, flags.attach)?;
    let (mut ledger, mut symbols) = (Ledger::new(1), Symbols::default());
    symbols.remember(pid);
    tracing::info!("zc watches process {pid} and keeps call sites");
    let began = Instant::now();
    while host::process_of(pid).is_some()
        && flags.duration.is_none_or(|duration| began.elapsed() < duration)
    {
        std::thread::sleep(STEP);
        symbols.remember(pid);
        sampler::pass(&mut kernel, &mut ledger, Care::Thorough)?;
    }
    let report = report(kernel.sites()?, &symbols, &[pid].into(), flags.top);
    let text =
        if flags.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.text() };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The sites of some processes that copied most, with names.
pub(super) fn report(
    sites: sites::Sites,
    symbols: &Symbols,
    of: &BTreeSet<u32>,
    limit: usize,
) -> Sites {
    let unplaced = sites.unplaced;
    let wanted = sites.sites.into_iter().filter(|site| of.contains(&site.tgid));
    let named = wanted.map(|site| named(site, symbols)).collect();
    Sites::new(site::top(named, Some(of), limit), unplaced)
}

/// A site with the names of its frames.
pub(super) fn named(site: sites::Site, symbols: &Symbols) -> Site {
    let (route, direction, known) = site.kind;
    let kernel = named_frames(true, &site.kernel, |addresses| symbols.kernel(addresses));
    let user = user_frames(site.tgid, &site.user, symbols);
    let is_cut = matches!(&site.user, Stack::Taken(addresses) if user.len() < addresses.len());
    let (frames, whole) = site::stack(kernel, user);
    let lost = is_cut || site.kernel == Stack::Lost || site.user == Stack::Lost;
    Site {
        tgid: site.tgid,
        route,
        direction,
        quality: match known {
            Known::Inferred => Quality::Inferred,
            Known::Measured => Quality::Measured,
        },
        amount: Amount { bytes: site.bytes, calls: site.copies },
        frames,
        whole: if lost { Whole::No } else { whole },
    }
}

/// The process' frames of a stack, with names.
pub(super) fn user_frames(pid: u32, stack: &Stack, symbols: &Symbols) -> Vec<Frame> {
    named_frames(false, stack, |addresses| symbols.user(pid, addresses))
}

fn named_frames(kernel: bool, stack: &Stack, names: impl Fn(&[u64]) -> Vec<Symbol>) -> Vec<Frame> {
    let Stack::Taken(addresses) = stack else { return Vec::new() };
    let frame = |Symbol { function, module, offset }| Frame { kernel, function, module, offset };
    names(addresses).into_iter().map(frame).collect()
}
