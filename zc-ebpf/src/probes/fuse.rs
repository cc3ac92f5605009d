//! FUSE: what servers read and write, and writes of their files into the page cache.

use crate::{
    call::Return,
    copies::{Way, of_file, of_pages},
    iter::Iter,
    settings::{FUSE_COPY_PIPE, FUSE_COPY_WRITE},
};

on_return! {
    /// `int fuse_copy_do(struct fuse_copy_state *cs, void **val, unsigned *size)`
    /// (fs/fuse/dev.c): a piece of a request (`cs->write`) or of a reply, between the kernel
    /// and a page of the server or of its pipe; without `val` it is skipped. Pages that are
    /// moved do not come here. Returns bytes.
    fuse_copy_do(3) [0, 1] => piece;

    /// `ssize_t fuse_perform_write(struct kiocb *iocb, struct iov_iter *ii)`
    /// (fs/fuse/file.c): returns what the server has taken from the page cache.
    fuse_perform_write(2) [0, 1] => written;
}

#[inline(always)]
fn piece(call: &impl Return) {
    if call.untyped(1).is_none_or(|val| val == 0) {
        return;
    }
    let state = call.argument(0);
    // Since 6.13 it is the lowest bit of a byte.
    let Some(write) = call.load::<u8>(state + u64::from(FUSE_COPY_WRITE.load())) else { return };
    let Some(pipe) = call.load::<u64>(state + u64::from(FUSE_COPY_PIPE.load())) else { return };
    let way = if write & 1 == 0 { Way::Write } else { Way::Read };
    of_pages(call, way, pipe == 0, i64::from(call.returned() as i32));
}

#[inline(always)]
fn written(call: &impl Return) {
    let memory = Iter::memory(call, call.argument(1));
    of_file(call, Way::Write, call.argument(0), memory, call.returned() as i64);
}
