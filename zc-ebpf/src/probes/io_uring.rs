//! Completions of io_uring requests: the bytes they moved.
//!
//! A completion is posted by the thread that submitted the request, or by a
//! worker thread of its process (`io_fill_cqe_req`, since 5.12). Before 5.19
//! the tracepoint does not name the request, so nothing is known there.

use aya_ebpf::{EbpfContext as _, macros::btf_tracepoint, programs::BtfTracePointContext};
use zc_common::{classify, slot::Lost};

use crate::{
    aside,
    call::Call,
    charge, checked,
    descriptor::File,
    memory, rings,
    settings::{IO_KIOCB_FILE, IO_KIOCB_OPCODE, IO_KIOCB_WORK, IO_URING_CQE_RES},
    sites::{Context, Stacks},
    threads,
};

on_entry! {
    /// `void io_wq_submit_work(struct io_wq_work *work)` (io_uring/io_uring.c): a worker
    /// begins to do a request.
    ring_worker => begin;
}

#[inline(always)]
fn begin(call: &impl Call) {
    if let Some(slot) = threads::running() {
        charge::take_evidence(slot);
        rings::begin(slot, call.argument(0) - u64::from(IO_KIOCB_WORK.load()));
    }
}

/// `TP_PROTO(struct io_ring_ctx *ctx, void *req, struct io_uring_cqe *cqe)`,
/// since 6.14.
#[btf_tracepoint(function = "io_uring_complete")]
pub fn io_uring_complete(ctx: BtfTracePointContext) -> i32 {
    let cqe: *const u8 = ctx.arg(2);
    let result = cqe.wrapping_add(IO_URING_CQE_RES.load() as usize).cast::<i32>();
    // SAFETY: a typed `io_uring_cqe` pointer; the verifier checks the load.
    complete(ctx.as_ptr(), ctx.arg(1), unsafe { result.read_volatile() });
    0
}

/// `TP_PROTO(void *ctx, void *req, u64 user_data, int res, unsigned cflags,
/// u64 extra1, u64 extra2)`, 5.19 to 6.13.
#[btf_tracepoint(function = "io_uring_complete")]
pub fn io_uring_complete_args(ctx: BtfTracePointContext) -> i32 {
    complete(ctx.as_ptr(), ctx.arg(1), ctx.arg(3));
    0
}

#[inline(always)]
fn complete(context: Context, request: u64, result: i32) {
    let Some(slot) = threads::running() else { return };
    // Whoever completes a request did it, unless it was a worker, or nothing was done but
    // to wait for a device.
    let own = charge::take_evidence(slot).and(aside::take(slot));
    let evidence = rings::take(request).unwrap_or(own);
    checked::take(slot);
    if result <= 0 {
        return;
    }
    if request == 0 {
        charge::lost(Lost::IoUringRequest);
        return;
    }
    let Some(opcode) = memory::kernel::<u8>(request + u64::from(IO_KIOCB_OPCODE.load())) else {
        charge::lost(Lost::IoUringRequest);
        return;
    };
    if !classify::io_uring_moves(opcode) {
        return;
    }
    let file = memory::kernel::<u64>(request + u64::from(IO_KIOCB_FILE.load())).unwrap_or(0);
    let flow = classify::io_uring(opcode, File::at(file).kind());
    let stacks = Stacks::of_return(context, || evidence);
    charge::call(slot, flow as u8, result as u64, evidence, stacks);
}
