//! Calls on descriptors of any kind.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::ptr;

use super::{halves, halves_mut, moved, value, vector, vector_mut};

/// `read(2)`.
pub(in crate::workload) fn read(fd: impl AsFd, into: &mut [u8]) -> io::Result<usize> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: `into` is writable for its whole length.
    moved(unsafe { libc::read(fd, into.as_mut_ptr().cast(), into.len()) })
}

/// `pread(2)`.
pub(in crate::workload) fn pread(fd: impl AsFd, into: &mut [u8], at: u64) -> io::Result<usize> {
    let fd = fd.as_fd().as_raw_fd();
    let at = offset(at)?;
    // SAFETY: `into` is writable for its whole length.
    moved(unsafe { libc::pread(fd, into.as_mut_ptr().cast(), into.len(), at) })
}

/// `readv(2)` with two vectors.
pub(in crate::workload) fn readv(fd: impl AsFd, into: &mut [u8]) -> io::Result<usize> {
    let fd = fd.as_fd().as_raw_fd();
    let vectors = halves_mut(into);
    // SAFETY: the two vectors cover `into`, which is writable and outlives the call.
    moved(unsafe { libc::readv(fd, vectors.as_ptr(), 2) })
}

/// `preadv2(2)` with two vectors and no flags.
pub(in crate::workload) fn preadv2(fd: impl AsFd, into: &mut [u8], at: u64) -> io::Result<usize> {
    let fd = fd.as_fd().as_raw_fd();
    let at = offset(at)?;
    let vectors = halves_mut(into);
    // SAFETY: the two vectors cover `into`, which is writable and outlives the call.
    moved(unsafe { libc::preadv2(fd, vectors.as_ptr(), 2, at, 0) })
}

/// `write(2)`.
pub(in crate::workload) fn write(fd: impl AsFd, from: &[u8]) -> io::Result<usize> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: `from` is readable for its whole length.
    moved(unsafe { libc::write(fd, from.as_ptr().cast(), from.len()) })
}

/// `pwritev(2)` with two vectors.
pub(in crate::workload) fn pwritev(fd: impl AsFd, from: &[u8], at: u64) -> io::Result<usize> {
    let fd = fd.as_fd().as_raw_fd();
    let at = offset(at)?;
    let vectors = halves(from);
    // SAFETY: the two vectors cover `from`, which is readable and outlives the call.
    moved(unsafe { libc::pwritev(fd, vectors.as_ptr(), 2, at) })
}

/// `sendfile(2)` from the source's own position.
pub(in crate::workload) fn sendfile(
    to: impl AsFd,
    from: impl AsFd,
    len: usize,
) -> io::Result<usize> {
    let to = to.as_fd().as_raw_fd();
    let from = from.as_fd().as_raw_fd();
    // SAFETY: a null offset is allowed, and no memory of this process is passed.
    moved(unsafe { libc::sendfile(to, from, ptr::null_mut(), len) })
}

/// `splice(2)` from and to the descriptors' own positions.
pub(in crate::workload) fn splice(
    from: impl AsFd,
    to: impl AsFd,
    len: usize,
    flags: libc::c_uint,
) -> io::Result<usize> {
    let from = from.as_fd().as_raw_fd();
    let to = to.as_fd().as_raw_fd();
    // SAFETY: null offsets are allowed, and no memory of this process is passed.
    moved(unsafe { libc::splice(from, ptr::null_mut(), to, ptr::null_mut(), len, flags) })
}

/// `tee(2)`.
pub(in crate::workload) fn tee(from: impl AsFd, to: impl AsFd, len: usize) -> io::Result<usize> {
    let from = from.as_fd().as_raw_fd();
    let to = to.as_fd().as_raw_fd();
    // SAFETY: no memory of this process is passed.
    moved(unsafe { libc::tee(from, to, len, 0) })
}

