//! Many processes at a time, under many names, that each move some bytes and then sleep:
//! what a daemon is to keep books of.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, PipeReader, PipeWriter, Read as _, Write as _, pipe},
    thread,
};

use anyhow::{Context as _, Result, ensure};

use super::sys::process;

/// How large it is.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Crowd {
    /// Processes
    #[arg(long)]
    processes: u32,
    /// Names that they share
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    groups: u32,
    /// Threads of each
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    threads: u32,
}

/// What each thread moves at a time.
const BYTES: usize = 4096;

/// A thread needs no more.
const STACK: usize = 32 << 10;

/// How often they can be asked to move bytes.
const TURNS: usize = 64;

/// What all of them share: each end is inherited.
struct Gates {
    /// One for each turn: at its end once all may go.
    go: Vec<PipeReader>,
    /// One byte from each thread that is there, or has taken a turn.
    done: PipeWriter,
}

/// Starts them, and says `ready` once each waits; for each line of the standard input has
/// each thread move bytes, and says `moved` once all have; ends them with it.
///
/// # Errors
///
/// If there is no room for so many, or one of them fails.
pub fn crowd(crowd: Crowd) -> Result<()> {
    let gates = (0..TURNS).map(|_| pipe()).collect::<io::Result<Vec<_>>>().context("no pipe")?;
    let (go, mut shut): (Vec<_>, Vec<_>) = gates.into_iter().unzip();
    let (mut arrived, done) = pipe().context("no pipe")?;
    let gates = Gates { go, done };
    let members = u64::from(crowd.processes) * u64::from(crowd.threads);
    for number in 0..crowd.processes {
        let name = format!("crowd-{:03}", number % crowd.groups);
        let child = process::fork_tied(|| {
            // Only the parent keeps them shut.
            shut.clear();
            live(&name, crowd.threads, &gates)
        });
        child.with_context(|| format!("cannot fork process {number}"))?;
    }
    drop(gates);
    say("ready", members, &mut arrived)?;
    let mut shut = shut.into_iter();
    for line in io::stdin().lock().lines() {
        line.context("cannot read the standard input")?;
        drop(shut.next().with_context(|| format!("they take {TURNS} turns"))?);
        say("moved", members, &mut arrived)?;
    }
    Ok(())
}

/// Says a word once so many have arrived.
fn say(word: &str, members: u64, arrived: &mut PipeReader) -> Result<()> {
    let came = io::copy(&mut arrived.take(members), &mut io::sink()).context("cannot wait")?;
    ensure!(came == members, "{} of {members} did not do their part", members - came);
    let mut out = io::stdout().lock();
    writeln!(out, "{word}").and_then(|()| out.flush()).context("cannot say so")
}

/// What a process does.
fn live(name: &str, threads: u32, gates: &Gates) -> io::Result<()> {
    std::fs::write("/proc/self/comm", name)?;
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|_| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || turns(gates)))
            .collect::<io::Result<_>>()?;
        turns(gates)?;
        others.into_iter().try_for_each(|other| other.join().map_err(|_| io::ErrorKind::Other)?)
    })
}

/// What a thread does: its part, each time a gate opens.
fn turns(gates: &Gates) -> io::Result<()> {
    let mut byte = [0];
    (&gates.done).write_all(&byte)?;
    for mut gate in &gates.go {
        while gate.read(&mut byte)? != 0 {}
        part()?;
        (&gates.done).write_all(&byte)?;
    }
    Ok(())
}

/// Reads of a file, a write to a device, and both of a pipe.
fn part() -> io::Result<()> {
    let mut buffer = [0; BYTES];
    File::open("/proc/self/exe")?.read_exact(&mut buffer)?;
    OpenOptions::new().write(true).open("/dev/null")?.write_all(&buffer)?;
    let (mut from, mut to) = pipe()?;
    to.write_all(&buffer)?;
    from.read_exact(&mut buffer)
}
