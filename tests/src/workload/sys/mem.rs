//! Memory: buffers, file mappings, and the memory of a process.

use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::ops::{Deref, DerefMut};
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};
use std::slice;

use super::{moved, value, vector, vector_mut};

/// A mapping that is removed when it is dropped.
pub(super) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: it owns its addresses, which are the same to every thread of the process.
unsafe impl Send for Mapping {}

impl Mapping {
    /// `mmap(2)` at an address the kernel chooses.
    pub(super) fn new(
        len: usize,
        protection: libc::c_int,
        flags: libc::c_int,
        fd: libc::c_int,
    ) -> io::Result<Self> {
        Self::new_at(len, protection, flags, fd, 0)
    }

    /// The same, of what a descriptor shows from `offset` on.
    pub(super) fn new_at(
        len: usize,
        protection: libc::c_int,
        flags: libc::c_int,
        fd: libc::c_int,
        offset: libc::off_t,
    ) -> io::Result<Self> {
        // SAFETY: without MAP_FIXED the call replaces no mapping.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, fd, offset) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { start, len })
    }

    /// Where it begins.
    pub(super) const fn start(&self) -> NonNull<u8> {
        self.start
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: every mapping made here is readable for `len` bytes until it is
        // dropped, and nobody shortens the files mapped.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is the one mapped, and nothing borrows it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// Anonymous memory that starts at a page boundary.
pub(in crate::workload) struct Buffer(Mapping);

impl Buffer {
    /// Memory whose pages are not present yet.
    pub(in crate::workload) fn untouched(len: usize) -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        Mapping::new(len, libc::PROT_READ | libc::PROT_WRITE, flags, -1).map(Self)
    }

    /// Memory with every page present and every byte set.
    pub(in crate::workload) fn new(len: usize) -> io::Result<Self> {
        let mut buffer = Self::untouched(len)?;
        buffer.fill(0x5a);
        Ok(buffer)
    }

    /// Asks for pages of the smallest size only.
    pub(in crate::workload) fn without_huge_pages(&self) -> io::Result<()> {
        let start = self.0.start.as_ptr().cast();
        // SAFETY: the advice changes neither the content nor the extent of the mapping.
        match value(unsafe { libc::madvise(start, self.0.len, libc::MADV_NOHUGEPAGE) }) {
            // A kernel built without huge pages does not know the advice.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            result => result.map(drop),
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is private and writable for `len` bytes, and this
        // is the only reference to it.
        unsafe { slice::from_raw_parts_mut(self.0.start.as_ptr(), self.0.len) }
    }
}

/// The content of a file, mapped for reading.
pub(in crate::workload) struct FileMap(Mapping);

impl FileMap {
    /// Maps the first `len` bytes of `file`.
    pub(in crate::workload) fn new(file: &File, len: usize) -> io::Result<Self> {
        Mapping::new(len, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd()).map(Self)
    }
}

impl Deref for FileMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// The content of a file, mapped for writing.
pub(in crate::workload) struct WritableMap(Mapping);

impl WritableMap {
    /// Maps the first `len` bytes of `file`; what is written stays in this process.
    pub(in crate::workload) fn private(file: &File, len: usize) -> io::Result<Self> {
        Self::new(file, len, libc::MAP_PRIVATE)
    }

    /// Maps the first `len` bytes of `file`, which must be open for writing too; what
    /// is written goes to it.
    pub(in crate::workload) fn shared(file: &File, len: usize) -> io::Result<Self> {
        Self::new(file, len, libc::MAP_SHARED)
    }

    fn new(file: &File, len: usize, flags: libc::c_int) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        Mapping::new(len, protection, flags, file.as_raw_fd()).map(Self)
    }
}

impl Deref for WritableMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for WritableMap {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is writable for `len` bytes, this is the only reference
        // to it, and no case maps or writes the same file elsewhere at that time.
        unsafe { slice::from_raw_parts_mut(self.0.start.as_ptr(), self.0.len) }
    }
}

/// Addresses at which a TCP socket shows what it received, without copying it.
pub(in crate::workload) struct Window(Mapping);

/// The first fields of `struct tcp_zerocopy_receive` (`linux/tcp.h`), which every
/// kernel since 5.4 takes alone.
#[repr(C)]
struct ZerocopyReceive {
    address: u64,
    length: u32,
    recv_skip_hint: u32,
    inq: u32,
    err: i32,
}

impl Window {
    /// Maps `len` bytes of `socket`, with nothing to see yet.
    pub(in crate::workload) fn new(socket: &TcpStream, len: usize) -> io::Result<Self> {
        Mapping::new(len, libc::PROT_READ, libc::MAP_SHARED, socket.as_raw_fd()).map(Self)
    }

    /// `getsockopt(2)` with `TCP_ZEROCOPY_RECEIVE`: shows up to `len` bytes of whole
    /// pages in place of what was shown before, and says how many.
    pub(in crate::workload) fn receive(
        &mut self,
        socket: &TcpStream,
        len: usize,
    ) -> io::Result<usize> {
        let length = u32::try_from(len.min(self.0.len)).map_err(io::Error::other)?;
        let address = self.0.start.as_ptr().addr() as u64;
        let mut request = ZerocopyReceive { address, length, recv_skip_hint: 0, inq: 0, err: 0 };
        let mut size =
            libc::socklen_t::try_from(size_of_val(&request)).map_err(io::Error::other)?;
        let into = (&raw mut request).cast();
        let (level, name) = (libc::IPPROTO_TCP, libc::TCP_ZEROCOPY_RECEIVE);
        let socket = socket.as_raw_fd();
        // SAFETY: the request is writable for the size given with it, and nobody reads
        // the addresses it names, which are the window's own.
        value(unsafe { libc::getsockopt(socket, level, name, into, &raw mut size) })?;
        usize::try_from(request.length).map_err(io::Error::other)
    }
}

/// The size of a page of memory.
pub(in crate::workload) fn page_size() -> usize {
    // SAFETY: no memory is passed.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// `process_vm_readv(2)` of this process: copies `from` to `into`.
pub(in crate::workload) fn process_vm_read(into: &mut [u8], from: &[u8]) -> io::Result<usize> {
    let pid = super::process::own_tid();
    let (local, remote) = (vector_mut(into), vector(from));
    // SAFETY: `local` is writable and `remote` readable, both for their whole length.
    moved(unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) })
}

/// `process_vm_writev(2)` to this process: copies `from` to `into`.
pub(in crate::workload) fn process_vm_write(into: &mut [u8], from: &[u8]) -> io::Result<usize> {
    let pid = super::process::own_tid();
    let (local, remote) = (vector(from), vector_mut(into));
    // SAFETY: `local` is readable and `remote` writable, both for their whole length.
    moved(unsafe { libc::process_vm_writev(pid, &raw const local, 1, &raw const remote, 1, 0) })
}
