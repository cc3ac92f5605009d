//! Copies by `copy_to_user` and `copy_from_user` that no function that can be hooked
//! makes: the kernel checks their size beforehand, and that shows.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result};

use super::step::{done, exactly, no_files};
use super::sys::ipc::{Message, Queue};
use super::{Case, Expected, Params};

/// No call of a route: a queue of messages. Chunks are at most 8192 bytes.
pub(super) const MESSAGES: Case = Case::new("sysv-messages", no_files, messages, |params| {
    Expected::default()
        .copies_in_truth("other", "from_user", params)
        .copies_in_truth("other", "to_user", params)
});

/// A file of which no function is known: the memory of a process. The kernel copies
/// each byte twice, of which this is the second copy.
pub(super) const PROCESS_MEMORY: Case =
    Case::new("read-proc-mem", no_files, process_memory, |params| {
        Expected::default().reads("file", params)
    });

fn messages(params: &Params) -> Result<()> {
    let params = params.in_chunks_of_at_most(Message::MOST as u64);
    let queue = Queue::new().context("cannot make a queue of messages")?;
    let mut message = Message::new();
    for chunk in params.chunks() {
        done("msgsnd", queue.send(&message, chunk.len))?;
        exactly("msgrcv", queue.receive(&mut message, chunk.len), chunk.len)?;
    }
    Ok(())
}

fn process_memory(params: &Params) -> Result<()> {
    let memory = File::open("/proc/self/mem").context("cannot open this process' memory")?;
    let from = params.buffer()?;
    let mut into = params.buffer()?;
    let at = from.as_ptr().addr() as u64;
    for chunk in params.chunks() {
        exactly("pread", memory.read_at(&mut into[..chunk.len], at), chunk.len)?;
    }
    Ok(())
}
