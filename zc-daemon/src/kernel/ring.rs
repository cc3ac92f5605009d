//! An `io_uring` whose every request is waited for.

use std::{
    net::TcpStream,
    os::fd::{AsFd, AsRawFd as _},
};

use anyhow::{Context as _, Result, ensure};
use io_uring::{
    IoUring, cqueue,
    squeue::{Entry, Flags},
    types::Fd,
};
use rustix::io::Errno;

/// Room for the requests of one call, and for what is said of them.
const ENTRIES: u32 = 8;

/// A ring.
pub(super) struct Ring(IoUring);

impl Ring {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(IoUring::new(ENTRIES).context("the kernel gives no io_uring")?))
    }

    /// Registers `memory` as the fixed buffer 0.
    pub(super) fn register(&self, memory: &mut [u8]) -> Result<()> {
        let vector = libc::iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: memory.len() };
        // SAFETY: the memory is the caller's, who keeps it for as long as the ring.
        let registered = unsafe { self.0.submitter().register_buffers(&[vector]) };
        registered.context("the io_uring takes no fixed buffers")
    }

    /// Does one request, and waits for its result.
    ///
    /// # Safety
    ///
    /// The memory that the request names must be valid until this returns.
    pub(super) unsafe fn complete(&mut self, entry: &Entry) -> rustix::io::Result<usize> {
        // SAFETY: as the caller promises.
        let [result] = unsafe { self.complete_all([entry.clone().user_data(0)]) }?;
        result
    }

    /// Does two requests by one call, the second once the first has succeeded.
    ///
    /// # Safety
    ///
    /// As for [`Self::complete`].
    pub(super) unsafe fn complete_linked(
        &mut self,
        first: Entry,
        second: Entry,
    ) -> rustix::io::Result<[rustix::io::Result<usize>; 2]> {
        let entries = [first.flags(Flags::IO_LINK).user_data(0), second.user_data(1)];
        // SAFETY: as the caller promises.
        unsafe { self.complete_all(entries) }
    }

    /// Does requests numbered by their `user_data`, by one call unless results come late. One
    /// that sends by reference is done when its notice has come, too: taken later it would be
    /// among the results of others, and what was seen of them be taken for its own.
    ///
    /// # Safety
    ///
    /// As for [`Self::complete`].
    unsafe fn complete_all<const N: usize>(
        &mut self,
        entries: [Entry; N],
    ) -> rustix::io::Result<[rustix::io::Result<usize>; N]> {
        for entry in &entries {
            // SAFETY: as the caller promises.
            unsafe { self.0.submission().push(entry) }.map_err(|_| Errno::BUSY)?;
        }
        let mut results = [Err(Errno::INPROGRESS); N];
        let (mut left, mut notices) = (N, 0);
        while left > 0 || notices > 0 {
            let waited = self.0.submit_and_wait(left.max(1));
            waited.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
            for done in self.0.completion() {
                if cqueue::notif(done.flags()) {
                    notices -= 1;
                    continue;
                }
                notices += i32::from(cqueue::more(done.flags()));
                let number = usize::try_from(done.user_data()).unwrap_or(usize::MAX);
                if let Some(result) = results.get_mut(number) {
                    *result = moved(done.result());
                    left -= 1;
                }
            }
        }
        Ok(results)
    }
}

fn moved(result: i32) -> rustix::io::Result<usize> {
    usize::try_from(result).map_err(|_| Errno::from_raw_os_error(-result))
}

/// A descriptor as a request names it.
pub(super) fn number(descriptor: impl AsFd) -> Fd {
    Fd(descriptor.as_fd().as_raw_fd())
}

/// Sends what a request left over, by one request after the other.
pub(super) fn send_rest(
    ring: &mut Ring,
    socket: &TcpStream,
    bytes: &[u8],
    sent: rustix::io::Result<usize>,
) -> Result<()> {
    let mut done = match sent {
        // The request before it was short, so that this was not begun.
        Err(Errno::CANCELED) => 0,
        sent => sent.context("IORING_OP_SEND failed")?,
    };
    while done < bytes.len() {
        let rest = &bytes[done..];
        let length = u32::try_from(rest.len())?;
        let entry = io_uring::opcode::Send::new(number(socket), rest.as_ptr(), length).build();
        // SAFETY: the bytes outlive the request, for whose end the call waits.
        let sent = unsafe { ring.complete(&entry) }.context("IORING_OP_SEND failed")?;
        ensure!(sent > 0, "IORING_OP_SEND sent nothing");
        done += sent;
    }
    Ok(())
}
