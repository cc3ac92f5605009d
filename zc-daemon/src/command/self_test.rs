//! `zc doctor --self-test`: pieces of I/O whose copies are known, in a child, held
//! against the ledger and, where the kernel takes them, against breakpoints.

use std::{
    io::Read as _,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};

use super::{
    books::{Account, Books},
    coverage::Found,
};
use crate::{
    engine::{
        audit::{self, Known, Verdict},
        tree::Root,
    },
    host,
    kernel::{
        breakpoints::{self, Choice, Set},
        reference::{BYTES, REFERENCES, Reference},
    },
    view::doctor::{SelfTest, Tested},
};

/// How often one is run until no event is missed meanwhile.
const ATTEMPTS: u32 = 3;

/// Runs every reference that is wanted; beside the ledger's, their bytes are counted by
/// `choice`.
///
/// # Errors
///
/// If children cannot be started, or the slots not be read.
pub(super) fn run(
    books: &mut Books,
    mut choice: Result<Choice>,
    wanted: impl Fn(&Reference) -> bool,
) -> Result<(SelfTest, Found)> {
    let (mut references, mut found) = (Vec::new(), Found::new());
    for reference in REFERENCES.iter().filter(|reference| wanted(reference)) {
        let mut tested = one(books, reference, &mut choice)?;
        for _ in 1..ATTEMPTS {
            if tested.1.iter().all(|(_, verdict)| *verdict != Verdict::Unverified) {
                break;
            }
            tested = one(books, reference, &mut choice)?;
        }
        references.push(tested.0);
        found.extend(tested.1);
    }
    let (without_breakpoints, unwatched) = match choice {
        Ok(choice) => (None, choice.unwatched),
        Err(why) => (Some(format!("{why:#}")), Vec::new()),
    };
    Ok((SelfTest { without_breakpoints, unwatched, references }, found))
}

/// The breakpoints that count payload on this kernel.
pub(super) fn breakpoints() -> Result<Choice> {
    let wanted: Vec<_> = breakpoints::symbols().collect();
    breakpoints::choose(&host::symbols(&wanted)?, Set::Payload, &[])
}

/// Starts a child, and waits until it is ready, or has ended.
fn start(reference: &Reference) -> Result<Child> {
    let program = std::env::current_exe().context("zc does not know where it lies")?;
    let mut child = Command::new(program)
        .args(["reference", reference.name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start a child for the self-test")?;
    let stdout = child.stdout.as_mut().context("a child without standard output")?;
    stdout.read_to_end(&mut Vec::new())?;
    Ok(child)
}

/// Runs one in a child, and compares. If breakpoints cannot be set, `choice` says why
/// from then on.
fn one(
    books: &mut Books,
    reference: &Reference,
    choice: &mut Result<Choice>,
) -> Result<(Tested, Found)> {
    let mut child = start(reference)?;
    let pid = child.id();
    let mut placed = None;
    if let Ok(watched) = choice {
        match books.kernel.watch(pid, &watched.watched) {
            Ok(breakpoints) => placed = Some(breakpoints),
            Err(error) => *choice = Err(error),
        }
    }
    books.follow(Root::Process(pid));
    books.start()?;
    drop(child.stdin.take());
    let status = child.wait()?;
    let account = books.close()?;
    let hits = placed.map(|placed| books.kernel.unwatch(&placed)).transpose()?;
    let counted = hits.map(|hits| hits.iter().map(|hit| hit.bytes).sum());
    let mut said = String::new();
    child.stderr.take().context("a child without standard error")?.read_to_string(&mut said)?;
    let failure = (!status.success()).then(|| format!("{status}: {}", said.trim()));
    let complete = choice.as_ref().is_ok_and(|choice| choice.unwatched.is_empty());
    Ok(judge(reference, &account, counted, complete, failure))
}

/// What is known of a reference, held against what was counted.
fn judge(
    reference: &Reference,
    account: &Account,
    counted: Option<u64>,
    complete: bool,
    failure: Option<String>,
) -> (Tested, Found) {
    // What was missed may be what is missing.
    let soften = |verdict| {
        let unsure = account.lost > 0 && verdict == Verdict::Differs;
        if unsure || failure.is_some() { Verdict::Unverified } else { verdict }
    };
    let known = reference.in_lib();
    let whole = soften(audit::judge(known, account.booked, counted, complete));
    let found = reference.parts.iter().map(|part| {
        let known = Known { copied: part.copies * BYTES, moved: part.moves * BYTES };
        let verdict = soften(audit::judge_route(known, &account.delta, part.route));
        (part.route, verdict.max(whole))
    });
    let found: Found = found.collect();
    let tested = Tested {
        reference: reference.name,
        known_bytes: known,
        measured_bytes: account.booked.measured,
        possible_bytes: account.booked.possible,
        breakpoint_bytes: counted,
        verdict: found.iter().map(|(_, verdict)| *verdict).max().unwrap_or(whole).name(),
        routes: found.iter().map(|(route, verdict)| (route.name(), verdict.name())).collect(),
        failure,
    };
    (tested, found)
}
