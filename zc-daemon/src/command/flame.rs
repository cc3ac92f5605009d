//! `zc flame`: the stacks that bytes are copied on, as a picture.

use std::{collections::BTreeSet, fs, io::Write, path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context as _, Result, anyhow};
use zc_common::counter::Tally;

use super::{
    attach_sampling,
    books::Books,
    coverage::{Found, probes},
    process, sites,
    verify::{outputs, target::Target, watched::Watched},
};
use crate::{
    cli::{Flame, Format},
    engine::{
        flame::{self, NO_ROOM, Recording, Weight},
        summary::{self, Amount},
        tree::Root,
    },
    kernel::{
        capabilities,
        events::{Event, Watch},
        loader::Kernel,
        sizes::{Drawn, Sample},
    },
    shutdown::Shutdown,
    view::flame as view,
};

/// Room for so many call sites: all processes' may be wanted.
const ROOM: u32 = 2 * sites::ROOM;

/// Watches until it is time, or the target ends; writes what was copied on which stacks.
///
/// # Errors
///
/// If there is no such target, the kernel refuses the probes, or there is nothing to draw.
pub async fn run(flags: Flame) -> Result<ExitCode> {
    let format = flags.format().map_err(|why| anyhow!(why))?;
    if let Some(files) = &flags.diff {
        return changed(&flags, files);
    }
    let target = target(&flags)?;
    let output = outputs::main(flags.output.as_deref(), false)?;
    capabilities::require()?;
    let (kernel, watch) = attach(&flags)?;
    let mut books = Books::open(kernel, target.root())?;
    let recording = record(&flags, &target, &mut books).await?;
    if !watch.map_or(Ok(true), |watch| watch.is_of_all())? {
        tracing::warn!("processors came up or went down: what happened on some is not drawn");
    }
    for note in view::notes(&recording) {
        eprintln!("zc: {note}");
    }
    let bytes = match format {
        Format::Svg => view::svg(&recording).context(NOTHING)?,
        Format::Folded => view::folded(&recording).into_bytes(),
        Format::Pprof => view::pprof(&recording)?,
    };
    put(output, &bytes)?;
    Ok(ExitCode::SUCCESS)
}

/// Why there is no picture.
const NOTHING: &str = "there is nothing to draw: nothing of the kind was seen, or none was drawn \
                       as a sample (a smaller --sample draws more)";

/// What tells who runs, and what they did but for bytes.
const WHO: [&str; 5] = ["exec", "rename", "context_switches", "fork", "page_faults"];

/// Attaches what takes the stacks that are asked for, and no more.
fn attach(flags: &Flame) -> Result<(Kernel, Option<Watch>)> {
    let (of, event) = match flags.weight() {
        Weight::Bytes => (Drawn::Bytes, None),
        Weight::Copies => (Drawn::Copies, None),
        Weight::Switches => (Drawn::Events, Some(Event::ContextSwitch)),
        Weight::Faults => (Drawn::Events, Some(Event::PageFault)),
    };
    let sample = Sample { period: flags.period(), of };
    let Some(event) = event else {
        return Ok((attach_sampling(|_| true, ROOM, sample, flags.attach)?, None));
    };
    let mut kernel = attach_sampling(|probe| WHO.contains(&probe), ROOM, sample, flags.attach)?;
    let watch = kernel.take_stacks_of(event)?;
    Ok((kernel, Some(watch)))
}

fn target(flags: &Flame) -> Result<Target> {
    let Flame { pid, unit, cgroup, command, .. } = flags;
    if let Some(pid) = *pid {
        process(pid, "watch")?;
        return Ok(Target::Process { pid, alone: false });
    }
    let named = Target::cgroup(unit.as_deref(), cgroup.as_deref())?;
    let all =
        || if command.is_empty() { Target::Machine } else { Target::Command(command.clone()) };
    Ok(named.unwrap_or_else(all))
}

/// Watches a target to its end. What counts begins as the probes are attached: then the ledger
/// and the sites count the same.
async fn record(flags: &Flame, target: &Target, books: &mut Books) -> Result<Recording> {
    let shutdown = Shutdown::new()?;
    let (kind, name) = target.name();
    let target_name = format!("{kind} {name}");
    let mut watched = Watched::of_stacks();
    // Who sleeps is in no book yet, and may end as soon as it has run.
    if let Root::Family(pids) | Root::Cgroups(_, pids) = target.root() {
        watched.look(&pids.into_iter().collect::<Vec<_>>());
    }
    if !matches!(target, Target::Command(_)) {
        tracing::info!("zc watches {target_name}");
    }
    let began = Instant::now();
    let pace = target.pace(flags.duration);
    let mut watched = target.watch(books, pace, watched, shutdown, &mut |_| Ok(())).await?;
    if let Some(failure) = watched.failure() {
        tracing::warn!("{failure}");
    }
    let seconds = began.elapsed().as_secs_f64();
    let lost = books.pass()?;
    // Who has run since the last look, if it still lives.
    watched.look(&books.tree.living_pids());
    let all = books.kernel.sites()?;
    let whole = matches!(target, Target::Machine);
    let mut pids: BTreeSet<u32> = books.tree.pids().collect();
    let mut total = books.tree.total();
    if whole {
        pids.insert(NOBODY);
        total.add(books.ledger.nobody());
    }
    let weight = flags.weight();
    let unplaced = weight.of(Amount { bytes: all.unplaced, calls: all.unplaced_copies });
    let of_them = all.sites.into_iter().filter(|site| pids.contains(&site.tgid));
    let named: Vec<_> = of_them.map(|site| sites::named(site, &watched.symbols)).collect();
    let (mut stacks, inferred) = flame::fold(&named, weight, |pid| name_of(books, pid));
    if whole && unplaced > 0 {
        stacks.insert(vec![NO_ROOM.to_owned()], unplaced);
    }
    Ok(Recording {
        stacks,
        weight,
        period: flags.period(),
        booked: weight.booked(&total),
        unknown: unknown(books, weight, &total),
        inferred,
        unplaced: if whole { 0 } else { unplaced },
        lost,
        target: target_name,
        seconds,
    })
}

/// The process id of what is on no process' account.
const NOBODY: u32 = 0;

fn name_of(books: &Books, pid: u32) -> String {
    if pid == NOBODY {
        return "[no process]".to_owned();
    }
    books.tree.name_of(pid).map_or_else(|| pid.to_string(), str::to_owned)
}

/// Bytes of which it is not known what was copied; none if what was moved is not known.
fn unknown(books: &Books, weight: Weight, total: &Tally) -> Option<u64> {
    if matches!(weight, Weight::Switches | Weight::Faults) {
        return Some(0);
    }
    let moves = probes(&books.kernel.attachments, &Found::new()).has("transfers");
    moves.then(|| summary::unknown(total).iter().map(|row| row.amount.bytes).sum())
}

/// Draws what changed between two recordings.
fn changed(flags: &Flame, files: &[PathBuf]) -> Result<ExitCode> {
    let read = |path: &PathBuf| {
        fs::read_to_string(path).with_context(|| {
            format!(
                "the recording {} cannot be read; name one with --format folded",
                path.display()
            )
        })
    };
    let [before, after] = files else { return Err(anyhow!("--diff takes two recordings")) };
    let picture = view::diff(&read(before)?, &read(after)?)?;
    put(outputs::main(flags.output.as_deref(), false)?, &picture)?;
    Ok(ExitCode::SUCCESS)
}

fn put(mut to: Box<dyn Write>, bytes: &[u8]) -> Result<()> {
    to.write_all(bytes).and_then(|()| to.flush()).context("the recording cannot be written")
}
