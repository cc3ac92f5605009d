//! Short lives, as many as the processors bear: each moves a number of bytes of its own by
//! three calls and ends; some become another program.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::account::{Account, Way};
use super::sys::mem::{self, Buffer};
use super::sys::shared::Shared;
use super::sys::{fd, process};

/// A storm.
#[derive(Debug, Clone)]
pub struct Storm {
    /// For how long.
    pub seconds: u64,
    /// The most lives a second.
    pub rate: u64,
    /// What some become: this program by another name, which then writes
    /// [`Self::EXEC_BYTES`].
    pub program: PathBuf,
    /// One in so many does.
    pub exec_every: u64,
    /// Where the file `data` is, of 4096 bytes or more.
    pub dir: PathBuf,
}

impl Storm {
    /// What a life that becomes another program writes.
    pub const EXEC_BYTES: u64 = 1013;
}

/// Who makes children, one by one, at a time.
const PARENTS: u64 = 4;
/// The most that one call moves.
const MOST: usize = 4096;
/// What a child runs on.
const STACK: usize = 64 << 10;

/// Lives storm, and prints what was done: what was moved, as `Account::report` has it, and
/// `lives N`, `execs N`, `switches N` (but for the last of each life, which its parent may
/// not await), `milliseconds N`.
///
/// # Errors
///
/// If a child cannot be made, or does not do what it is to.
pub fn storm(storm: &Storm) -> Result<()> {
    let switches = || process::switches_of_family().context("cannot count the switches");
    // Some it made under the name of whoever started it.
    let others = switches()?;
    let account = Account::new().context("no memory for the account")?;
    let lives = Shared::new(Life::COUNT).context("no memory for the account")?;
    let began = Instant::now();
    let parents: Vec<_> = (0..PARENTS)
        .map(|seed| {
            let raise = || Parent::new(storm, &account, &lives, seed)?.raise(began);
            process::fork(|| raise().map_err(io::Error::other)).context("cannot fork")
        })
        .collect::<Result<_>>()?;
    for parent in parents {
        parent.wait().context("a parent failed")?;
    }
    let took = began.elapsed().as_millis();
    let count = |life: Life| life.of(&lives).load(Ordering::SeqCst);
    let (lived, execs) = (count(Life::Plain) + count(Life::Exec), count(Life::Exec));
    ensure!(storm.seconds == 0 || lived > 0, "nobody lived");
    let switches = switches()? - others;
    let lines = format!("lives {lived}\nexecs {execs}\nswitches {switches}\nmilliseconds {took}\n");
    let report = account.report() + &lines;
    io::stdout().write_all(report.as_bytes()).context("cannot print")
}

/// A kind of life.
#[derive(Clone, Copy)]
enum Life {
    Plain,
    Exec,
}

impl Life {
    const COUNT: usize = 2;

    /// How many of its kind there were.
    fn of(self, lives: &Shared) -> &AtomicU64 {
        &lives.words()[self as usize]
    }
}

/// Who makes children, one after the other.
struct Parent<'a> {
    storm: &'a Storm,
    account: &'a Account,
    lives: &'a Shared,
    seed: u64,
    data: File,
    null: File,
    near: Buffer,
    far: Buffer,
    stack: Buffer,
}

impl<'a> Parent<'a> {
    fn new(storm: &'a Storm, account: &'a Account, lives: &'a Shared, seed: u64) -> Result<Self> {
        let memory = |bytes| Buffer::new(bytes).context("no memory");
        Ok(Self {
            storm,
            account,
            lives,
            seed,
            data: fd::open(storm.dir.join("data")).context("cannot open the input")?,
            null: OpenOptions::new().write(true).open("/dev/null")?,
            near: memory(MOST)?,
            far: memory(MOST)?,
            stack: memory(STACK)?,
        })
    }

    /// Makes children until it is time, no more than its share of them.
    fn raise(&mut self, began: Instant) -> Result<()> {
        let end = Duration::from_secs(self.storm.seconds);
        for number in 0_u64.. {
            let due = Duration::from_micros(number * PARENTS * 1_000_000 / self.storm.rate.max(1));
            let now = began.elapsed();
            if end <= now.max(due) {
                break;
            }
            if now < due {
                process::nap(due - now)?;
            }
            let number = number * PARENTS + self.seed;
            if number.is_multiple_of(self.storm.exec_every) {
                self.become_another()?;
            } else {
                self.live(number)?;
            }
        }
        Ok(())
    }

    /// A life that moves as many bytes by each call as no other does that comes soon.
    fn live(&mut self, number: u64) -> Result<()> {
        const STRIDE: u64 = 2707;
        let len = 1 + super::size(number * STRIDE % MOST as u64);
        let Self { account, data, null, near, far, stack, .. } = self;
        let (near, far) = (&mut near[..len], &far[..len]);
        let mut then = || {
            let read = account.call(Way::Read, len, false, || fd::pread(&*data, near, 0));
            let written = account.call(Way::Write, len, false, || fd::write(&*null, near));
            let copied =
                account.call(Way::ProcessVm, len, false, || mem::process_vm_read(near, far));
            let done = [read, written, copied].iter().all(|moved| *moved == Some(len));
            if done { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
        };
        let child = process::vfork(stack, &mut then).context("cannot fork")?;
        child.wait().context("a child failed")?;
        Life::Plain.of(self.lives).fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// A life that becomes another program.
    fn become_another(&self) -> Result<()> {
        let bytes = Storm::EXEC_BYTES.to_string();
        let words = ["write-null", "run", "--bytes", &bytes, "--dir", "."].map(OsStr::new);
        let child = process::fork(|| Err(process::exec(self.storm.program.as_os_str(), &words)));
        child.context("cannot fork")?.wait().context("a program failed")?;
        Life::Exec.of(self.lives).fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}
