//! Zero-copy receives of an io_uring whose bytes were not where the process wanted them.

use aya_ebpf::{macros::fexit, programs::FExitContext};

use crate::copies::of_ring;

/// `ssize_t io_zcrx_copy_chunk(struct io_kiocb *req, struct io_zcrx_ifq *ifq,
/// struct page *src_page, unsigned int src_offset, size_t len)`, as of 6.18
/// (io_uring/zcrx.c): into the area of its own memory that a process has registered.
#[fexit(function = "io_zcrx_copy_chunk")]
pub fn io_zcrx_copy_chunk(ctx: FExitContext) -> i32 {
    of_ring(ctx.arg(5));
    0
}
