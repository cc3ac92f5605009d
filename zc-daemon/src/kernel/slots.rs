//! The `SLOTS` map, read as memory: no system call, no lock, no copy but one.

use std::{
    mem::size_of,
    os::fd::AsFd as _,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use anyhow::{Context as _, Result};
use aya::maps::{Map, MapData, Queue};
use memmap2::{MmapOptions, MmapRaw};
use rustix::param::page_size;
use zc_common::slot::{Reading, Slot, State};

/// Every slot, and the queue of free ones.
pub struct Slots {
    memory: MmapRaw,
    /// The slot of each thread id.
    slot_of: MmapRaw,
    pids: u32,
    free: Queue<MapData, u32>,
    reserved: u32,
    count: u32,
}

impl Slots {
    /// Maps the slots and puts all but the first `reserved` on the free queue.
    ///
    /// # Errors
    ///
    /// If a map cannot be mapped, or the queue does not take a number.
    pub fn new(slots: &Map, slot_of: &Map, free: Map, reserved: u32) -> Result<Self> {
        let (memory, count) = map_memory(slots, size_of::<Slot>()).context("the map SLOTS")?;
        let (slot_of, pids) = map_memory(slot_of, ENTRY).context("the map SLOT_OF")?;
        let mut free = Queue::try_from(free).context("the object's FREE is no queue")?;
        for slot in reserved..count {
            free.push(slot, 0).context("cannot fill the queue of free slots")?;
        }
        Ok(Self { memory, slot_of, pids, free, reserved, count })
    }

    /// How many threads can have a slot at a time.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.count - self.reserved
    }

    /// Hands every slot that is not free to `book`; those it returns `true` for
    /// are cleared and given back.
    ///
    /// # Errors
    ///
    /// If a slot cannot be given back.
    pub fn read(&mut self, mut book: impl FnMut(&Reading) -> bool) -> Result<()> {
        let mut words = [0; Slot::WORDS];
        for number in 0..self.count {
            let reserved = number < self.reserved;
            let slot = self.words(number);
            if !reserved && slot[0].load(Ordering::Acquire) == State::Free as u64 {
                continue;
            }
            for (copy, word) in words.iter_mut().zip(slot) {
                *copy = word.load(Ordering::Relaxed);
            }
            let Some(mut reading) = Reading::decode(number, &words, reserved) else { continue };
            reading.orphan = reading.owner.is_some_and(|owner| self.slot_of(owner.tid) != number);
            if book(&reading) {
                self.give_back(number)?;
            }
        }
        Ok(())
    }

    /// The slot noted for a thread id, 0 for none.
    fn slot_of(&self, tid: u32) -> u32 {
        if tid >= self.pids {
            return 0;
        }
        let base = self.slot_of.as_mut_ptr().cast::<AtomicU32>();
        // SAFETY: `tid` is below `pids` and the mapping holds `pids` entries.
        let entry = unsafe { base.byte_add(tid as usize * ENTRY) };
        // SAFETY: aligned, and shared with writers that store whole words only.
        unsafe { &*entry }.load(Ordering::Relaxed)
    }

    /// Clears a retired slot, its state last, and frees it.
    fn give_back(&mut self, number: u32) -> Result<()> {
        for word in self.words(number).iter().rev() {
            word.store(0, Ordering::Release);
        }
        self.free.push(number, 0).with_context(|| format!("cannot give back slot {number}"))
    }

    /// The words of one slot. The kernel half writes them while they are read:
    /// each is one aligned load, and only ever grows or is set once.
    fn words(&self, number: u32) -> &[AtomicU64; Slot::WORDS] {
        assert!(number < self.count, "slot {number} of {}", self.count);
        let base = self.memory.as_mut_ptr().cast::<[AtomicU64; Slot::WORDS]>();
        // SAFETY: `number` is below `count` and the mapping holds `count` slots.
        let slot = unsafe { base.add(number as usize) };
        // SAFETY: the mapping is page-aligned, lives as long as `self`, and is
        // shared with writers that store whole words only, as atomics allow.
        unsafe { &*slot }
    }
}

/// Bytes of an entry of `SLOT_OF`: the kernel rounds a value up to 8.
const ENTRY: usize = 8;

/// An array map as memory, and how many entries it has.
fn map_memory(map: &Map, entry: usize) -> Result<(MmapRaw, u32)> {
    let Map::Array(data) = map else { anyhow::bail!("is no array") };
    let count = data.info()?.max_entries();
    let length = (count as usize * entry).next_multiple_of(page_size());
    let memory = MmapOptions::new().len(length).map_raw(&data.fd().as_fd());
    Ok((memory.context("cannot be mapped into memory")?, count))
}
