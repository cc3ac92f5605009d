//! What is known of a target, and how well.

use anyhow::{Result, anyhow};
use zc_common::{
    counter::{Counter, Tally},
    flow::{Direction, Route},
    syscall::Class,
};

use super::watched::Watched;
use crate::{
    command::{
        books::{Account, Books},
        coverage::{Found, coverage, measured},
        self_test,
    },
    engine::{
        audit::Verdict,
        coverage::Coverage,
        judgement::Evidence,
        traffic::{self, Traffic},
    },
    kernel::{loader::Attachment, reference::Reference},
    view::audit::Comparison,
};

/// What is known of the target, and how well: the self-test tells of the routes that it
/// used.
pub(super) fn evidence(
    books: &mut Books,
    account: &Account,
    watched: &Watched,
    running: usize,
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
    let mut doubts = doubts(books, account, watched, running);
    doubts.extend(given_up(books, &traffic));
    let nobody = copied_for_nobody(&account.nobody);
    Ok(Evidence { traffic, coverage, lost: account.lost, nobody, doubts, blind })
}

/// Bytes copied within the kernel on nobody's account.
fn copied_for_nobody(tally: &Tally) -> u64 {
    let copied = |route: &Route| tally[Counter::measured(*route, Direction::InKernel).0];
    Route::ALL.iter().map(copied).sum()
}

/// What of the target may have gone unseen.
fn doubts(books: &Books, account: &Account, watched: &Watched, running: usize) -> Vec<String> {
    let mut doubts = Vec::new();
    if watched.status.is_some() && !watched.was_ended && running > 0 {
        doubts.push(format!(
            "{running} of its processes still run, and what they do from here on is not seen; have \
             the command wait for them, or judge it for a time (--for)"
        ));
    }
    let aio = account.delta[Counter::syscalls(Class::Aio)] > 0;
    if aio && measured(&books.kernel.attachments).all(|route| route != Route::Aio) {
        doubts.push("it uses Linux AIO (io_submit), whose copies are not seen here".to_owned());
    }
    doubts
}

/// What a budget has kept from being measured of the routes that were used; a probe that sees
/// what is moved is [`unseen`] by itself.
fn given_up(books: &Books, traffic: &[Traffic]) -> Option<String> {
    let used = |attachment: &&Attachment| {
        let routes = attachment.probe.routes;
        books.given_up().contains(&attachment.probe.name)
            && traffic.iter().any(|row| routes.contains(&row.route))
    };
    let names = books.kernel.attachments.iter().filter(used).map(|a| a.probe.name);
    let names: Vec<_> = names.collect();
    (!names.is_empty()).then(|| {
        format!(
            "zc gave up the probes {} to keep to its budget: what they would have seen from then \
             on is not measured; raise --budget",
            names.join(", ")
        )
    })
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
        let wanted = |reference: &Reference| reference.parts.iter().any(|part| used(part.route));
        self_test::run(books, no_breakpoints, wanted)?.1
    } else {
        Found::new()
    };
    let mut routes = coverage(&books.kernel.attachments, &found);
    routes.retain(|(route, _)| used(*route));
    Ok(routes)
}
