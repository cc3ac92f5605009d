//! An `io_uring` with one request at a time.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use io_uring::squeue::{self, Entry};
use io_uring::types::Fd;
use io_uring::{IoUring, cqueue, opcode};

/// A ring whose every request is submitted alone and waited for.
pub(in crate::workload) struct Ring {
    ring: IoUring,
    /// Completions that announce the end of a zero-copy send.
    notices: u64,
    /// What every request is asked for with.
    flags: squeue::Flags,
}

impl Ring {
    /// `io_uring_setup(2)`, which maps the ring's own descriptor.
    pub(in crate::workload) fn new() -> io::Result<Self> {
        Ok(Self { ring: IoUring::new(8)?, notices: 0, flags: squeue::Flags::empty() })
    }

    /// A ring whose requests a kernel thread of this process takes and does
    /// (`IORING_SETUP_SQPOLL`).
    pub(in crate::workload) fn polled() -> io::Result<Self> {
        // Milliseconds until the thread sleeps for want of requests.
        const IDLE: u32 = 1;
        let ring = IoUring::builder().setup_sqpoll(IDLE).build(8)?;
        Ok(Self { ring, notices: 0, flags: squeue::Flags::empty() })
    }

    /// A ring whose requests a worker does (`IOSQE_ASYNC`), and whose completions this
    /// thread posts itself, later (`IORING_SETUP_DEFER_TASKRUN`, Linux 6.1).
    pub(in crate::workload) fn deferred() -> io::Result<Self> {
        Self::deferred_of(8)
    }

    /// The same with room for so many requests at a time.
    pub(in crate::workload) fn deferred_of(requests: usize) -> io::Result<Self> {
        let entries = u32::try_from(requests).map_err(io::Error::other)?.next_power_of_two();
        let ring = IoUring::builder().setup_single_issuer().setup_defer_taskrun().build(entries)?;
        Ok(Self { ring, notices: 0, flags: squeue::Flags::ASYNC })
    }

    /// Registers `buffer` as the fixed buffer 0.
    ///
    /// The kernel holds a reference to the buffer's pages while the ring lives.
    pub(in crate::workload) fn register(&self, buffer: &mut [u8]) -> io::Result<()> {
        let vector = super::vector_mut(buffer);
        // SAFETY: the vector covers `buffer`, which is readable and writable; the
        // fixed operations take the buffer again, so it outlives them.
        unsafe { self.ring.submitter().register_buffers(&[vector]) }
    }

    /// `IORING_OP_READ`.
    pub(in crate::workload) fn read(
        &mut self,
        fd: impl AsFd,
        into: &mut [u8],
        at: u64,
    ) -> io::Result<usize> {
        let len = length(into)?;
        let entry = opcode::Read::new(number(fd), into.as_mut_ptr(), len).offset(at).build();
        // SAFETY: `into` is writable and outlives the request.
        unsafe { self.complete(entry) }
    }