/// `vmsplice(2)` on the write end: the pipe borrows the pages of `from`.
pub(in crate::workload) fn vmsplice_in(pipe: impl AsFd, from: &[u8]) -> io::Result<usize> {
    let pipe = pipe.as_fd().as_raw_fd();
    let vector = vector(from);
    // SAFETY: the vector covers `from`, and the kernel holds a reference to the
    // pages it borrows for as long as the pipe shows them.
    moved(unsafe { libc::vmsplice(pipe, &raw const vector, 1, 0) })
}

/// `vmsplice(2)` on the read end: the kernel copies into `into`.
pub(in crate::workload) fn vmsplice_out(pipe: impl AsFd, into: &mut [u8]) -> io::Result<usize> {
    let pipe = pipe.as_fd().as_raw_fd();
    let vector = vector_mut(into);
    // SAFETY: the vector covers `into`, which is writable and outlives the call.
    moved(unsafe { libc::vmsplice(pipe, &raw const vector, 1, 0) })
}

/// `copy_file_range(2)` from and to the files' own positions.
pub(in crate::workload) fn copy_file_range(
    from: impl AsFd,
    to: impl AsFd,
    len: usize,
) -> io::Result<usize> {
    let from = from.as_fd().as_raw_fd();
    let to = to.as_fd().as_raw_fd();
    let own = ptr::null_mut;
    // SAFETY: null offsets are allowed, and no memory of this process is passed.
    moved(unsafe { libc::copy_file_range(from, own(), to, own(), len, 0) })
}

/// `ioctl(2)` with `FICLONERANGE`: `to` shares the blocks of `from`, both at `at`. No
/// length is up to the end.
pub(in crate::workload) fn clone_range(
    from: impl AsFd,
    to: impl AsFd,
    at: u64,
    len: u64,
) -> io::Result<()> {
    let range = libc::file_clone_range {
        src_fd: from.as_fd().as_raw_fd().into(),
        src_offset: at,
        src_length: len,
        dest_offset: at,
    };
    let to = to.as_fd().as_raw_fd();
    // SAFETY: the request takes a range, which is readable.
    value(unsafe { libc::ioctl(to, libc::FICLONERANGE, &raw const range) }).map(drop)
}

/// `eventfd2(2)` with a counter of 0.
pub(in crate::workload) fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: no memory of this process is passed.
    let fd = value(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) })?;
    // SAFETY: the kernel has just made this descriptor, so nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `memfd_create(2)`: a file of memory, without a name in any directory.
pub(in crate::workload) fn memfd() -> io::Result<File> {
    // SAFETY: the name is a string that ends in a zero byte.
    let fd = value(unsafe { libc::memfd_create(c"workload".as_ptr(), libc::MFD_CLOEXEC) })?;
    // SAFETY: the kernel has just made this descriptor, so nothing else owns it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// `memfd_create(2)`: the same of pages of 2 MiB, which must have been reserved. It is
/// filled through a mapping, as hugetlbfs has no `write(2)`.
pub(in crate::workload) fn huge_memfd() -> io::Result<File> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_HUGETLB | libc::MFD_HUGE_2MB;
    // SAFETY: the name is a string that ends in a zero byte.
    let fd = value(unsafe { libc::memfd_create(c"workload".as_ptr(), flags) })?;
    // SAFETY: the kernel has just made this descriptor, so nothing else owns it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// A copy of `fd` at the first free number from `least` on.
pub(in crate::workload) fn duplicate(fd: impl AsFd, least: RawFd) -> io::Result<OwnedFd> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: no memory of this process is passed.
    let fd = value(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, least) })?;
    // SAFETY: the kernel has just made this descriptor, so nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `dup2(2)`: the number of `target` becomes a copy of `source`.
pub(in crate::workload) fn replace(target: &OwnedFd, source: impl AsFd) -> io::Result<()> {
    let source = source.as_fd().as_raw_fd();
    // SAFETY: no memory of this process is passed; the number stays owned by `target`.
    value(unsafe { libc::dup2(source, target.as_raw_fd()) }).map(drop)
}

