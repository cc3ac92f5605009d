//! Packets copied into the rings of AF_XDP sockets, on their owner's account: it is done
//! while anybody runs.

use aya_ebpf::{EbpfContext as _, macros::fexit, programs::FExitContext};
use zc_common::flow::{Direction, Route};

use crate::{
    owners,
    settings::{XDP_BUFF_DATA, XDP_BUFF_END},
};

/// `int __xsk_rcv(struct xdp_sock *xs, struct xdp_buff *xdp, u32 len)` (net/xdp/xsk.c,
/// since 6.6).
#[fexit(function = "__xsk_rcv")]
pub fn xsk_rcv_sized(ctx: FExitContext) -> i32 {
    if ctx.arg::<i32>(3) == 0 {
        received(&ctx, u64::from(ctx.arg::<u32>(2)));
    }
    0
}

/// The same before, without the length.
#[fexit(function = "__xsk_rcv")]
pub fn xsk_rcv(ctx: FExitContext) -> i32 {
    receive(&ctx);
    0
}

/// `int xsk_generic_rcv(struct xdp_sock *xs, struct xdp_buff *xdp)` (net/xdp/xsk.c):
/// where the compiler made the other part of it, packets of drivers without XDP.
#[fexit(function = "xsk_generic_rcv")]
pub fn xsk_generic_rcv(ctx: FExitContext) -> i32 {
    receive(&ctx);
    0
}

#[inline(always)]
fn receive(ctx: &FExitContext) {
    let buffer: *const u8 = ctx.arg(1);
    let word = |offset: u32| {
        // SAFETY: a typed `xdp_buff` pointer: the loader checks the prototype.
        unsafe { buffer.wrapping_add(offset as usize).cast::<u64>().read_volatile() }
    };
    if ctx.arg::<i32>(2) == 0 {
        let bytes = word(XDP_BUFF_END.load()).saturating_sub(word(XDP_BUFF_DATA.load()));
        received(ctx, bytes);
    }
}

/// The socket is the first field of a `struct xdp_sock` (include/net/xdp_sock.h).
#[inline(always)]
fn received(ctx: &FExitContext, bytes: u64) {
    let socket = ctx.arg(0);
    owners::charge_by(ctx.as_ptr(), Route::AfXdp, Direction::ToUser, socket, bytes);
}
