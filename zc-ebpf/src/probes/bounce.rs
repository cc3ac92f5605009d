//! Bytes copied between memory and the bounce buffers of devices that do not reach it, or
//! must not. Nothing tells whose they are.

use zc_common::flow::{Direction, Route};

use crate::{call::Call, owners};

on_entry! {
    /// `void swiotlb_bounce(struct device *dev, phys_addr_t tlb_addr, size_t size,
    /// enum dma_data_direction dir, ...)` (kernel/dma/swiotlb.c; in 5.10 the first argument
    /// is an address).
    swiotlb_bounce => bounced;
}

#[inline(always)]
fn bounced(call: &impl Call) {
    let bytes = call.argument(2);
    owners::charge_by(call.context(), Route::Bounce, Direction::InKernel, 0, bytes);
}
