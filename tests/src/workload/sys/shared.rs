//! Numbers that a process shares with its children.

use std::io;
use std::slice;
use std::sync::atomic::AtomicU64;

use super::mem::Mapping;

/// Words of memory that a fork does not copy.
pub(in crate::workload) struct Shared {
    mapping: Mapping,
    count: usize,
}

// SAFETY: the memory stays where it is, and its words are only used as atomic ones.
unsafe impl Sync for Shared {}

impl Shared {
    /// So many words, all zero.
    pub(in crate::workload) fn new(count: usize) -> io::Result<Self> {
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let mapping = Mapping::new(count * size_of::<AtomicU64>(), protection, flags, -1)?;
        Ok(Self { mapping, count })
    }

    /// The words.
    pub(in crate::workload) fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is writable, aligned to a page, holds so many words, and
        // lives as long as `self`.
        unsafe { slice::from_raw_parts(self.mapping.start().as_ptr().cast(), self.count) }
    }
}
