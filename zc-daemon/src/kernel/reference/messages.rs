//! A queue of System V messages: no call of a route, and no function that can be hooked.

use std::io;

use anyhow::{Context as _, Result, ensure};

use super::{CHUNK, ROUNDS};

/// The most bytes of one message by default (`MSGMAX`, include/uapi/linux/msg.h).
const MOST: usize = 8192;

/// A message as the calls want it.
#[repr(C)]
struct Message {
    kind: libc::c_long,
    bytes: [u8; MOST],
}

/// A queue that is gone when it is dropped.
struct Queue(libc::c_int);

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the command takes no buffer.
        unsafe { libc::msgctl(self.0, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}

pub(super) fn messages() -> Result<()> {
    // SAFETY: the call takes numbers alone.
    let queue = unsafe { libc::msgget(libc::IPC_PRIVATE, libc::IPC_CREAT | 0o600) };
    ensure!(queue >= 0, "msgget failed: {}", io::Error::last_os_error());
    let queue = Queue(queue);
    let mut message = Message { kind: 1, bytes: [7; MOST] };
    for _ in 0..CHUNK * ROUNDS / MOST {
        let (from, flags) = ((&raw const message).cast(), libc::IPC_NOWAIT);
        // SAFETY: the message is readable for its type and so many bytes.
        let sent = unsafe { libc::msgsnd(queue.0, from, MOST, flags) };
        ensure!(sent == 0, "msgsnd failed: {}", io::Error::last_os_error());
        let into = (&raw mut message).cast();
        // SAFETY: the message is writable for its type and so many bytes.
        let received = unsafe { libc::msgrcv(queue.0, into, MOST, 0, flags) };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error());
        ensure!(received.context("msgrcv failed")? == MOST, "msgrcv was short");
    }
    Ok(())
}
