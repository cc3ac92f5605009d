//! Reads and writes of files behind the page cache, and of memory file systems.
//!
//! `O_DIRECT` does not come here, but for what falls back to the cache. From 6.5 a
//! splice does not come here either; before, it comes with a pipe as iterator, and
//! links pages.

use aya_ebpf::{macros::fexit, programs::FExitContext};
use zc_common::fallback::Reason;

use crate::{
    copies::{Way, of_file, of_sink, of_user},
    iter::{Iter, Memory},
    memory::returned,
    settings::ARITY_IOMAP_WRITE,
};

/// What the iterator at `position` walks over.
#[inline(always)]
fn memory(ctx: &FExitContext, position: usize) -> Memory {
    // SAFETY: a typed `iov_iter` pointer: the loader checks the prototype.
    unsafe { Iter::new(ctx.arg(position)) }.memory()
}

/// `ssize_t filemap_read(struct kiocb *iocb, struct iov_iter *iter,
/// ssize_t already_read)`, since 5.14 (mm/filemap.c): returns what was read before and
/// now together.
#[fexit(function = "filemap_read")]
pub fn filemap_read(ctx: FExitContext) -> i32 {
    filemap(&ctx);
    0
}

/// The same, to 5.13.
#[fexit(function = "generic_file_buffered_read")]
pub fn generic_file_buffered_read(ctx: FExitContext) -> i32 {
    filemap(&ctx);
    0
}

#[inline(always)]
fn filemap(ctx: &FExitContext) {
    let (before, returned): (i64, i64) = (ctx.arg(2), ctx.arg(3));
    of_file(Way::Read, ctx.arg(0), memory(ctx, 1), returned - before);
}

/// `ssize_t shmem_file_read_iter(struct kiocb *iocb, struct iov_iter *to)`
/// (mm/shmem.c).
#[fexit(function = "shmem_file_read_iter")]
pub fn shmem_file_read_iter(ctx: FExitContext) -> i32 {
    of_file(Way::Read, ctx.arg(0), memory(&ctx, 1), ctx.arg(2));
    0
}

/// `ssize_t hugetlbfs_read_iter(struct kiocb *iocb, struct iov_iter *to)`
/// (fs/hugetlbfs/inode.c).
#[fexit(function = "hugetlbfs_read_iter")]
pub fn hugetlbfs_read_iter(ctx: FExitContext) -> i32 {
    of_file(Way::Read, ctx.arg(0), memory(&ctx, 1), ctx.arg(2));
    0
}

/// `ssize_t seq_read_iter(struct kiocb *iocb, struct iov_iter *iter)`
/// (fs/seq_file.c): procfs, sysfs and the like.
#[fexit(function = "seq_read_iter")]
pub fn seq_read_iter(ctx: FExitContext) -> i32 {
    of_file(Way::Read, ctx.arg(0), memory(&ctx, 1), ctx.arg(2));
    0
}

/// `ssize_t get_random_bytes_user(struct iov_iter *iter)`, since 5.19
/// (drivers/char/random.c).
#[fexit(function = "get_random_bytes_user")]
pub fn get_random_bytes_user(ctx: FExitContext) -> i32 {
    if memory(&ctx, 0) == Memory::User {
        of_user(Way::Read, ctx.arg(1));
    }
    0
}

/// `ssize_t generic_perform_write(struct kiocb *iocb, struct iov_iter *i)`, since 5.18
/// (mm/filemap.c).
#[fexit(function = "generic_perform_write")]
pub fn generic_perform_write(ctx: FExitContext) -> i32 {
    of_file(Way::Write, ctx.arg(0), memory(&ctx, 1), ctx.arg(2));
    0
}

/// `ssize_t generic_perform_write(struct file *file, struct iov_iter *i, loff_t pos)`, to
/// 5.17: whether the call waits is not known, but only an io_uring writes from pages
/// that are a process' own.
#[fexit(function = "generic_perform_write")]
pub fn generic_perform_write_file(ctx: FExitContext) -> i32 {
    of_sink(Way::Write, memory(&ctx, 1), 0, ctx.arg(3), Reason::FileSink);
    0
}

/// `ssize_t iomap_file_buffered_write(struct kiocb *iocb, struct iov_iter *i, ...)`
/// (fs/iomap/buffered-io.c): three arguments to 6.9, four to 6.16, then five.
#[fexit(function = "iomap_file_buffered_write")]
pub fn iomap_file_buffered_write(ctx: FExitContext) -> i32 {
    let returned = match ARITY_IOMAP_WRITE.load() {
        3 => returned::<3>(&ctx),
        4 => returned::<4>(&ctx),
        5 => returned::<5>(&ctx),
        _ => 0,
    };
    of_file(Way::Write, ctx.arg(0), memory(&ctx, 1), returned as i64);
    0
}
