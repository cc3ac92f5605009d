//! The reference on an io_uring: one request at a time, on a connected pair of sockets.

use std::{
    os::{
        fd::{AsRawFd as _, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result};
use memmap2::{MmapOptions, MmapRaw};
use rustix::io_uring::{
    IORING_OFF_SQ_RING, IORING_OFF_SQES, IoringEnterFlags, IoringOp, addr_or_splice_off_in_union,
    io_uring_enter, io_uring_params, io_uring_ptr, io_uring_setup, io_uring_sqe, len_union,
};

use super::{CHUNK, ROUNDS, whole};

/// By sockets, whose data is there when it is asked for: no thread of the ring's is needed,
/// which up to 5.11 is none of the process'.
pub(super) fn ring() -> Result<()> {
    let (near, far) = UnixStream::pair()?;
    let ring = Ring::new()?;
    let mut chunk = vec![1_u8; CHUNK];
    for _ in 0..ROUNDS {
        whole("IORING_OP_SEND", ring.complete(IoringOp::Send, near.as_raw_fd(), &mut chunk))?;
        whole("IORING_OP_RECV", ring.complete(IoringOp::Recv, far.as_raw_fd(), &mut chunk))?;
    }
    Ok(())
}

/// A ring of one request.
struct Ring {
    descriptor: OwnedFd,
    params: io_uring_params,
    /// Both queues, which lie in one mapping since 5.4.
    queues: MmapRaw,
    request: MmapRaw,
}

/// Bytes of a completion (`struct io_uring_cqe`): the caller's word of 8, then the result.
const COMPLETION: u32 = 16;
const RESULT: u32 = 8;

impl Ring {
    fn new() -> Result<Self> {
        let mut params = io_uring_params::default();
        // SAFETY: the kernel writes to the parameters alone.
        let descriptor = unsafe { io_uring_setup(1, &mut params) };
        let descriptor = descriptor.context("the kernel gives no io_uring")?;
        let map = |at: u64, length: usize| {
            let map = MmapOptions::new().offset(at).len(length).map_raw(&descriptor);
            map.context("cannot map the io_uring")
        };
        let submissions = params.sq_off.array + 4 * params.sq_entries;
        let completions = params.cq_off.cqes + COMPLETION * params.cq_entries;
        let queues = map(IORING_OFF_SQ_RING, submissions.max(completions) as usize)?;
        let request = map(IORING_OFF_SQES, size_of::<io_uring_sqe>())?;
        Ok(Self { queues, request, descriptor, params })
    }

    /// A word of the queues.
    fn word(&self, at: u32) -> &AtomicU32 {
        let word = self.queues.as_mut_ptr().wrapping_add(at as usize).cast::<AtomicU32>();
        // SAFETY: the offset is the kernel's own, of an aligned word within the mapping,
        // which lives as long as `self`; both sides use it atomically.
        unsafe { &*word }
    }

    /// Sends from `bytes` or receives into them, and waits for the result.
    fn complete(
        &self,
        operation: IoringOp,
        socket: RawFd,
        bytes: &mut [u8],
    ) -> rustix::io::Result<usize> {
        let (sent, done) = (&self.params.sq_off, &self.params.cq_off);
        let mut request = io_uring_sqe { opcode: operation, fd: socket, ..Default::default() };
        let address = io_uring_ptr::new(bytes.as_mut_ptr().cast());
        request.addr_or_splice_off_in = addr_or_splice_off_in_union { addr: address };
        request.len = len_union { len: u32::try_from(bytes.len()).unwrap_or(u32::MAX) };
        // SAFETY: the mapping is of one request, which the kernel reads in the call below.
        unsafe { self.request.as_mut_ptr().cast::<io_uring_sqe>().write(request) };
        self.word(sent.array).store(0, Ordering::Relaxed);
        self.word(sent.tail).fetch_add(1, Ordering::Release);
        // SAFETY: `bytes` outlive the request, for whose end the call waits.
        unsafe { io_uring_enter(&self.descriptor, 1, 1, IoringEnterFlags::GETEVENTS) }?;
        let head = self.word(done.head).load(Ordering::Relaxed);
        let row = head & self.word(done.ring_mask).load(Ordering::Relaxed);
        let result = self.word(done.cqes + COMPLETION * row + RESULT).load(Ordering::Acquire);
        let result = result.cast_signed();
        self.word(done.head).store(head + 1, Ordering::Release);
        let error = || rustix::io::Errno::from_raw_os_error(-result);
        usize::try_from(result).map_err(|_| error())
    }
}
