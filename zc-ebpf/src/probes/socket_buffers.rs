//! Copies of socket buffers within the kernel: gathered into one piece for a device that
//! cannot take several, cut into segments, moved together to save memory. They are made
//! while anybody runs, on the account of the socket's owner.
//!
//! The programs are on the entry, as a call by an interrupt must not leave anything to its
//! return: that the copy is made is known from its bounds, which the function checks first.

use zc_common::{
    fallback::Reason,
    flow::{Direction, Route},
    settings::ABSENT,
};

use crate::{
    call::{Call, Return},
    memory, owners,
    settings::{
        FRAG_LENGTH, FRAG_VECTOR_LENGTH, SHARED_INFO_FRAG, SHARED_INFO_FRAG_LIST,
        SHARED_INFO_FRAGS, SK_BUFF_DATA_LEN, SK_BUFF_END, SK_BUFF_HEAD, SK_BUFF_LEN, SK_BUFF_SK,
        SOCK_FAMILY, SOCKET_SK,
    },
};

on_return! {
    /// `struct file *sock_alloc_file(struct socket *sock, int flags, const char *dname)`
    /// (net/socket.c): a socket is opened. Who sends by it by TCP is noted again then.
    sock_alloc_file(3) [0] => opened;
}

on_entry! {
    /// `int skb_copy_bits(const struct sk_buff *skb, int offset, void *to, int len)`
    /// (net/core/skbuff.c): copies all, or nothing beyond the buffer's end.
    skb_copy_bits => gathered;

    /// `__wsum skb_copy_and_csum_bits(const struct sk_buff *skb, int offset, u8 *to,
    /// int len)` (net/core/skbuff.c): copies all, or the kernel stops.
    skb_copy_and_csum_bits => gathered;

    /// `int skb_store_bits(struct sk_buff *skb, int offset, const void *from, int len)`
    /// (net/core/skbuff.c): the same the other way. What an AF_XDP socket sends in copy mode
    /// comes from its process' memory (`xsk_build_skb`, net/xdp/xsk.c).
    skb_store_bits => stored;
}

#[inline(always)]
fn opened(call: &impl Return) {
    if let Some(sock) = call.load(call.argument(0) + u64::from(SOCKET_SK.load())) {
        owners::note(sock, Route::Other as u8, false);
    }
}

#[inline(always)]
fn gathered(call: &impl Call) {
    if let Some((socket, bytes)) = copy(call) {
        owners::charge(call.context(), socket, bytes, Reason::Gathered);
    }
}

#[inline(always)]
fn stored(call: &impl Call) {
    /// `AF_XDP` (`include/linux/socket.h`).
    const AF_XDP: u16 = 44;
    let Some((socket, bytes)) = copy(call) else { return };
    let family = match socket {
        0 => 0,
        socket => memory::kernel(socket + u64::from(SOCK_FAMILY.load())).unwrap_or(0),
    };
    if family == AF_XDP {
        owners::charge_by(call.context(), Route::AfXdp, Direction::FromUser, socket, bytes);
    } else {
        owners::charge(call.context(), socket, bytes, Reason::Gathered);
    }
}

/// The `sock` that the buffer of a call belongs to, or 0, and the bytes that the call
/// copies of the buffer itself: for each one in its list of further ones the same function
/// is called again, and seen again.
#[inline(always)]
fn copy(call: &impl Call) -> Option<(u64, u64)> {
    let buffer = call.argument(0);
    let (offset, length) = (call.argument(1) as i32, call.argument(3) as i32);
    let whole = call.load::<u32>(buffer + u64::from(SK_BUFF_LEN.load()))?;
    if length <= 0 || offset < 0 || i64::from(offset) + i64::from(length) > i64::from(whole) {
        return None;
    }
    let (offset, length) = (offset as u32, length as u32);
    let socket = call.load(buffer + u64::from(SK_BUFF_SK.load()))?;
    let head = call.load::<u64>(buffer + u64::from(SK_BUFF_HEAD.load()))?;
    let end = call.load::<u32>(buffer + u64::from(SK_BUFF_END.load()))?;
    let shared = head + u64::from(end);
    let list = memory::kernel::<u64>(shared + u64::from(SHARED_INFO_FRAG_LIST.load()));
    if list.is_none_or(|list| list == 0) {
        return Some((socket, u64::from(length)));
    }
    let fragmented = call.load::<u32>(buffer + u64::from(SK_BUFF_DATA_LEN.load()))?;
    let own = whole.wrapping_sub(fragmented).wrapping_add(fragments(shared));
    let bytes = length.min(own.saturating_sub(offset));
    (bytes != 0).then_some((socket, u64::from(bytes)))
}

/// The bytes of the fragments that a `struct skb_shared_info` holds.
#[inline(always)]
fn fragments(shared: u64) -> u32 {
    /// The highest `CONFIG_MAX_SKB_FRAGS`.
    const MOST: u64 = 45;
    /// `sizeof(skb_frag_t)`: a pointer and two numbers (`include/linux/skbuff.h`).
    const SIZE: u64 = 16;
    let (length, older) = (FRAG_LENGTH.load(), FRAG_VECTOR_LENGTH.load());
    let length = if length == ABSENT { older } else { length };
    let count = memory::kernel::<u8>(shared + u64::from(SHARED_INFO_FRAGS.load())).unwrap_or(0);
    let first = shared + u64::from(SHARED_INFO_FRAG.load()) + u64::from(length);
    let mut sum = 0_u32;
    for position in 0..MOST {
        if position >= u64::from(count) {
            break;
        }
        sum = sum.wrapping_add(memory::kernel(first + SIZE * position).unwrap_or(0));
    }
    sum
}
