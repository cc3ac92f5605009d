//! Work of another kind than I/O: many short processes, page faults, context
//! switches, and a process that just waits.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::hint::black_box;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use super::sys::mem::{self, Buffer, WritableMap};
use super::sys::{fd, process};

/// Children alive at a time.
const ALIVE: u64 = 64;

/// How long to sleep for a switch, at first.
const SHORTEST_NAP: Duration = Duration::from_micros(100);

/// What each child reads and writes.
const BYTES: usize = 4096;

/// Forks `count` children, at most 64 of them alive at a time. Each opens
/// `dir/data`, which must have 4096 bytes or more, reads 4096 bytes of it, writes
/// them to `/dev/null`, and exits after about a millisecond.
///
/// # Errors
///
/// If a child cannot be made, or one fails.
pub fn spawn(count: u64, dir: &Path) -> Result<()> {
    let data = dir.join("data");
    let mut buffer = Buffer::new(BYTES).context("no memory")?;
    let mut alive = 0;
    for _ in 0..count {
        if alive == ALIVE {
            process::wait_for_any().context("a child failed")?;
            alive -= 1;
        }
        process::fork(|| live(&data, &mut buffer)).context("cannot fork")?;
        alive += 1;
    }
    for _ in 0..alive {
        process::wait_for_any().context("a child failed")?;
    }
    Ok(())
}

/// What a child does.
fn live(data: &Path, buffer: &mut [u8]) -> io::Result<()> {
    let file = fd::open(data)?;
    let null = OpenOptions::new().write(true).open("/dev/null")?;
    let done = fd::read(&file, buffer)? == BYTES && fd::write(&null, buffer)? == BYTES;
    process::nap(Duration::from_millis(1))?;
    if done { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Writes 5 bytes to `/dev/null`, takes another name, lets the processor go, so
/// that the name counts, writes 7 bytes, then waits as [`hold`] does.
///
/// # Errors
///
/// If the name cannot be changed, or a write fails.
pub fn rename(to: &str) -> Result<()> {
    let null = OpenOptions::new().write(true).open("/dev/null")?;
    let write = |bytes: &[u8]| -> Result<()> {
        anyhow::ensure!(fd::write(&null, bytes)? == bytes.len(), "a short write");
        Ok(())
    };
    write(&[0; 5])?;
    fs::write("/proc/self/comm", to).context("cannot change the name")?;
    process::nap(Duration::from_millis(20))?;
    write(&[0; 7])?;
    hold()
}

/// What a process becomes.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    /// Nothing by itself: others move it.
    None,
    /// Another user.
    User(u32),
    /// One that has left its network, and come back.
    Networks,
}

/// Writes 5 bytes to `/dev/null`, waits as [`hold`] does, becomes something else, lets the
/// processor go, so that it counts, writes 7 bytes, then waits again.
///
/// # Errors
///
/// If it may not, or a write fails.
pub fn change(to: Change) -> Result<()> {
    let null = OpenOptions::new().write(true).open("/dev/null")?;
    let own = fs::File::open("/proc/self/ns/net").context("no network to come back to")?;
    let write = |bytes: &[u8]| -> Result<()> {
        anyhow::ensure!(fd::write(&null, bytes)? == bytes.len(), "a short write");
        Ok(())
    };
    write(&[0; 5])?;
    hold()?;
    match to {
        Change::None => {}
        Change::User(uid) => process::become_user(uid).context("cannot become that user")?,
        Change::Networks => {
            process::leave_network().context("cannot leave the network")?;
            process::enter_network(&own).context("cannot come back to the network")?;
        }
    }
    process::nap(Duration::from_millis(20))?;
    write(&[0; 7])?;
    hold()
}

/// Writes to `pages` pages for the first time, each of the smallest size, then waits as
/// [`hold`] does: one fault each. With `wait` it waits before, too, having done the same
/// with one page, so that what a first time needs besides is there.
///
/// # Errors
///
/// If there is no such memory, or the file cannot be mapped.
pub fn faults(pages: u64, of: &Pages, wait: bool) -> Result<()> {
    if wait {
        touch_fresh(1, of)?;
        hold()?;
    }
    touch_fresh(pages, of)?;
    hold()
}

/// What the pages to fault on are of.
#[derive(Debug, Clone)]
pub enum Pages {
    /// Memory.
    Anonymous,
    /// A mapping of a file that keeps to itself what is written.
    Private(PathBuf),
    /// One that gives it to the file.
    Shared(PathBuf),
}

fn touch_fresh(pages: u64, of: &Pages) -> Result<()> {
    let pages = usize::try_from(pages).context("too many pages")?;
    let bytes = pages.checked_mul(mem::page_size()).context("too many pages")?;
    let open = |path: &Path| {
        OpenOptions::new().read(true).write(true).open(path).context("cannot open the file")
    };
    let unmapped = "cannot map the pages";
    match of {
        Pages::Anonymous => {
            let mut memory = Buffer::untouched(bytes).context(unmapped)?;
            memory.without_huge_pages().context("cannot ask for small pages")?;
            touch(&mut memory);
        }
        Pages::Private(path) => {
            touch(&mut WritableMap::private(&open(path)?, bytes).context(unmapped)?);
        }
        Pages::Shared(path) => {
            touch(&mut WritableMap::shared(&open(path)?, bytes).context(unmapped)?);
        }
    }
    Ok(())
}

/// Writes one byte of each page.
pub(super) fn touch(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().step_by(mem::page_size()) {
        *byte = 1;
    }
    // The writes are not to be optimised away.
    black_box(bytes);
}

/// Gives up the processor `count` times, then waits as [`hold`] does, which
/// gives it up once more.
///
/// # Errors
///
/// If the kernel does not let it sleep.
pub fn switches(count: u64) -> Result<()> {
    let so_far = || process::voluntary_switches().context("cannot count the switches");
    let mut now = so_far()?;
    let end = now.saturating_add(count);
    let mut nap = SHORTEST_NAP;
    // A sleep that ends before the process is off the processor is no switch,
    // hence the kernel's own count; on a slow machine it takes longer sleeps.
    while now < end {
        process::nap(nap).context("cannot sleep")?;
        let before = std::mem::replace(&mut now, so_far()?);
        nap = if now == before { nap * 2 } else { SHORTEST_NAP };
    }
    hold()
}

/// Which thread of a process makes it another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Executor {
    /// The first.
    Leader,
    /// Another one, while the first waits for it.
    Thread,
    /// Another one, as the first ends; every other time once it has ended.
    Heir,
}

