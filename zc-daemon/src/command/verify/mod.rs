//! `zc verify`: is this application zero-copy?

mod evidence;
pub(super) mod outputs;
pub(super) mod target;
pub(super) mod watched;

use std::{
    fs,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use zc_common::{
    counter::Tally,
    flow::{Endpoint, Route},
};

pub(super) use self::target::{quoted, spawn};
use self::{evidence::evidence, outputs::Outputs, target::Target, watched::Watched};
use super::{
    attach_keeping,
    audit::Breakpoints,
    books::{Account, Books},
    coverage::{Found, probes},
    self_test, sites,
};
use crate::{
    cli::{Limits, Verify},
    engine::{
        hint,
        judgement::{self, Evidence, Judgement, Outcome},
        policy::Policy,
        reason::Reason,
        summary::{self, Copies},
    },
    host,
    kernel::capabilities,
    shutdown::Shutdown,
    view::{
        audit::Comparison,
        json::{self, Totals},
        site::Sites,
        verify::{self as view, Covered, Report},
    },
};

/// Runs or watches, judges, and reports: 0 within the policy, 1 not, 2 cannot tell.
///
/// # Errors
///
/// If there is no such target, the policy is none, or the kernel refuses the probes.
pub async fn run(flags: Verify) -> Result<ExitCode> {
    let policy = policy(&flags.limits)?;
    let target = Target::of(&flags)?;
    let outputs = Outputs::open(&flags)?;
    capabilities::require()?;
    let stacks = flags.stacks();
    let room = if stacks > 0 { sites::ROOM } else { 0 };
    let mut books = Books::open(attach_keeping(room, flags.attach)?, target.root())?;
    if let Some(budget) = flags.budget {
        books.keep_to(budget);
    }
    let Observed { watched, account, audit, seconds } =
        observe(&flags, &target, &mut books).await?;
    let (kind, name) = target.name();
    let who = view::Target {
        kind,
        name,
        processes: books.tree.count(),
        running: books.tree.living(),
        status: watched.status,
    };
    let sites = (stacks > 0).then(|| top_sites(&books, &watched, stacks)).transpose()?;
    let reasons = books.tree.reasons();
    let names = books.tree.names().iter().map(String::as_str);
    let hints = hint::of(names, watched.go, &reasons);
    let evidence = evidence(&mut books, &account, &watched, who.running, audit.as_ref())?;
    let judgement = judgement::judge(&evidence, &policy);
    let totals = Totals::of(&account.delta, &shown(&books));
    let known =
        Known { who, seconds, totals, evidence: &evidence, reasons: &reasons, hints, sites };
    outputs.write(&report(&judgement, policy, known, audit))?;
    Ok(match judgement.outcome {
        Outcome::Pass => ExitCode::SUCCESS,
        Outcome::Broken => ExitCode::from(1),
        Outcome::CannotTell => ExitCode::from(2),
    })
}

/// What was seen of a target.
struct Observed {
    watched: Watched,
    account: Account,
    audit: Option<Comparison>,
    seconds: f64,
}

/// Watches a target to its end, by breakpoints too if they are wanted.
async fn observe(flags: &Verify, target: &Target, books: &mut Books) -> Result<Observed> {
    let shutdown = Shutdown::new()?;
    let breakpoints = match flags.pid.filter(|_| flags.audit) {
        Some(pid) => Some(Breakpoints::set(books, pid, self_test::breakpoints()?)?),
        None => None,
    };
    books.start()?;
    let began = Instant::now();
    let (kind, name) = target.name();
    if kind != "command" {
        tracing::info!("zc watches {kind} {name}");
    }
    let pace = target.pace(flags.duration);
    let watched = Watched::new(flags.stacks() > 0);
    let watched = target.watch(books, pace, watched, shutdown, &mut |_| Ok(())).await?;
    let seconds = began.elapsed().as_secs_f64();
    books.pass()?;
    settle(books).await;
    let counted = breakpoints.map(|set| set.remove(books)).transpose()?;
    let account = books.close()?;
    let audit = counted.and_then(|counted| counted.compare(&account));
    Ok(Observed { watched, account, audit, seconds })
}

/// How long bytes may lie in a socket's queue, from which they are copied later for a device
/// that has no scatter-gather.
const QUEUED: Duration = Duration::from_millis(500);

/// Waits for what may be copied yet of what a target has sent.
pub(super) async fn settle(books: &Books) {
    if passes_on_to_sockets(&books.tree.total()) {
        tokio::time::sleep(QUEUED).await;
    }
}

/// Whether bytes went into sockets by reference.
fn passes_on_to_sockets(tally: &Tally) -> bool {
    let copying = [Route::Write, Route::Send];
    summary::transferred(tally)
        .iter()
        .any(|row| row.endpoint == Endpoint::Socket && !copying.contains(&row.route))
}

/// The stacks of the target that copied most.
fn top_sites(books: &Books, watched: &Watched, limit: usize) -> Result<Sites> {
    let pids = books.tree.pids().collect();
    Ok(sites::report(books.kernel.sites()?, &watched.symbols, &pids, limit))
}

/// The flags, and the file for what they leave open.
fn policy(limits: &Limits) -> Result<Policy> {
    let flags = limits.policy();
    flags.check().map_err(|why| anyhow!("--{why}"))?;
    let Some(path) = &limits.policy else { return Ok(flags.limited()) };
    let text = fs::read_to_string(path)
        .with_context(|| format!("the policy {} cannot be read", path.display()))?;
    let file = Policy::parse(&text)
        .map_err(|why| anyhow!("{} is no policy: {}", path.display(), why.trim_end()))?;
    Ok(flags.or(file).limited())
}

fn shown(books: &Books) -> json::Coverage {
    let probes = probes(&books.kernel.attachments, &Found::new()).into();
    json::Coverage { probes, copies: Copies::Best }
}

/// What a report is made of.
struct Known<'a> {
    who: view::Target,
    seconds: f64,
    totals: Totals,
    evidence: &'a Evidence,
    reasons: &'a [Reason],
    hints: Vec<&'static str>,
    sites: Option<Sites>,
}

fn report(
    judgement: &Judgement,
    policy: Policy,
    known: Known<'_>,
    audit: Option<Comparison>,
) -> Report {
    let (copied_bytes, copies_per_byte) = view::ranges(judgement);
    let coverage = known.evidence.coverage.iter();
    Report {
        version: 1,
        verdict: judgement.outcome.name(),
        broken: judgement.broken.clone(),
        unsure: judgement.unsure.clone(),
        bytes: judgement.bytes,
        copied_bytes,
        copies_per_byte,
        policy,
        target: known.who,
        kernel: host::kernel_release(),
        seconds: known.seconds,
        totals: known.totals,
        coverage: coverage
            .map(|(route, quality)| Covered { route: route.name(), quality: quality.name() })
            .collect(),
        hints: known.hints,
        reasons: known.reasons.iter().map(view::Why::from).collect(),
        sites: known.sites,
        lost: known.evidence.lost,
        audit,
    }
}
