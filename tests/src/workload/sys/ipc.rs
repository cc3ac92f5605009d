//! System V message queues.

use std::io;

use super::{moved, value};

/// A queue of this process alone; gone when it is dropped.
pub(in crate::workload) struct Queue(libc::c_int);

/// A message as the calls want it: its type, then its bytes.
#[repr(C)]
pub(in crate::workload) struct Message {
    kind: libc::c_long,
    bytes: [u8; Message::MOST],
}

impl Message {
    /// The most bytes of one message by default (`MSGMAX`, `include/uapi/linux/msg.h`).
    pub(in crate::workload) const MOST: usize = 8192;

    /// A message of a type that is allowed.
    pub(in crate::workload) const fn new() -> Self {
        Self { kind: 1, bytes: [7; Self::MOST] }
    }
}

impl Queue {
    pub(in crate::workload) fn new() -> io::Result<Self> {
        // SAFETY: the call takes numbers alone.
        value(unsafe { libc::msgget(libc::IPC_PRIVATE, libc::IPC_CREAT | 0o600) }).map(Self)
    }

    /// Sends the first `len` bytes of a message: `msgsnd(2)`.
    pub(in crate::workload) fn send(&self, message: &Message, len: usize) -> io::Result<()> {
        let len = len.min(Message::MOST);
        let from = (&raw const *message).cast();
        // SAFETY: the message is readable for its type and so many bytes.
        value(unsafe { libc::msgsnd(self.0, from, len, libc::IPC_NOWAIT) }).map(drop)
    }

    /// Receives a message of at most `len` bytes: `msgrcv(2)`.
    pub(in crate::workload) fn receive(&self, into: &mut Message, len: usize) -> io::Result<usize> {
        let len = len.min(Message::MOST);
        let into = (&raw mut *into).cast();
        // SAFETY: the message is writable for its type and so many bytes.
        moved(unsafe { libc::msgrcv(self.0, into, len, 0, libc::IPC_NOWAIT) })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the command takes no buffer.
        unsafe { libc::msgctl(self.0, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}
