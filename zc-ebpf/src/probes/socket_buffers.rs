//! Copies of socket buffers within the kernel: gathered into one piece for a device that
//! cannot take several, cut into segments, moved together to save memory. They are made
//! while anybody runs, on the account of the socket's owner.

use aya_ebpf::{
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use zc_common::{
    fallback::Reason,
    flow::{Direction, Route},
};

use crate::{
    memory, owners,
    settings::{
        FRAG_LENGTH, FRAG_VECTOR_LENGTH, SHARED_INFO_FRAG, SHARED_INFO_FRAG_LIST,
        SHARED_INFO_FRAGS, SK_BUFF_DATA_LEN, SK_BUFF_END, SK_BUFF_HEAD, SK_BUFF_LEN, SK_BUFF_SK,
        SOCK_FAMILY, SOCKET_SK,
    },
};

/// `struct file *sock_alloc_file(struct socket *sock, int flags, const char *dname)`
/// (net/socket.c): a socket is opened. Who sends by it by TCP is noted again then.
#[fexit(function = "sock_alloc_file")]
pub fn sock_alloc_file(ctx: FExitContext) -> i32 {
    let socket: *const u8 = ctx.arg(0);
    // SAFETY: a typed `socket` pointer: the loader checks the prototype.
    let sock =
        unsafe { socket.wrapping_add(SOCKET_SK.load() as usize).cast::<u64>().read_volatile() };
    owners::note(sock, Route::Other as u8, false);
    0
}

/// `int skb_copy_bits(const struct sk_buff *skb, int offset, void *to, int len)`
/// (net/core/skbuff.c): 0 if all was copied.
#[fexit(function = "skb_copy_bits")]
pub fn skb_copy_bits(ctx: FExitContext) -> i32 {
    if ctx.arg::<i32>(4) == 0 {
        copied(ctx.arg(0), ctx.arg(1), ctx.arg(3));
    }
    0
}

/// `int skb_store_bits(struct sk_buff *skb, int offset, const void *from, int len)`
/// (net/core/skbuff.c): the same the other way. What an AF_XDP socket sends in copy mode
/// comes from its process' memory (`xsk_build_skb`, net/xdp/xsk.c).
#[fexit(function = "skb_store_bits")]
pub fn skb_store_bits(ctx: FExitContext) -> i32 {
    /// `AF_XDP` (`include/linux/socket.h`).
    const AF_XDP: u16 = 44;
    let buffer = ctx.arg(0);
    let bytes = own_part(buffer, ctx.arg(1), ctx.arg(3));
    if ctx.arg::<i32>(4) != 0 || bytes == 0 {
        return 0;
    }
    let socket = socket(buffer);
    let family = match socket {
        0 => 0,
        socket => memory::kernel(socket + u64::from(SOCK_FAMILY.load())).unwrap_or(0),
    };
    if family == AF_XDP {
        owners::charge_by(Route::AfXdp, Direction::FromUser, socket, bytes);
    } else {
        owners::charge(socket, bytes, Reason::Gathered);
    }
    0
}

/// `__wsum skb_copy_and_csum_bits(const struct sk_buff *skb, int offset, u8 *to,
/// int len)` (net/core/skbuff.c): copies all, or the kernel stops.
#[fentry(function = "skb_copy_and_csum_bits")]
pub fn skb_copy_and_csum_bits(ctx: FEntryContext) -> i32 {
    copied(ctx.arg(0), ctx.arg(1), ctx.arg(3));
    0
}

/// Charges a copy of `length` bytes from `offset` on, out of a typed `sk_buff`.
#[inline(always)]
fn copied(buffer: *const u8, offset: i32, length: i32) {
    let bytes = own_part(buffer, offset, length);
    if bytes != 0 {
        owners::charge(socket(buffer), bytes, Reason::Gathered);
    }
}

/// The `sock` that a typed `sk_buff` belongs to, or 0.
#[inline(always)]
fn socket(buffer: *const u8) -> u64 {
    // SAFETY: the verifier checks that this lies within a field of the structure.
    unsafe { buffer.wrapping_add(SK_BUFF_SK.load() as usize).cast::<u64>().read_volatile() }
}

/// How much of such a copy is of the buffer itself: for each buffer in its list of
/// further ones the same function is called again, and seen again.
#[inline(always)]
fn own_part(buffer: *const u8, offset: i32, length: i32) -> u64 {
    if length <= 0 || offset < 0 {
        return 0;
    }
    let (offset, length) = (offset as u32, length as u32);
    // SAFETY: as in `copied`.
    let (head, end, whole, fragmented) = unsafe {
        (
            buffer.wrapping_add(SK_BUFF_HEAD.load() as usize).cast::<u64>().read_volatile(),
            buffer.wrapping_add(SK_BUFF_END.load() as usize).cast::<u32>().read_volatile(),
            buffer.wrapping_add(SK_BUFF_LEN.load() as usize).cast::<u32>().read_volatile(),
            buffer.wrapping_add(SK_BUFF_DATA_LEN.load() as usize).cast::<u32>().read_volatile(),
        )
    };
    let shared = head + u64::from(end);
    let list = memory::kernel::<u64>(shared + u64::from(SHARED_INFO_FRAG_LIST.load()));
    if list.is_none_or(|list| list == 0) {
        return u64::from(length);
    }
    let own = whole.wrapping_sub(fragmented).wrapping_add(fragments(shared));
    u64::from(length.min(own.saturating_sub(offset)))
}

/// The bytes of the fragments that a `struct skb_shared_info` holds.
#[inline(always)]
fn fragments(shared: u64) -> u32 {
    /// The highest `CONFIG_MAX_SKB_FRAGS`.
    const MOST: u64 = 45;
    /// `sizeof(skb_frag_t)`: a pointer and two numbers (`include/linux/skbuff.h`).
    const SIZE: u64 = 16;
    let (length, older) = (FRAG_LENGTH.load(), FRAG_VECTOR_LENGTH.load());
    let length = if length == zc_common::settings::ABSENT { older } else { length };
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
