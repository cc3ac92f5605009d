//! Bytes copied between memory and the bounce buffers of devices that do not reach it, or
//! must not. Nothing tells whose they are.

use aya_ebpf::{macros::fentry, programs::FEntryContext};
use zc_common::flow::{Direction, Route};

use crate::owners;

/// `void swiotlb_bounce(struct device *dev, phys_addr_t tlb_addr, size_t size,
/// enum dma_data_direction dir, ...)` (kernel/dma/swiotlb.c; in 5.10 the first argument
/// is an address).
#[fentry(function = "swiotlb_bounce")]
pub fn swiotlb_bounce(ctx: FEntryContext) -> i32 {
    owners::charge_by(Route::Bounce, Direction::InKernel, 0, ctx.arg(2));
    0
}
