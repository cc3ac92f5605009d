//! `zc verify`: is this application zero-copy?

mod target;

use std::{fs, io::Write as _, path::Path, process::ExitCode, time::Instant};

use anyhow::{Context as _, Result, anyhow};
use zc_common::{counter::Counter, flow::Route, syscall::Class};

use self::target::{Target, Watched};
use super::{
    attach_keeping,
    audit::Breakpoints,
    books::{Account, Books},
    coverage::{Found, coverage},
    self_test, sites,
};
use crate::{
    cli::{Limits, Verify},
    engine::{
        audit::Verdict,
        coverage::Coverage,
        hint,
        judgement::{self, Evidence, Judgement, Outcome},
        policy::Policy,
        reason::Reason,
        summary::Copies,
        traffic::{self, Traffic},
    },
    host,
    kernel::{capabilities, loader::Attachment},
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
    capabilities::require()?;
    let shutdown = Shutdown::new()?;
    let stacks = flags.stacks();
    let room = if stacks > 0 { sites::ROOM } else { 0 };
    let mut books = Books::open(attach_keeping(room, flags.attach)?, target.root(), 1)?;
    let breakpoints = match flags.pid.filter(|_| flags.audit) {
        Some(pid) => Some(Breakpoints::set(&mut books, pid)?),
        None => None,
    };
    books.start()?;
    let began = Instant::now();
    let (kind, name) = target.name();
    if kind != "command" {
        tracing::info!("zc watches {kind} {name}");
    }
    let watched = target.watch(&mut books, flags.duration, stacks > 0, shutdown).await?;
    let seconds = began.elapsed().as_secs_f64();
    let counted = breakpoints.map(|set| set.remove(&mut books)).transpose()?;
    let account = books.close()?;
    let audit = counted.and_then(|counted| counted.compare(&account));
    let who = view::Target {
        kind,
        name,
        processes: books.tree.count(),
        running: books.tree.living(),
        status: watched.status,
    };
    let sites = (stacks > 0)
        .then(|| -> Result<_> {
            let pids = books.tree.pids().collect();
            Ok(sites::report(books.kernel.sites()?, &watched.symbols, &pids, stacks))
        })
        .transpose()?;
    let reasons = books.tree.reasons();
    let names = books.tree.names().iter().map(String::as_str);
    let hints = hint::of(names, watched.go, &reasons);
    let evidence = evidence(&mut books, &account, &watched, audit.as_ref())?;
    let judgement = judgement::judge(&evidence, &policy);
    let report = report(
        &judgement,
        policy,
        Known {
            who,
            seconds,
            totals: Totals::of(&account.delta, &shown(&books)),
            evidence: &evidence,
            reasons: &reasons,
            hints,
            sites,
        },
        audit,
    );
    tell(&flags, &report)?;
    Ok(match judgement.outcome {
        Outcome::Pass => ExitCode::SUCCESS,
        Outcome::Broken => ExitCode::from(1),
        Outcome::CannotTell => ExitCode::from(2),
    })
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

/// What is known of the target, and how well: the self-test tells of the routes that it
/// used.
fn evidence(
    books: &mut Books,
    account: &Account,
    watched: &Watched,
    audit: Option<&Comparison>,
) -> Result<Evidence> {
    let traffic = traffic::of(&account.delta);
    let coverage = covered(books, &traffic)?;
    let mut blind: Vec<_> = watched.failure().into_iter().collect();
    let rings = watched.ring || account.delta[Counter::syscalls(Class::IoUring)] > 0;
    let needed = |attachment: &&Attachment| rings || attachment.probe.name != RINGS;
    blind.extend(books.kernel.attachments.iter().filter(needed).filter_map(unseen));
    if audit.is_some_and(|audit| audit.verdict == Verdict::Differs.name()) {
        blind.push(
            "breakpoints in the kernel's copy functions contradict what was measured; see zc \
             audit, and please report it"
                .to_owned(),
        );
    }
    Ok(Evidence { traffic, coverage, lost: account.lost, blind })
}

/// The probe of an io_uring's completions, without which a target that has none is seen well.
const RINGS: &str = "io_uring";

/// Why nothing can be told if a probe is down that sees what is moved.
fn unseen(attachment: &Attachment) -> Option<String> {
    let Attachment { probe, hook, .. } = attachment;
    let down = hook.is_none() && !attachment.is_missing() && !probe.sees_copies();
    (down && probe.name != "page_fault_backing").then(|| {
        format!("the probe {} is down: {} is unknown; see zc doctor", probe.name, probe.measures)
    })
}

/// How well the routes that were used are measured here.
fn covered(books: &mut Books, traffic: &[Traffic]) -> Result<Vec<(Route, Coverage)>> {
    let used = |route: Route| traffic.iter().any(|row| row.route == route);
    let hooked = books.kernel.attachments.iter().any(|a| a.probe.sees_copies() && a.hook.is_some());
    let found = if hooked {
        let no_breakpoints = Err(anyhow!("not asked for"));
        let wanted = |reference: &crate::kernel::reference::Reference| {
            reference.parts.iter().any(|part| used(part.route))
        };
        self_test::run(books, no_breakpoints, wanted)?.1
    } else {
        Found::new()
    };
    let mut routes = coverage(&books.kernel.attachments, &found);
    routes.retain(|(route, _)| used(*route));
    Ok(routes)
}

fn shown(books: &Books) -> json::Coverage {
    let down = books.kernel.attachments.iter().filter(|a| a.hook.is_none());
    let down = down.map(|attachment| attachment.probe.name).collect();
    json::Coverage { down, copies: Copies::Best }
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

/// Prints and writes the report wherever it is wanted.
fn tell(flags: &Verify, report: &Report) -> Result<()> {
    let text =
        if flags.json { serde_json::to_string_pretty(report)? + "\n" } else { report.text() };
    match &flags.output {
        Some(path) => write(path, &text)?,
        None if flags.command.is_empty() => std::io::stdout().write_all(text.as_bytes())?,
        None => std::io::stderr().write_all(text.as_bytes())?,
    }
    if let Some(path) = &flags.junit {
        write(path, &report.junit()?)?;
    }
    if let Some(path) = &flags.sarif {
        write(path, &(serde_json::to_string_pretty(&report.sarif())? + "\n"))?;
    }
    if flags.github || std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
        // On a line of its own, wherever the command's output ends.
        std::io::stdout().write_all(format!("\n{}", report.github()).as_bytes())?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
