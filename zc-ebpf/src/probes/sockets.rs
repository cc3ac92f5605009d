//! Copies between sockets and user memory.

use aya_ebpf::{
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};

use zc_common::classify::MSG_ZEROCOPY;

use crate::{
    copies::{self, Way, of_socket},
    iter::{Iter, Memory},
    memory, owners,
    settings::{
        ARITY_SPLICE_FROM_ITER, ARITY_UDP_RECVMSG, ARITY_UDPV6_RECVMSG, ARITY_ZEROCOPY_STREAM,
        MSGHDR_FLAGS, MSGHDR_ITER,
    },
    threads,
};

/// The socket is to take the message's pages as they are (`include/linux/socket.h`,
/// since 6.5).
const MSG_SPLICE_PAGES: u64 = 0x800_0000;

/// The iterator at `position`.
#[inline(always)]
fn iterator(ctx: &FExitContext, position: usize) -> Iter {
    // SAFETY: a typed `iov_iter` pointer: the loader checks the prototype.
    unsafe { Iter::new(ctx.arg(position)) }
}

/// `size_t simple_copy_to_iter(const void *addr, size_t bytes, void *data,
/// struct iov_iter *i)` (net/core/datagram.c): every receive, but of a protocol that
/// checks a sum as it copies.
#[fexit(function = "simple_copy_to_iter")]
pub fn simple_copy_to_iter(ctx: FExitContext) -> i32 {
    received(&ctx);
    0
}

/// `size_t csum_and_copy_to_iter(const void *addr, size_t bytes, void *csstate,
/// struct iov_iter *i)` (net/core/datagram.c since 6.8; before, in lib/, where nothing
/// can be hooked).
#[fexit(function = "csum_and_copy_to_iter")]
pub fn csum_and_copy_to_iter(ctx: FExitContext) -> i32 {
    received(&ctx);
    0
}

#[inline(always)]
fn received(ctx: &FExitContext) {
    let bytes = ctx.arg(4);
    of_socket(Way::Read, iterator(ctx, 3).memory(), 0, bytes);
    account(bytes);
}

/// `int udp_recvmsg(struct sock *sk, struct msghdr *msg, size_t len, int flags, ...)`
/// (net/ipv4/udp.c), and the same for IPv6: a datagram in one piece is copied on the
/// spot (`copy_linear_skb`), any other by the functions above.
macro_rules! datagrams {
    ($($entry:ident, $name:ident, $arity:ident;)+) => {
        $(
            #[fentry]
            pub fn $entry(_: FEntryContext) -> i32 {
                begin();
                0
            }

            #[fexit]
            pub fn $name(ctx: FExitContext) -> i32 {
                let returned = match $arity.load() {
                    4 => memory::returned::<4>(&ctx),
                    5 => memory::returned::<5>(&ctx),
                    6 => memory::returned::<6>(&ctx),
                    _ => 0,
                };
                // With MSG_TRUNC the whole length is returned, whatever the room.
                let room: u64 = ctx.arg(2);
                let copied = i64::from(returned as i32).min(room as i64);
                let (memory, _) = message(ctx.arg(1));
                of_socket(Way::Read, memory, 0, copied - within());
                0
            }
        )+
    };
}

datagrams! {
    udp_recvmsg_entry, udp_recvmsg, ARITY_UDP_RECVMSG;
    udpv6_recvmsg_entry, udpv6_recvmsg, ARITY_UDPV6_RECVMSG;
}

/// A function begins: nothing is accounted for within it.
#[inline(always)]
pub(super) fn begin() {
    if let Some(slot) = threads::running() {
        // SAFETY: `slot` points into `SLOTS`; the word is its owner's own.
        unsafe { (*slot).within = 0 };
    }
}

/// Accounts for bytes within the function under way.
#[inline(always)]
pub(super) fn account(bytes: i64) {
    if bytes > 0
        && let Some(slot) = threads::running()
    {
        // SAFETY: as above.
        unsafe { (*slot).within += bytes as u64 };
    }
}

/// Accounts for bytes that a socket takes by reference.
#[inline(always)]
fn link(bytes: i64) {
    account(bytes);
    copies::link(bytes);
}

/// What is accounted for within the socket function that ends.
#[inline(always)]
fn within() -> i64 {
    // SAFETY: as above.
    threads::running().map_or(0, |slot| unsafe { (*slot).within } as i64)
}

/// What a typed `struct msghdr` carries: its memory and its flags.
#[inline(always)]
fn message(pointer: *const u8) -> (Memory, u32) {
    // SAFETY: the iterator is part of the message, so the verifier knows it as well.
    let iter = unsafe { Iter::new(pointer.wrapping_add(MSGHDR_ITER.load() as usize)) };
    let flags = pointer.wrapping_add(MSGHDR_FLAGS.load() as usize).cast::<u32>();
    // SAFETY: the verifier checks that this lies within a field of the message.
    (iter.memory(), unsafe { flags.read_volatile() })
}

/// `int tcp_sendmsg_locked(struct sock *sk, struct msghdr *msg, size_t size)`
/// (net/ipv4/tcp.c): what it passes on by reference is counted on the way, and what is
/// copied later is its sender's.
#[fentry(function = "tcp_sendmsg_locked")]
pub fn tcp_sendmsg_locked_entry(ctx: FEntryContext) -> i32 {
    begin();
    let (_, flags) = message(ctx.arg(1));
    let promised = u64::from(flags) & (MSG_ZEROCOPY | MSG_SPLICE_PAGES) != 0;
    owners::note(ctx.arg(0), copies::current_route(flags), promised);
    0
}