/// `close(2)` of a number whose owner will not close it in this process.
pub(in crate::workload) fn close_number(number: RawFd) -> io::Result<()> {
    // SAFETY: no memory is passed; the caller is a child that exits without
    // running the destructor of the descriptor's owner.
    value(unsafe { libc::close(number) }).map(drop)
}

/// The room of a pipe, in bytes.
pub(in crate::workload) fn pipe_size(pipe: impl AsFd) -> io::Result<usize> {
    let pipe = pipe.as_fd().as_raw_fd();
    // SAFETY: no memory of this process is passed.
    let size = value(unsafe { libc::fcntl(pipe, libc::F_GETPIPE_SZ) })?;
    moved(isize::try_from(size).map_err(io::Error::other)?)
}

/// Asks for a pipe with room for at least `bytes`.
pub(in crate::workload) fn set_pipe_size(pipe: impl AsFd, bytes: usize) -> io::Result<()> {
    let pipe = pipe.as_fd().as_raw_fd();
    let bytes = libc::c_int::try_from(bytes).map_err(io::Error::other)?;
    // SAFETY: no memory of this process is passed.
    value(unsafe { libc::fcntl(pipe, libc::F_SETPIPE_SZ, bytes) }).map(drop)
}

/// Replaces the status flags of an open file, such as `O_DIRECT`.
pub(in crate::workload) fn set_flags(fd: impl AsFd, flags: libc::c_int) -> io::Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: no memory of this process is passed.
    value(unsafe { libc::fcntl(fd, libc::F_SETFL, flags) }).map(drop)
}

/// A pipe made with `flags`, as its read end and its write end.
pub(in crate::workload) fn pipe(flags: libc::c_int) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [libc::c_int; 2] = [-1; 2];
    // SAFETY: `ends` has room for the two descriptors.
    value(unsafe { libc::pipe2(ends.as_mut_ptr(), flags | libc::O_CLOEXEC) })?;
    let [read, write] = ends;
    // SAFETY: the kernel has just made this descriptor, so nothing else owns it.
    let read = unsafe { OwnedFd::from_raw_fd(read) };
    // SAFETY: the kernel has just made this descriptor, so nothing else owns it.
    let write = unsafe { OwnedFd::from_raw_fd(write) };
    Ok((read, write))
}

/// The magic number of the file system that `file` is on.
pub(in crate::workload) fn file_system(file: &File) -> io::Result<i64> {
    let mut about = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `about` has room for the answer.
    value(unsafe { libc::fstatfs(file.as_raw_fd(), about.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it filled `about`.
    let about = unsafe { about.assume_init() };
    Ok(about.f_type)
}

/// Whether `file` lies in persistent memory and is used there (`statx(2)`).
pub(in crate::workload) fn is_used_in_place(file: &File) -> io::Result<bool> {
    /// `STATX_ATTR_DAX` (`linux/stat.h`).
    const DAX: u64 = 0x20_0000;
    let mut about = std::mem::MaybeUninit::<libc::statx>::uninit();
    let (fd, name) = (file.as_raw_fd(), c"".as_ptr());
    // SAFETY: the name is a string that ends in a zero byte, and `about` has room for the
    // answer.
    value(unsafe { libc::statx(fd, name, libc::AT_EMPTY_PATH, 0, about.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it filled `about`.
    Ok(unsafe { about.assume_init() }.stx_attributes & DAX != 0)
}

/// Opens `path` for reading.
pub(in crate::workload) fn open(path: impl AsRef<Path>) -> io::Result<File> {
    File::open(path)
}

/// An offset as the kernel takes it.
pub(super) fn offset(at: u64) -> io::Result<libc::off_t> {
    libc::off_t::try_from(at).map_err(io::Error::other)
}
