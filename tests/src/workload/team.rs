//! Many threads of one process that each move the same bytes, again and again, and wait in
//! between; their leader may have gone.

use std::io;
use std::sync::{Arc, Barrier};
use std::thread;

use anyhow::{Context as _, Result, ensure};

use super::processes::{hold, wait_for_the_leader};
use super::sys::mem::{self, Buffer};
use super::sys::process;

/// Whether the first thread of a process goes on with the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leader {
    /// It does, and ends last.
    Stays,
    /// It ends first.
    Leaves,
    /// It does nothing until the others have ended.
    Sleeps,
}

/// Starts so many threads. Each moves so many bytes within this process' memory by one call;
/// then this waits as [`hold`] does, and they do it once more, wait, and end.
///
/// # Errors
///
/// If a thread cannot be started, or moves less.
pub fn team(threads: usize, bytes: usize, leader: Leader) -> Result<()> {
    process::keep_one_arena();
    match leader {
        Leader::Stays => lead(threads, bytes),
        Leader::Leaves => {
            thread::spawn(move || {
                let done = wait_for_the_leader().and_then(|()| lead(threads, bytes));
                // The first thread, whose status a process has, is no more.
                process::end(i32::from(done.is_err()))
            });
            process::end_thread()
        }
        Leader::Sleeps => {
            let others = thread::spawn(move || lead(threads, bytes));
            others.join().ok().context("a thread panicked")?
        }
    }
}

/// How often the threads move their bytes.
const ROUNDS: usize = 2;

fn lead(threads: usize, bytes: usize) -> Result<()> {
    let barrier = Arc::new(Barrier::new(threads + 1));
    let follow = |barrier: Arc<Barrier>| {
        move || {
            let mut memory = Buffer::new(bytes).and_then(|near| Ok((near, Buffer::new(bytes)?)));
            let mut moves = || match &mut memory {
                Ok((near, far)) => {
                    mem::process_vm_read(near, far).is_ok_and(|moved| moved == bytes)
                }
                Err(_) => false,
            };
            let mut done = true;
            for _ in 0..ROUNDS {
                done &= moves();
                barrier.wait();
                barrier.wait();
            }
            done
        }
    };
    let all: Vec<_> = (0..threads)
        .map(|_| thread::Builder::new().stack_size(STACK).spawn(follow(Arc::clone(&barrier))))
        .collect::<io::Result<_>>()
        .context("cannot start a thread")?;
    for _ in 0..ROUNDS {
        barrier.wait();
        hold()?;
        barrier.wait();
    }
    let done = all.into_iter().all(|thread| thread.join().is_ok_and(|done| done));
    ensure!(done, "a thread moved less than it should");
    Ok(())
}

/// As small as will do: there may be thousands.
const STACK: usize = 64 << 10;
