//! An `iov_iter`: whose memory it walks over.

use crate::{
    call::Call,
    memory,
    settings::{
        ITER_BVEC, ITER_COUNT, ITER_DISCARD, ITER_IOVEC, ITER_PIPE, ITER_SOURCE, ITER_TYPE,
        ITER_UBUF,
    },
};

/// What an iterator walks over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// The memory of a process, by its addresses.
    User,
    /// Pages: of the kernel, or of a process that has registered them.
    Pages,
    /// The kernel's own.
    Kernel,
    /// None: pages are linked into a pipe (before 6.5), or bytes thrown away.
    None,
}

/// An `iov_iter`. Its type does not change while it is walked over, so it is the same
/// when the function returns.
pub struct Iter;

impl Iter {
    /// What an iterator walks over that an argument of a call points to.
    #[inline(always)]
    pub fn memory(call: &impl Call, iter: u64) -> Memory {
        call.load::<u8>(iter + u64::from(ITER_TYPE.load())).map_or(Memory::None, classify)
    }

    /// Whether bytes are taken from it (`WRITE`); since 5.14 a field of its own says so.
    #[inline(always)]
    pub fn is_source(call: &impl Call, iter: u64) -> bool {
        let offset = if types_are_bits() { &ITER_TYPE } else { &ITER_SOURCE };
        call.load::<u8>(iter + u64::from(offset.load())).is_some_and(|byte| byte & 1 != 0)
    }

    /// What the iterator at an address that the verifier does not know walks over.
    #[inline(always)]
    pub fn memory_at(address: u64) -> Memory {
        memory::kernel::<u8>(address + u64::from(ITER_TYPE.load())).map_or(Memory::None, classify)
    }

    /// How many bytes the iterator at such an address has left.
    #[inline(always)]
    pub fn left_at(address: u64) -> u64 {
        memory::kernel(address + u64::from(ITER_COUNT.load())).unwrap_or(0)
    }
}

/// What the low byte of `iov_iter.iter_type` says (`iov_iter.type` before 5.14, whose
/// types are bits above the lowest, which says reading from writing).
#[inline(always)]
fn classify(byte: u8) -> Memory {
    let kind = u32::from(byte);
    let kind = if types_are_bits() { kind & !1 } else { kind };
    if kind == ITER_UBUF.load() || kind == ITER_IOVEC.load() {
        Memory::User
    } else if kind == ITER_BVEC.load() {
        Memory::Pages
    } else if kind == ITER_PIPE.load() || kind == ITER_DISCARD.load() {
        Memory::None
    } else {
        Memory::Kernel
    }
}

/// Whether types are bits, of which the lowest says reading from writing.
#[inline(always)]
fn types_are_bits() -> bool {
    /// `ITER_IOVEC` where they are (`include/linux/uio.h`, 5.10).
    const IOVEC_BIT: u32 = 4;
    ITER_IOVEC.load() == IOVEC_BIT
}
