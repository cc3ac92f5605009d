//! Copies between sockets and user memory.

use zc_common::classify::MSG_ZEROCOPY;

use crate::{
    call::{Call, Return},
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

on_return! {
    /// `size_t simple_copy_to_iter(const void *addr, size_t bytes, void *data,
    /// struct iov_iter *i)` (net/core/datagram.c): every receive, but of a protocol that
    /// checks a sum as it copies.
    simple_copy_to_iter(4) [3] => received;

    /// `size_t csum_and_copy_to_iter(const void *addr, size_t bytes, void *csstate,
    /// struct iov_iter *i)` (net/core/datagram.c since 6.8; before, in lib/, where nothing
    /// can be hooked).
    csum_and_copy_to_iter(4) [3] => received;

    /// `int udp_recvmsg(struct sock *sk, struct msghdr *msg, size_t len, int flags, ...)`
    /// (net/ipv4/udp.c): a datagram in one piece is copied on the spot
    /// (`copy_linear_skb`), any other by the functions above.
    udp_recvmsg(ARITY_UDP_RECVMSG.load()) [1, 2] > begin_receive => datagram;

    /// The same over IPv6 (net/ipv6/udp.c).
    udpv6_recvmsg(ARITY_UDPV6_RECVMSG.load()) [1, 2] > begin_receive => datagram;

    /// `int tcp_sendmsg_locked(struct sock *sk, struct msghdr *msg, size_t size)`
    /// (net/ipv4/tcp.c): returns what was sent; what it passes on by reference is counted
    /// on the way, and the rest was copied.
    tcp_sendmsg_locked(3) [1] > begin_send => sent;

    /// `int skb_zerocopy_iter_stream(struct sock *sk, struct sk_buff *skb,
    /// struct msghdr *msg, int len, struct ubuf_info *uarg, ...)` (net/core/skbuff.c):
    /// five arguments to 6.14, then six.
    skb_zerocopy_iter_stream(ARITY_ZEROCOPY_STREAM.load()) [2, 4] => promised;

    /// `ssize_t skb_splice_from_iter(struct sk_buff *skb, struct iov_iter *iter,
    /// ssize_t maxsize, ...)`, since 6.5 (net/core/skbuff.c): four arguments to 6.16, then
    /// three.
    skb_splice_from_iter(ARITY_SPLICE_FROM_ITER.load()) [] => linked;

    /// `ssize_t do_tcp_sendpages(struct sock *sk, struct page *page, int offset,
    /// size_t size, int flags)`, to 6.4 (net/ipv4/tcp.c): what a splice passes on by
    /// reference.
    do_tcp_sendpages(5) [] > begin_pages => linked;

    /// `int ip_generic_getfrag(void *from, char *to, int offset, int len, int odd,
    /// struct sk_buff *skb)` (net/ipv4/ip_output.c): the payload of UDP and raw sockets;
    /// `from` is their `struct msghdr`.
    ip_generic_getfrag(6) [0, 3] => fragment;

    /// `int skb_copy_datagram_from_iter(struct sk_buff *skb, int offset,
    /// struct iov_iter *from, int len)` (net/core/datagram.c): unix, packet and tun.
    skb_copy_datagram_from_iter(4) [2, 3] => filled;

    /// `int sk_msg_memcopy_from_iter(struct sock *sk, struct iov_iter *from,
    /// struct sk_msg *msg, u32 bytes)` (net/core/skmsg.c): records of kernel TLS that are
    /// not yet whole. Before 6.18 what it returns is of its last piece only.
    sk_msg_memcopy_from_iter(4) [1, 3] => record;

    /// `int netlink_sendmsg(struct socket *sock, struct msghdr *msg, size_t len)`
    /// (net/netlink/af_netlink.c).
    netlink_sendmsg(3) [1] => netlink;
}

beside_return! {
    udp_recvmsg_entry => begin_receive;
    udpv6_recvmsg_entry => begin_receive;
    tcp_sendmsg_locked_entry => begin_send;
    do_tcp_sendpages_entry => begin_pages;
}

#[inline(always)]
fn received(call: &impl Return) {
    let bytes = call.returned() as i64;
    of_socket(call, Way::Read, Iter::memory(call, call.argument(3)), 0, bytes);
    account(bytes);
}

#[inline(always)]
fn datagram(call: &impl Return) {
    // With MSG_TRUNC the whole length is returned, whatever the room.
    let room = call.argument(2) as i64;
    let copied = i64::from(call.returned() as i32).min(room);
    if let Some((memory, _)) = message(call, call.argument(1)) {
        of_socket(call, Way::Read, memory, 0, copied - within());
    }
}

#[inline(always)]
fn sent(call: &impl Return) {
    let sent = i64::from(call.returned() as i32);
    if let Some((memory, flags)) = message(call, call.argument(1)) {
        of_socket(call, Way::Write, memory, flags, sent - within());
    }
}

#[inline(always)]
fn promised(call: &impl Return) {
    let bytes = call.returned() as i32;
    link(i64::from(bytes));
    if bytes > 0
        && let Some((_, flags)) = message(call, call.argument(2))
    {
        owners::note(call.argument(4), copies::current_route(flags), true);
    }
}

#[inline(always)]
fn linked(call: &impl Return) {
    link(call.returned() as i64);
}

#[inline(always)]
fn fragment(call: &impl Return) {
    let (from, length) = (call.argument(0), call.argument(3) as i32);
    if call.returned() as i32 == 0 {
        let memory = Iter::memory_at(from + u64::from(MSGHDR_ITER.load()));
        let flags = memory::kernel(from + u64::from(MSGHDR_FLAGS.load())).unwrap_or(0);
        of_socket(call, Way::Write, memory, flags, i64::from(length));
    }
}

#[inline(always)]
fn filled(call: &impl Return) {
    if call.returned() as i32 == 0 {
        let length = i64::from(call.argument(3) as i32);
        of_socket(call, Way::Write, Iter::memory(call, call.argument(2)), 0, length);
    }
}

#[inline(always)]
fn record(call: &impl Return) {
    if call.returned() as i32 >= 0 {
        let bytes = i64::from(call.argument(3) as u32);
        of_socket(call, Way::Write, Iter::memory(call, call.argument(1)), 0, bytes);
    }
}

#[inline(always)]
fn netlink(call: &impl Return) {
    if let Some((memory, flags)) = message(call, call.argument(1)) {
        of_socket(call, Way::Write, memory, flags, i64::from(call.returned() as i32));
    }
}

/// What a `struct msghdr` carries: its memory and its flags.
#[inline(always)]
fn message(call: &impl Call, header: u64) -> Option<(Memory, u32)> {
    let flags = call.load(header + u64::from(MSGHDR_FLAGS.load()))?;
    Some((Iter::memory(call, header + u64::from(MSGHDR_ITER.load())), flags))
}

/// A receive begins.
#[inline(always)]
fn begin_receive(_: &impl Call) {
    begin();
}

/// A send begins: what is copied later is its sender's.
#[inline(always)]
fn begin_send(call: &impl Call) {
    begin();
    if let Some((_, flags)) = message(call, call.argument(1)) {
        let promised = u64::from(flags) & (MSG_ZEROCOPY | MSG_SPLICE_PAGES) != 0;
        owners::note(call.argument(0), copies::current_route(flags), promised);
    }
}

/// Pages are sent by reference: the same.
#[inline(always)]
fn begin_pages(call: &impl Call) {
    owners::note(call.argument(0), copies::current_route(0), true);
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

/// What is accounted for within the socket function that ends; more than it can have
/// moved if some of it was not seen, so that it is not charged.
#[inline(always)]
fn within() -> i64 {
    // SAFETY: as above.
    threads::running().map_or(0, |slot| unsafe { (*slot).within } as i64)
}
