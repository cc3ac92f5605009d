//! Memory that ends: what lies behind cannot be touched, so that a call which is asked for
//! more than there is copies up to there and fails.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::mem::{Mapping, page_size};
use super::{fd::offset, moved, value};

/// Anonymous memory, followed by a page that nobody may touch.
pub(in crate::workload) struct Cliff {
    mapping: Mapping,
    len: usize,
}

/// So many bytes from somewhere in a cliff on, of which the last ones may lie beyond.
pub(in crate::workload) struct Span<'a> {
    cliff: &'a Cliff,
    at: usize,
    len: usize,
}

impl Cliff {
    /// So many bytes, whole pages.
    pub(in crate::workload) fn new(pages: usize) -> io::Result<Self> {
        let len = pages * page_size();
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let mapping = Mapping::new(len + page_size(), protection, flags, -1)?;
        let edge = mapping.start().as_ptr().wrapping_add(len);
        // SAFETY: the page is the mapping's last, and nobody borrows it.
        value(unsafe { libc::mprotect(edge.cast(), page_size(), libc::PROT_NONE) })?;
        Ok(Self { mapping, len })
    }

    /// `len` bytes, of which the first `there` can be touched.
    pub(in crate::workload) fn span(&mut self, there: usize, len: usize) -> Span<'_> {
        Span { at: self.len - there.min(self.len), len, cliff: self }
    }
}

impl Span<'_> {
    fn start(&self) -> *mut libc::c_void {
        self.cliff.mapping.start().as_ptr().wrapping_add(self.at).cast()
    }

    /// `read(2)`.
    pub(in crate::workload) fn read(&self, fd: impl AsFd) -> io::Result<usize> {
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: nobody borrows the memory, and the kernel fails where it ends.
        moved(unsafe { libc::read(fd, self.start(), self.len) })
    }

    /// `pread(2)`.
    pub(in crate::workload) fn pread(&self, fd: impl AsFd, at: u64) -> io::Result<usize> {
        let (fd, at) = (fd.as_fd().as_raw_fd(), offset(at)?);
        // SAFETY: as in `read`.
        moved(unsafe { libc::pread(fd, self.start(), self.len, at) })
    }

    /// `write(2)`.
    pub(in crate::workload) fn write(&self, fd: impl AsFd) -> io::Result<usize> {
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: as in `read`.
        moved(unsafe { libc::write(fd, self.start(), self.len) })
    }

    /// `pwrite(2)`.
    pub(in crate::workload) fn pwrite(&self, fd: impl AsFd, at: u64) -> io::Result<usize> {
        let (fd, at) = (fd.as_fd().as_raw_fd(), offset(at)?);
        // SAFETY: as in `read`.
        moved(unsafe { libc::pwrite(fd, self.start(), self.len, at) })
    }

    /// `send(2)`.
    pub(in crate::workload) fn send(&self, socket: impl AsFd) -> io::Result<usize> {
        let socket = socket.as_fd().as_raw_fd();
        // SAFETY: as in `read`.
        moved(unsafe { libc::send(socket, self.start(), self.len, libc::MSG_DONTWAIT) })
    }

    /// `recv(2)`.
    pub(in crate::workload) fn recv(&self, socket: impl AsFd) -> io::Result<usize> {
        let socket = socket.as_fd().as_raw_fd();
        // SAFETY: as in `read`.
        moved(unsafe { libc::recv(socket, self.start(), self.len, libc::MSG_DONTWAIT) })
    }

    /// `process_vm_readv(2)` of this process' own memory.
    pub(in crate::workload) fn copy_from(&self, from: &[u8]) -> io::Result<usize> {
        let pid = super::process::own_tid();
        let local = libc::iovec { iov_base: self.start(), iov_len: self.len };
        let remote = super::vector(from);
        // SAFETY: as in `read`; `from` is readable for its whole length.
        moved(unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) })
    }
}
