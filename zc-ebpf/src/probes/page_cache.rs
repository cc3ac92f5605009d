//! Reads and writes of files behind the page cache, and of memory file systems.
//!
//! `O_DIRECT` does not come here, but for what falls back to the cache. From 6.5 a
//! splice does not come here either; before, it comes with a pipe as iterator, and
//! links pages.

use zc_common::fallback::Reason;

use crate::{
    call::Return,
    copies::{Way, of_cache, of_file, of_sink, of_user},
    iter::{Iter, Memory},
    settings::ARITY_IOMAP_WRITE,
};

on_return! {
    /// `ssize_t filemap_read(struct kiocb *iocb, struct iov_iter *iter,
    /// ssize_t already_read)`, since 5.14 (mm/filemap.c): returns what was read before and
    /// now together.
    filemap_read(3) [0, 1, 2] => filemap;

    /// The same, to 5.13.
    generic_file_buffered_read(3) [0, 1, 2] => filemap;

    /// `ssize_t shmem_file_read_iter(struct kiocb *iocb, struct iov_iter *to)`
    /// (mm/shmem.c).
    shmem_file_read_iter(2) [0, 1] => read;

    /// `ssize_t hugetlbfs_read_iter(struct kiocb *iocb, struct iov_iter *to)`
    /// (fs/hugetlbfs/inode.c).
    hugetlbfs_read_iter(2) [0, 1] => read;

    /// `ssize_t seq_read_iter(struct kiocb *iocb, struct iov_iter *iter)`
    /// (fs/seq_file.c): procfs, sysfs and the like.
    seq_read_iter(2) [0, 1] => made_up;

    /// `ssize_t get_random_bytes_user(struct iov_iter *iter)`, since 5.19
    /// (drivers/char/random.c).
    get_random_bytes_user(1) [0] => random;

    /// `ssize_t generic_perform_write(struct kiocb *iocb, struct iov_iter *i)`, since 5.18
    /// (mm/filemap.c).
    generic_perform_write(2) [0, 1] => write;

    /// `ssize_t generic_perform_write(struct file *file, struct iov_iter *i, loff_t pos)`, to
    /// 5.17: whether the call waits is not known, but only an io_uring writes from pages
    /// that are a process' own.
    generic_perform_write_file(3) [1] => write_file;

    /// `ssize_t iomap_file_buffered_write(struct kiocb *iocb, struct iov_iter *i, ...)`
    /// (fs/iomap/buffered-io.c): three arguments to 6.9, four to 6.16, then five.
    iomap_file_buffered_write(ARITY_IOMAP_WRITE.load()) [0, 1] => write;
}

#[inline(always)]
fn filemap(call: &impl Return) {
    let before = call.argument(2) as i64;
    file(call, Way::Read, call.returned() as i64 - before);
}

#[inline(always)]
fn read(call: &impl Return) {
    file(call, Way::Read, call.returned() as i64);
}

#[inline(always)]
fn write(call: &impl Return) {
    file(call, Way::Write, call.returned() as i64);
}

/// A call that begins with a `struct kiocb` and a `struct iov_iter`.
#[inline(always)]
fn file(call: &impl Return, way: Way, bytes: i64) {
    of_cache(call, way, call.argument(0), Iter::memory(call, call.argument(1)), bytes);
}

/// What it reads from need be no file to the user.
#[inline(always)]
fn made_up(call: &impl Return) {
    let memory = Iter::memory(call, call.argument(1));
    of_file(call, Way::Read, call.argument(0), memory, call.returned() as i64);
}

#[inline(always)]
fn random(call: &impl Return) {
    if Iter::memory(call, call.argument(0)) == Memory::User {
        of_user(call, Way::Read, call.returned() as i64);
    }
}

#[inline(always)]
fn write_file(call: &impl Return) {
    let memory = Iter::memory(call, call.argument(1));
    of_sink(call, Way::Write, memory, 0, call.returned() as i64, Reason::FileSink);
}