    /// Fills `into` by as many requests `IORING_OP_READ` of so many bytes as that takes, of
    /// which none is complete before `meanwhile` has ended; how many bytes were read.
    pub(in crate::workload) fn read_all(
        &mut self,
        fd: impl AsFd,
        into: &mut [u8],
        each: usize,
        meanwhile: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<usize> {
        let fd = number(fd);
        let mut left = 0;
        for (at, piece) in (0..).step_by(each).zip(into.chunks_mut(each)) {
            let entry = opcode::Read::new(fd, piece.as_mut_ptr(), length(piece)?).offset(at);
            let entry = entry.build().flags(self.flags);
            // SAFETY: `into` is writable, and outlives the requests: this waits for all.
            unsafe { self.ring.submission().push(&entry) }.map_err(io::Error::other)?;
            left += 1;
        }
        self.ring.submit()?;
        let held = meanwhile();
        let mut read = Ok(0);
        while left > 0 {
            self.ring.submit_and_wait(1)?;
            for entry in self.ring.completion() {
                let result = entry.result();
                let bytes = usize::try_from(result);
                let bytes = bytes.map_err(|_| io::Error::from_raw_os_error(-result));
                read = read.and_then(|sum: usize| Ok(sum + bytes?));
                left -= 1;
            }
        }
        held.and(read)
    }

    /// `IORING_OP_WRITE`.
    pub(in crate::workload) fn write(
        &mut self,
        fd: impl AsFd,
        from: &[u8],
        at: u64,
    ) -> io::Result<usize> {
        let entry = opcode::Write::new(number(fd), from.as_ptr(), length(from)?).offset(at).build();
        // SAFETY: `from` is readable and outlives the request.
        unsafe { self.complete(entry) }
    }

    /// `IORING_OP_READ_FIXED` into the start of the buffer registered.
    pub(in crate::workload) fn read_fixed(
        &mut self,
        fd: impl AsFd,
        into: &mut [u8],
        at: u64,
    ) -> io::Result<usize> {
        let len = length(into)?;
        let entry =
            opcode::ReadFixed::new(number(fd), into.as_mut_ptr(), len, 0).offset(at).build();
        // SAFETY: `into` is writable and outlives the request.
        unsafe { self.complete(entry) }
    }

    /// `IORING_OP_WRITE_FIXED` from the start of the buffer registered.
    pub(in crate::workload) fn write_fixed(
        &mut self,
        fd: impl AsFd,
        from: &[u8],
        at: u64,
    ) -> io::Result<usize> {
        let entry =
            opcode::WriteFixed::new(number(fd), from.as_ptr(), length(from)?, 0).offset(at).build();
        // SAFETY: `from` is readable and outlives the request.
        unsafe { self.complete(entry) }
    }

    /// `IORING_OP_SEND`.
    pub(in crate::workload) fn send(
        &mut self,
        socket: impl AsFd,
        from: &[u8],
    ) -> io::Result<usize> {
        let entry = opcode::Send::new(number(socket), from.as_ptr(), length(from)?).build();
        // SAFETY: `from` is readable and outlives the request.
        unsafe { self.complete(entry) }
    }

    /// `IORING_OP_RECV`.
    pub(in crate::workload) fn recv(
        &mut self,
        socket: impl AsFd,
        into: &mut [u8],
    ) -> io::Result<usize> {
        let len = length(into)?;
        let entry = opcode::Recv::new(number(socket), into.as_mut_ptr(), len).build();
        // SAFETY: `into` is writable and outlives the request.
        unsafe { self.complete(entry) }
    }

    /// `IORING_OP_SEND_ZC`. A second completion, [`Self::wait_for_notices`], says
    /// when the kernel has no more use for the bytes.
    pub(in crate::workload) fn send_zero_copy(
        &mut self,
        socket: impl AsFd,
        from: &[u8],
    ) -> io::Result<usize> {
        let entry = opcode::SendZc::new(number(socket), from.as_ptr(), length(from)?).build();
        // SAFETY: `from` is readable and outlives the request; until the notice
        // the kernel holds references to its pages, not to its addresses.
        unsafe { self.complete(entry) }
    }

    /// `IORING_OP_SPLICE` from and to the descriptors' own positions.
    pub(in crate::workload) fn splice(
        &mut self,
        from: impl AsFd,
        to: impl AsFd,
        len: usize,
    ) -> io::Result<usize> {
        let len = u32::try_from(len).map_err(io::Error::other)?;
        let entry = opcode::Splice::new(number(from), -1, number(to), -1, len).build();
        // SAFETY: the request refers to no memory.
        unsafe { self.complete(entry) }
    }

    /// `IORING_OP_TEE`.
    pub(in crate::workload) fn tee(
        &mut self,
        from: impl AsFd,
        to: impl AsFd,
        len: usize,
    ) -> io::Result<usize> {
        let len = u32::try_from(len).map_err(io::Error::other)?;
        let entry = opcode::Tee::new(number(from), number(to), len).build();
        // SAFETY: the request refers to no memory.
        unsafe { self.complete(entry) }
    }

    /// `IORING_OP_NOP`, which moves nothing.
    pub(in crate::workload) fn nop(&mut self) -> io::Result<usize> {
        // SAFETY: the request refers to no memory.
        unsafe { self.complete(opcode::Nop::new().build()) }
    }

    /// Waits until the kernel has announced the end of `sends` zero-copy sends.
    pub(in crate::workload) fn wait_for_notices(&mut self, sends: u64) -> io::Result<()> {
        while self.notices < sends {
            if let Some(entry) = self.ring.completion().next() {
                self.notices += u64::from(cqueue::notif(entry.flags()));
            } else {
                self.ring.submit_and_wait(1)?;
            }
        }
        Ok(())
    }

    /// Submits one request and waits for its result.
    ///
    /// # Safety
    ///
    /// The memory the request refers to must be valid until this returns.
    unsafe fn complete(&mut self, entry: Entry) -> io::Result<usize> {
        let entry = entry.flags(self.flags);
        // SAFETY: the caller keeps the memory valid until the result is here.
        unsafe { self.ring.submission().push(&entry) }.map_err(io::Error::other)?;
        self.ring.submit()?;
        loop {
            let Some(entry) = self.ring.completion().next() else {
                self.ring.submit_and_wait(1)?;
                continue;
            };
            if cqueue::notif(entry.flags()) {
                self.notices += 1;
                continue;
            }
            let result = entry.result();
            return usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
        }
    }
}

/// A descriptor as a request names it.
fn number(fd: impl AsFd) -> Fd {
    Fd(fd.as_fd().as_raw_fd())
}

/// A length as a request gives it.
fn length(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len()).map_err(io::Error::other)
}
