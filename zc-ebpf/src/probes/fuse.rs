//! FUSE: what servers read and write, and writes of their files into the page cache.

use aya_ebpf::{macros::fexit, programs::FExitContext};

use crate::{
    copies::{Way, of_file, of_pages},
    iter::Iter,
    memory,
    settings::{FUSE_COPY_PIPE, FUSE_COPY_WRITE},
};

/// `int fuse_copy_do(struct fuse_copy_state *cs, void **val, unsigned *size)`
/// (fs/fuse/dev.c): a piece of a request (`cs->write`) or of a reply, between the kernel
/// and a page of the server or of its pipe; without `val` it is skipped. Pages that are
/// moved do not come here. Returns bytes.
#[fexit(function = "fuse_copy_do")]
pub fn fuse_copy_do(ctx: FExitContext) -> i32 {
    let (state, bytes): (*const u8, i32) = (ctx.arg(0), ctx.arg(3));
    if memory::argument(&ctx, 1) == 0 {
        return 0;
    }
    // Since 6.13 it is the lowest bit of a byte.
    let write = state.wrapping_add(FUSE_COPY_WRITE.load() as usize);
    // SAFETY: a typed pointer: the verifier checks the load.
    let way = if unsafe { write.read_volatile() } & 1 == 0 { Way::Write } else { Way::Read };
    let pipe = state.wrapping_add(FUSE_COPY_PIPE.load() as usize).cast::<u64>();
    // SAFETY: as above.
    let user = unsafe { pipe.read_volatile() } == 0;
    of_pages(way, user, i64::from(bytes));
    0
}

/// `ssize_t fuse_perform_write(struct kiocb *iocb, struct iov_iter *ii)`
/// (fs/fuse/file.c): returns what the server has taken from the page cache.
#[fexit(function = "fuse_perform_write")]
pub fn fuse_perform_write(ctx: FExitContext) -> i32 {
    // SAFETY: a typed `iov_iter` pointer: the loader checks the prototype.
    let memory = unsafe { Iter::new(ctx.arg(1)) }.memory();
    of_file(Way::Write, ctx.arg(0), memory, ctx.arg(2));
    0
}
