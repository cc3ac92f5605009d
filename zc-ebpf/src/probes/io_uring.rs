//! Completions of io_uring requests: the bytes they moved.
//!
//! A completion is posted by the thread that submitted the request, or by a
//! worker thread of its process (`io_fill_cqe_req`, since 5.12). Before 5.19
//! the tracepoint does not name the request, so nothing is known there.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use zc_common::{classify, slot::Lost};

use crate::{
    call::Call,
    charge, checked,
    descriptor::File,
    maps::HANDED,
    memory,
    settings::{IO_KIOCB_FILE, IO_KIOCB_OPCODE, IO_URING_CQE_RES},
    task::{self, Context},
    threads,
};

on_entry! {
    /// `void __io_req_task_work_add(struct io_kiocb *req, unsigned flags)`
    /// (io_uring/io_uring.c, since 6.1): a request is handed to the thread that submitted
    /// it, as by a worker whose ring lets no other thread complete one.
    ring_hand_over => hand_over;

    /// `void io_req_local_work_add(struct io_kiocb *req, ...)`: a part of it, which is seen
    /// where the compiler made the whole a part of its callers (7.3).
    ring_hand_over_local => hand_over;

    /// `void io_req_normal_work_add(struct io_kiocb *req)`: the other part.
    ring_hand_over_normal => hand_over;
}

#[inline(always)]
fn hand_over(call: &impl Call) {
    if task::context() == Context::RingWorker
        && let Some(slot) = threads::running()
    {
        let evidence = charge::take_evidence(slot);
        if !evidence.is_nothing() {
            // When the map is full the oldest entry makes room: its bytes are then inferred
            // besides.
            let _ = HANDED.insert(call.argument(0), evidence, 0);
        }
    }
}

/// `TP_PROTO(struct io_ring_ctx *ctx, void *req, struct io_uring_cqe *cqe)`,
/// since 6.14.
#[btf_tracepoint(function = "io_uring_complete")]
pub fn io_uring_complete(ctx: BtfTracePointContext) -> i32 {
    let cqe: *const u8 = ctx.arg(2);
    let result = cqe.wrapping_add(IO_URING_CQE_RES.load() as usize).cast::<i32>();
    // SAFETY: a typed `io_uring_cqe` pointer; the verifier checks the load.
    complete(ctx.arg(1), unsafe { result.read_volatile() });
    0
}

/// `TP_PROTO(void *ctx, void *req, u64 user_data, int res, unsigned cflags,
/// u64 extra1, u64 extra2)`, 5.19 to 6.13.
#[btf_tracepoint(function = "io_uring_complete")]
pub fn io_uring_complete_args(ctx: BtfTracePointContext) -> i32 {
    complete(ctx.arg(1), ctx.arg(3));
    0
}

#[inline(always)]
fn complete(request: u64, result: i32) {
    let Some(slot) = threads::running() else { return };
    // Whoever completes a request did it, or was handed what another thread saw of it, or
    // nothing was done but to wait for a device.
    let mut evidence = charge::take_evidence(slot);
    if evidence.is_nothing()
        && let Some(handed) = HANDED.get_ptr(request)
    {
        // SAFETY: the entry is of this request, which nobody does any more.
        evidence = unsafe { *handed };
        let _ = HANDED.remove(request);
    }
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
    charge::call(slot, flow as u8, result as u64, evidence);
}