/// Becomes this program anew `count` times, then waits as [`hold`] does.
///
/// # Errors
///
/// If it cannot execute itself.
pub fn execs(count: u64, by: Executor) -> Result<()> {
    let Some(left) = count.checked_sub(1) else { return hold() };
    let exec = move || execute(left, by);
    match by {
        Executor::Leader => exec(),
        Executor::Thread => thread::spawn(exec).join().ok().context("a thread panicked")?,
        Executor::Heir => {
            thread::spawn(move || {
                let waited = if left % 2 == 0 { wait_for_the_leader() } else { Ok(()) };
                let failed = waited.and_then(|()| exec());
                process::end(i32::from(failed.is_err()))
            });
            process::end_thread()
        }
    }
}

/// Becomes this program, to do so `count` times more.
fn execute(count: u64, by: Executor) -> Result<()> {
    let program = std::env::args_os().next().context("this program has no name")?;
    let by = by.to_possible_value().context("an executor without a name")?;
    let [count, by] = [format!("--count={count}"), format!("--by={}", by.get_name())];
    let error = process::exec(&program, &["execs", &count, &by].map(OsStr::new));
    Err(error).with_context(|| format!("cannot execute {}", program.display()))
}

/// Waits until the first thread is dead, which the state of the process is then.
pub(super) fn wait_for_the_leader() -> Result<()> {
    loop {
        let stat = fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
        if stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')) {
            return Ok(());
        }
        process::nap(Duration::from_millis(1))?;
    }
}

/// Waits for one byte on the standard input, or its end.
///
/// # Errors
///
/// If the standard input cannot be read.
pub fn hold() -> Result<()> {
    fd::read(io::stdin(), &mut [0]).map(drop).context("cannot read the standard input")
}

/// Makes writing to a closed pipe an error of the call.
pub fn ignore_broken_pipes() {
    process::ignore_broken_pipes();
}
