//! Threads that move bytes by every route at a time, while signals interrupt their calls
//! and memory ends within their buffers; and children that are killed as they copy.

mod routes;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use self::routes::Routes;
use super::account::{Account, Way};
use super::sys::cliff::Cliff;
use super::sys::process;

/// Threads at a time.
const THREADS: u64 = 8;
/// How often a signal comes.
const SIGNAL: Duration = Duration::from_millis(2);
/// How long a child lives before it is killed.
const LIFE: Duration = Duration::from_millis(60);
/// The pages that a child reads and writes by one call.
const VICTIM_PAGES: usize = 256;

/// Moves bytes for so long, with `dir/data` as input, and prints what was moved and copied,
/// as bounds.
///
/// # Errors
///
/// If a thread cannot be started, or finds that a call did more than it was asked to.
pub fn stress(seconds: u64, dir: &Path) -> Result<()> {
    process::keep_one_arena();
    let account = Account::new().context("no memory for the account")?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let worker = process::fork(|| work(dir, &account, end).map_err(std::io::Error::other))
        .context("cannot fork")?;
    let mut victims = 0;
    while Instant::now() < end {
        let victim = process::fork(|| copy_for_ever(dir, &account)).context("cannot fork")?;
        process::nap(LIFE)?;
        victim.kill().context("cannot kill a child")?;
        victims += 1;
    }
    worker.wait().context("the threads failed")?;
    ensure!(seconds == 0 || victims > 0, "no child was killed");
    std::io::stdout().write_all(account.report().as_bytes()).context("cannot print")
}

/// Runs all threads to their end.
fn work(dir: &Path, account: &Account, end: Instant) -> Result<()> {
    let routes: Vec<_> = (0..THREADS).map(|seed| Routes::new(dir, seed)).collect::<Result<_>>()?;
    if Instant::now() < end {
        process::interrupt_every(SIGNAL).context("cannot set a timer")?;
    }
    thread::scope(|scope| {
        let threads: Vec<_> = routes
            .into_iter()
            .map(|mut routes| {
                scope.spawn(move || {
                    while Instant::now() < end {
                        routes.step(account);
                    }
                })
            })
            .collect();
        threads.into_iter().all(|thread| thread.join().is_ok())
    })
    .then_some(())
    .context("a thread panicked")
}

/// Copies a file in large pieces until it is killed.
fn copy_for_ever(dir: &Path, account: &Account) -> std::io::Result<()> {
    let data = File::open(dir.join("data"))?;
    let out = File::create(dir.join("out-victim"))?;
    let mut memory = Cliff::new(VICTIM_PAGES)?;
    let len = VICTIM_PAGES * super::sys::mem::page_size();
    loop {
        let span = memory.span(len, len);
        account.call(Way::Read, len, false, || span.pread(&data, 0));
        account.call(Way::Write, len, false, || span.pwrite(&out, 0));
    }
}
