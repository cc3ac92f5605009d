//! Zero-copy receives of an io_uring whose bytes were not where the process wanted them.

use crate::{call::Return, copies::of_ring};

on_return! {
    /// `ssize_t io_zcrx_copy_chunk(struct io_kiocb *req, struct io_zcrx_ifq *ifq,
    /// struct page *src_page, unsigned int src_offset, size_t len)`, as of 6.18
    /// (io_uring/zcrx.c): into the area of its own memory that a process has registered.
    io_zcrx_copy_chunk(5) [] => chunk;
}

#[inline(always)]
fn chunk(call: &impl Return) {
    of_ring(call, call.returned() as i64);
}
