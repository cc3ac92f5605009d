//! `zc doctor --self-test`: pieces of I/O whose copies are known, in a child, held
//! against the ledger and, where the kernel takes them, against breakpoints.

use std::{
    io::Read as _,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use super::books::Books;
use crate::{
    engine::audit::{self, Verdict},
    host,
    kernel::{
        breakpoints::{self, Choice, Set},
        loader::Kernel,
        reference::{BYTES, REFERENCES, Reference},
    },
    view::doctor::{SelfTest, Tested},
};

/// Runs every reference.
///
/// # Errors
///
/// If children cannot be started, or the slots not be read.
pub(super) fn run(kernel: Kernel) -> Result<SelfTest> {
    let wanted: Vec<_> = breakpoints::symbols().collect();
    let choice = host::symbols(&wanted)
        .and_then(|addresses| breakpoints::choose(&addresses, Set::Payload, &[]));
    let (mut choice, mut without) = match choice {
        Ok(choice) => (Some(choice), None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let mut books = Books::open(kernel, 0)?;
    let mut routes = Vec::new();
    for reference in REFERENCES {
        let mut child = start(reference)?;
        let watched = choice.as_ref().map(|choice| watch(&mut books, choice, child.id()));
        if let Some(Err(error)) = watched {
            without = Some(format!("{error:#}"));
            choice = None;
        }
        routes.push(one(&mut books, reference, &mut child, choice.as_ref())?);
    }
    let unwatched = choice.map(|choice| choice.unwatched).unwrap_or_default();
    Ok(SelfTest { without_breakpoints: without, unwatched, routes })
}

/// Starts a child, and waits until it is ready.
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
    let read = stdout.read(&mut [0])?;
    ensure!(read == 1, "a child of the self-test ends before it begins; please report it");
    Ok(child)
}

fn watch(books: &mut Books, choice: &Choice, pid: u32) -> Result<()> {
    books.kernel.watch(pid, &choice.watched, || host::threads_of(pid))
}

/// Lets the child go, and compares.
fn one(
    books: &mut Books,
    reference: &Reference,
    child: &mut Child,
    choice: Option<&Choice>,
) -> Result<Tested> {
    let pid = child.id();
    books.follow(pid);
    books.start()?;
    drop(child.stdin.take());
    let status = child.wait()?;
    let account = books.close()?;
    let counted = choice.map(|choice| -> Result<u64> {
        let hits = books.kernel.unwatch(pid, &choice.watched)?;
        Ok(hits.iter().map(|hit| hit.bytes).sum())
    });
    let counted = counted.transpose()?;
    let mut said = String::new();
    child.stderr.take().context("a child without standard error")?.read_to_string(&mut said)?;
    let failure = (!status.success()).then(|| said.trim().to_owned());
    let known = reference.copies * BYTES;
    let complete = choice.is_some_and(|choice| choice.unwatched.is_empty());
    let verdict = match failure {
        None => audit::judge(known, account.booked, counted, complete),
        Some(_) => Verdict::Unverified,
    };
    Ok(Tested {
        route: reference.name,
        known_bytes: known,
        measured_bytes: account.booked.measured,
        possible_bytes: account.booked.possible,
        breakpoint_bytes: counted,
        verdict: verdict.name(),
        failure,
    })
}
