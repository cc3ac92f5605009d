//! System calls that take bytes into a process' memory or put bytes out of it: what `zc
//! advise` looks for relays by. It shares nothing with the ledger, and no other command loads
//! it.

use aya_ebpf::{
    EbpfContext as _, bindings::pt_regs, macros::btf_tracepoint, programs::BtfTracePointContext,
};
use zc_common::{
    calls,
    classify::{MSG_TRUNC, MSG_ZEROCOPY},
    file::Kind,
    flow::Route,
    relay::{LARGE, Relay, Unseen},
    site::CallSite,
    syscall::{Io, NUMBERS},
};

use super::sys_exit::{COMPAT_SEGMENT, shape, succeeded};
use crate::{
    copies, descriptor, memory,
    relays::{self, unseen},
    sites::{Context, user_stack},
    task::Current,
    transfer::Call,
};

/// A part of the memory of a call (`struct iovec`).
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Piece {
    at: u64,
    length: u64,
}

/// How many pieces of a call are looked at, and how much of one: as far as so many calls took
/// in.
const PIECES: u64 = 8;
const TAKINGS: u64 = 4;

/// Where the memory of a call is.
#[derive(Clone, Copy)]
enum Memory {
    /// In one piece.
    Plain(u64),
    /// In so many, which stand in an array.
    Pieces(u64, u64),
}

/// `TP_PROTO(struct pt_regs *regs, long ret)`.
#[btf_tracepoint(function = "sys_exit")]
pub fn relays(ctx: BtfTracePointContext) -> i32 {
    let registers: *const pt_regs = ctx.arg(0);
    let returned: u64 = ctx.arg(1);
    // SAFETY: a typed `pt_regs` pointer; the verifier checks the loads.
    let (number, segment) = unsafe {
        (
            (&raw const (*registers).orig_rax).read_volatile() as u32,
            (&raw const (*registers).cs).cast::<u16>().read_volatile(),
        )
    };
    if number >= NUMBERS as u32 || !succeeded(returned) {
        return 0;
    }
    if u64::from(segment) == COMPAT_SEGMENT || Current::take().is_in_compat_call() {
        unseen(Unseen::Compat);
    } else if copies::route_of(number) == Route::IoUring as u8 {
        unseen(Unseen::IoUring);
    } else {
        look(ctx.as_ptr(), number, &Call::new(registers, returned));
    }
    0
}

/// Looks at a call of a 64-bit program.
#[inline(always)]
fn look(context: Context, number: u32, call: &Call) {
    const ERRORS: u64 = 0x2000; // MSG_ERRQUEUE (include/linux/socket.h)
    const PEEK: u64 = 2; // MSG_PEEK
    let [fd, second, third, fourth, ..] = call.arguments;
    let io = shape(number);
    let (is_in, memory, flags) = if io == Io::Read as u8 || io == Io::Write as u8 {
        let vectors = is_vectored(number);
        let memory = if vectors { Memory::Pieces(second, third) } else { Memory::Plain(second) };
        (io == Io::Read as u8, memory, 0)
    } else if io == Io::Recvfrom as u8 || io == Io::Sendto as u8 {
        (io == Io::Recvfrom as u8, Memory::Plain(second), fourth)
    } else if io == Io::Recvmsg as u8 || io == Io::Sendmsg as u8 {
        let Some(memory) = of_message(second) else { return unseen(Unseen::Memory) };
        (io == Io::Recvmsg as u8, memory, third)
    } else if io == Io::Recvmmsg as u8 || io == Io::Sendmmsg as u8 {
        return unseen(Unseen::Messages);
    } else {
        return;
    };
    let counts_otherwise = if is_in { PEEK | MSG_TRUNC | ERRORS } else { MSG_ZEROCOPY };
    if flags & counts_otherwise != 0 {
        return unseen(Unseen::Messages);
    }
    match descriptor::kind_to_splice(fd) {
        Kind::Null | Kind::Other => {}
        Kind::Unknown => unseen(Unseen::Descriptor),
        kind if is_in => take_in(kind as u64, memory, call.returned),
        kind => put_out(context, kind as u64, memory, call.returned),
    }
}

/// Whether a call that reads or writes is given an array of pieces.
#[inline(always)]
fn is_vectored(number: u32) -> bool {
    const NUMBERS: [usize; 6] = [
        calls::named("readv").number,
        calls::named("writev").number,
        calls::named("preadv").number,
        calls::named("pwritev").number,
        calls::named("preadv2").number,
        calls::named("pwritev2").number,
    ];
    let [a, b, c, d, e, f] = NUMBERS.map(|vectored| vectored as u32 == number);
    a | b | c | d | e | f
}

/// The memory of a `struct user_msghdr`: array and length.
#[inline(always)]
fn of_message(header: u64) -> Option<Memory> {
    const PIECES: u64 = 16;
    const COUNT: u64 = 24;
    Some(Memory::Pieces(memory::user(header + PIECES)?, memory::user(header + COUNT)?))
}

/// A piece of a call that moved `left` bytes more; none if there is none. What is out of sight
/// is told.
#[inline(always)]
fn piece(memory: Memory, index: u64, left: u64) -> Option<Piece> {
    let piece = match memory {
        Memory::Plain(at) => (index == 0).then_some(Piece { at, length: left })?,
        Memory::Pieces(array, count) => {
            if index >= count {
                return None;
            }
            let [at, length] = [0, 8].map(|field| memory::user::<u64>(array + 16 * index + field));
            let (Some(at), Some(length)) = (at, length) else {
                unseen(Unseen::Memory);
                return None;
            };
            Piece { at, length }
        }
    };
    Some(Piece { length: if piece.length < left { piece.length } else { left }, ..piece })
}

/// Notes what a call took in.
#[inline(always)]
fn take_in(kind: u64, memory: Memory, returned: u64) {
    relays::moved(Relay::kinds(kind, Relay::NO_END), returned, CallSite::NO_STACK);
    let mut left = returned;
    for index in 0..PIECES {
        let Some(piece) = piece(memory, index, left) else { return };
        relays::take_in(piece.at, piece.length, kind);
        left -= piece.length;
        if left == 0 {
            return;
        }
    }
    unseen(Unseen::Pieces);
}

/// Finds out what became of what a call put out.
#[inline(always)]
fn put_out(context: Context, kind: u64, memory: Memory, returned: u64) {
    let is_large_send = kind == Kind::TcpSocket as u64 && returned >= LARGE;
    let stack = if is_large_send { user_stack(context) } else { CallSite::NO_STACK };
    relays::moved(Relay::kinds(Relay::NO_END, kind), returned, stack);
    let mut left = returned;
    for index in 0..PIECES {
        let Some(piece) = piece(memory, index, left) else { return };
        pass_on(context, kind, piece);
        left -= piece.length;
        if left == 0 {
            return;
        }
    }
    unseen(Unseen::Pieces);
}

/// Holds a piece that was put out against what was taken in there.
#[inline(always)]
fn pass_on(context: Context, kind: u64, piece: Piece) {
    let Piece { mut at, length: mut left } = piece;
    for _ in 0..TAKINGS {
        let Some(found) = relays::find(at, left) else { return };
        relays::charge(found, kind, user_stack(context));
        at += found.bytes();
        left -= found.bytes();
        if left == 0 {
            return;
        }
    }
}
