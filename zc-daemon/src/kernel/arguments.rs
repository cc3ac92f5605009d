//! The `ARGV` map, read as memory: the arguments of each slot's process.

use std::{
    mem::size_of,
    os::fd::AsFd as _,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, Result};
use aya::maps::Map;
use memmap2::{MmapOptions, MmapRaw};
use rustix::param::page_size;
use zc_common::slot::{Arguments as Entry, Slot};

/// The map.
pub(super) const ARGV: &str = "ARGV";

/// What processes were started with; one entry of nobody's unless it is kept.
pub struct Arguments {
    memory: MmapRaw,
    count: u32,
}

impl Arguments {
    pub(super) fn new(map: &Map) -> Result<Self> {
        let Map::Array(data) = map else { anyhow::bail!("the map ARGV is no array") };
        let count = data.info()?.max_entries();
        let length = (count as usize * size_of::<Entry>()).next_multiple_of(page_size());
        let memory = MmapOptions::new().len(length).map_raw(&data.fd().as_fd());
        Ok(Self { memory: memory.context("the map ARGV cannot be mapped into memory")?, count })
    }

    /// The first arguments of the process that owns a slot, each ended by a zero; none if they
    /// are not known.
    #[must_use]
    pub fn of(&self, slot: u32) -> Option<Vec<u8>> {
        block(self.words(slot)?)
    }

    fn words(&self, slot: u32) -> Option<&[AtomicU64; Entry::WORDS]> {
        if slot >= self.count {
            return None;
        }
        let base = self.memory.as_mut_ptr().cast::<[AtomicU64; Entry::WORDS]>();
        // SAFETY: `slot` is below `count` and the mapping holds so many entries.
        let entry = unsafe { base.add(slot as usize) };
        // SAFETY: aligned, and shared with writers that finish before the slot is live.
        Some(unsafe { &*entry })
    }
}

/// What an entry holds: its length, and the bytes.
pub(super) fn block(words: &[AtomicU64; Entry::WORDS]) -> Option<Vec<u8>> {
    let (length, bytes) = words.split_first()?;
    let length = usize::try_from(length.load(Ordering::Relaxed)).ok()?.min(Slot::ARGV);
    let bytes = bytes.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes());
    (length > 0).then(|| bytes.take(length).collect())
}