/// The same: returns what was sent, of which the rest was copied.
#[fexit(function = "tcp_sendmsg_locked")]
pub fn tcp_sendmsg_locked(ctx: FExitContext) -> i32 {
    let sent = i64::from(ctx.arg::<i32>(3));
    let (memory, flags) = message(ctx.arg(1));
    of_socket(Way::Write, memory, flags, sent - within());
    0
}

/// `int skb_zerocopy_iter_stream(struct sock *sk, struct sk_buff *skb,
/// struct msghdr *msg, int len, struct ubuf_info *uarg, ...)` (net/core/skbuff.c):
/// five arguments to 6.14, then six.
#[fexit(function = "skb_zerocopy_iter_stream")]
pub fn skb_zerocopy_iter_stream(ctx: FExitContext) -> i32 {
    let linked = match ARITY_ZEROCOPY_STREAM.load() {
        5 => memory::returned::<5>(&ctx),
        6 => memory::returned::<6>(&ctx),
        _ => 0,
    };
    link(i64::from(linked as i32));
    if linked as i32 > 0 {
        let (_, flags) = message(ctx.arg(2));
        owners::note(ctx.arg(4), copies::current_route(flags), true);
    }
    0
}

/// `ssize_t skb_splice_from_iter(struct sk_buff *skb, struct iov_iter *iter,
/// ssize_t maxsize, ...)`, since 6.5 (net/core/skbuff.c): four arguments to 6.16, then
/// three.
#[fexit(function = "skb_splice_from_iter")]
pub fn skb_splice_from_iter(ctx: FExitContext) -> i32 {
    let linked = match ARITY_SPLICE_FROM_ITER.load() {
        3 => memory::returned::<3>(&ctx),
        4 => memory::returned::<4>(&ctx),
        _ => 0,
    };
    link(linked as i64);
    0
}

/// `ssize_t do_tcp_sendpages(struct sock *sk, struct page *page, int offset, size_t size,
/// int flags)`, to 6.4 (net/ipv4/tcp.c): what a splice passes on by reference.
#[fexit(function = "do_tcp_sendpages")]
pub fn do_tcp_sendpages(ctx: FExitContext) -> i32 {
    link(ctx.arg(5));
    0
}

/// The same: whose bytes they are is noted before any of them is sent.
#[fentry(function = "do_tcp_sendpages")]
pub fn do_tcp_sendpages_entry(ctx: FEntryContext) -> i32 {
    owners::note(ctx.arg(0), copies::current_route(0), true);
    0
}

/// `int ip_generic_getfrag(void *from, char *to, int offset, int len, int odd,
/// struct sk_buff *skb)` (net/ipv4/ip_output.c): the payload of UDP and raw sockets;
/// `from` is their `struct msghdr`.
#[fexit(function = "ip_generic_getfrag")]
pub fn ip_generic_getfrag(ctx: FExitContext) -> i32 {
    let (from, length): (u64, i32) = (ctx.arg(0), ctx.arg(3));
    if ctx.arg::<i32>(6) == 0 {
        let memory = Iter::memory_at(from + u64::from(MSGHDR_ITER.load()));
        let flags = memory::kernel(from + u64::from(MSGHDR_FLAGS.load())).unwrap_or(0);
        of_socket(Way::Write, memory, flags, i64::from(length));
    }
    0
}

/// `int skb_copy_datagram_from_iter(struct sk_buff *skb, int offset,
/// struct iov_iter *from, int len)` (net/core/datagram.c): unix, packet and tun.
#[fexit(function = "skb_copy_datagram_from_iter")]
pub fn skb_copy_datagram_from_iter(ctx: FExitContext) -> i32 {
    if ctx.arg::<i32>(4) == 0 {
        let length = i64::from(ctx.arg::<i32>(3));
        of_socket(Way::Write, iterator(&ctx, 2).memory(), 0, length);
    }
    0
}

/// `int sk_msg_memcopy_from_iter(struct sock *sk, struct iov_iter *from,
/// struct sk_msg *msg, u32 bytes)` (net/core/skmsg.c): records of kernel TLS that are not
/// yet whole. Before 6.18 what it returns is of its last piece only.
#[fexit(function = "sk_msg_memcopy_from_iter")]
pub fn sk_msg_memcopy_from_iter(ctx: FExitContext) -> i32 {
    if ctx.arg::<i32>(4) >= 0 {
        let bytes = i64::from(ctx.arg::<u32>(3));
        of_socket(Way::Write, iterator(&ctx, 1).memory(), 0, bytes);
    }
    0
}

/// `int netlink_sendmsg(struct socket *sock, struct msghdr *msg, size_t len)`
/// (net/netlink/af_netlink.c).
#[fexit(function = "netlink_sendmsg")]
pub fn netlink_sendmsg(ctx: FExitContext) -> i32 {
    let (memory, flags) = message(ctx.arg(1));
    of_socket(Way::Write, memory, flags, i64::from(ctx.arg::<i32>(3)));
    0
}
