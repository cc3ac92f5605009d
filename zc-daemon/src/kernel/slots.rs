//! The `SLOTS` map, read as memory: no system call, no lock, no copy but one, and none of
//! what has not changed.

use std::{
    mem::size_of,
    os::fd::{AsFd as _, OwnedFd},
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, Result};
use aya::maps::{Array, Map, MapData, MapError, Stack};
use memmap2::{MmapOptions, MmapRaw};
use rustix::param::page_size;
use zc_common::{
    counter::Counter,
    slot::{Care, Look, Reading, Slot, State},
};

/// Every slot, and the numbers of free ones.
pub struct Slots {
    map: OwnedFd,
    /// The slots that were ever in use, and at least one chunk more.
    chunks: Vec<Chunk>,
    /// Of each slot of `chunks`, what tells whether it has changed; [`CHANGED`] if it is to
    /// be read in any case.
    pulses: Vec<u64>,
    /// The slot of each thread id.
    slot_of: Array<MapData, u32>,
    free: Stack<MapData, u32>,
    reading: Reading,
    reserved: u32,
    count: u32,
}

/// Slots that are mapped together: as few as fill whole pages.
struct Chunk {
    memory: MmapRaw,
    used: bool,
}

/// No slot's pulse.
const CHANGED: u64 = u64::MAX;

/// The pulse of a slot that its owner can no longer find.
const ORPHAN: u64 = u64::MAX - 1;

impl Slots {
    /// Maps the first slots and puts all but the first `reserved` on the free list.
    ///
    /// # Errors
    ///
    /// If a map is not what it should be, or the list does not take a number.
    pub fn new(slots: &Map, slot_of: Map, free: Map, reserved: u32) -> Result<Self> {
        let Map::Array(data) = slots else { anyhow::bail!("the map SLOTS is no array") };
        let count = data.info()?.max_entries();
        let map = data.fd().as_fd().try_clone_to_owned()?;
        let slot_of = Array::try_from(slot_of).context("the object's SLOT_OF is no array")?;
        let mut free = Stack::try_from(free).context("the object's FREE is no stack")?;
        // The lowest on top.
        for slot in (reserved..count).rev() {
            free.push(slot, 0).context("cannot fill the list of free slots")?;
        }
        let (chunks, pulses, reading) = (Vec::new(), Vec::new(), Reading::empty());
        Ok(Self { map, chunks, pulses, slot_of, free, reading, reserved, count })
    }

    /// How many threads can have a slot at a time.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.count - self.reserved
    }

    /// Hands every slot that is not free to `book`; those it returns `true` for
    /// are cleared and given back. `running` are those of threads on a CPU.
    ///
    /// # Errors
    ///
    /// If slots cannot be mapped, looked up or given back.
    pub fn read(
        &mut self,
        running: &[u32],
        care: Care,
        mut book: impl FnMut(Look<'_>) -> bool,
    ) -> Result<()> {
        for slot in running {
            if let Some(pulse) = self.pulses.get_mut(*slot as usize) {
                *pulse = CHANGED;
            }
        }
        let mut chunk = 0;
        // A number is handed out for the first time after all below it: beyond a chunk of
        // which none was, there is nothing.
        while chunk == 0
            || self.chunks[chunk - 1].used
            || chunk * in_chunk() < self.reserved as usize
        {
            let first = chunk * in_chunk();
            if first >= self.count as usize {
                break;
            }
            if chunk == self.chunks.len() {
                self.map_chunk()?;
            }
            for number in first..(first + in_chunk()).min(self.count as usize) {
                self.look(u32::try_from(number)?, care, &mut book)?;
            }
            chunk += 1;
        }
        Ok(())
    }

    /// Looks at one slot, and hands on what there is to see.
    fn look(
        &mut self,
        number: u32,
        care: Care,
        book: &mut impl FnMut(Look<'_>) -> bool,
    ) -> Result<()> {
        let place = number as usize;
        let words = words(&self.chunks[place / in_chunk()].memory, place % in_chunk());
        let reserved = number < self.reserved;
        // The state first: a slot is cleared and taken with its state last.
        let state = words[0].load(Ordering::Acquire);
        if !reserved && state == State::Free as u64 {
            return Ok(());
        }
        let pulse = pulse(words);
        let before = std::mem::replace(&mut self.pulses[place], CHANGED);
        let live = state & u64::from(u32::MAX) == State::Live as u64;
        if care == Care::Quick && live && before == pulse && !reserved {
            self.pulses[place] = pulse;
            book(Look::Still(number));
            return Ok(());
        }
        let word = |position: usize| words[position].load(Ordering::Relaxed);
        if !self.reading.fill(number, reserved, word) {
            return Ok(());
        }
        self.chunks[place / in_chunk()].used |= !reserved;
        if let Some(owner) = &self.reading.owner
            && (care == Care::Thorough || before == ORPHAN)
        {
            self.reading.orphan = slot_of(&self.slot_of, owner.tid)? != number;
        }
        if !self.reading.retired {
            self.pulses[place] = if self.reading.orphan { ORPHAN } else { pulse };
        }
        if book(Look::Read(&self.reading)) {
            self.give_back(number)?;
        }
        Ok(())
    }

    /// Clears a retired slot, its state last, and frees it.
    fn give_back(&mut self, number: u32) -> Result<()> {
        let place = number as usize;
        self.pulses[place] = CHANGED;
        let words = words(&self.chunks[place / in_chunk()].memory, place % in_chunk());
        for word in words.iter().rev() {
            word.store(0, Ordering::Release);
        }
        self.free.push(number, 0).with_context(|| format!("cannot give back slot {number}"))
    }

    /// Maps one chunk more.
    fn map_chunk(&mut self) -> Result<()> {
        let first = self.chunks.len() * in_chunk();
        let slots = in_chunk().min(self.count as usize - first);
        let memory = MmapOptions::new()
            .offset((first * size_of::<Slot>()) as u64)
            .len((slots * size_of::<Slot>()).next_multiple_of(page_size()))
            .map_raw(&self.map)
            .context("the map SLOTS cannot be mapped into memory")?;
        self.chunks.push(Chunk { memory, used: false });
        self.pulses.resize(first + slots, CHANGED);
        Ok(())
    }
}

/// How many slots there are in a chunk: a slot is whole words, so that many fill whole pages.
fn in_chunk() -> usize {
    page_size() / size_of::<u64>()
}

/// What grows with all that can change a live slot: its owner charges it only between two
/// switches, and others count their charges.
fn pulse(words: &[AtomicU64; Slot::WORDS]) -> u64 {
    let switches = words[Slot::TALLY..Slot::TALLY + Counter::SWITCHES].iter();
    let told = switches.chain([&words[Slot::FOREIGN]]);
    told.fold(0, |sum, word| sum + word.load(Ordering::Acquire))
}

/// The slot noted for a thread id, 0 for none.
fn slot_of(map: &Array<MapData, u32>, tid: u32) -> Result<u32> {
    match map.get(&tid, 0) {
        Ok(slot) => Ok(slot),
        Err(MapError::OutOfBounds { .. }) => Ok(0),
        Err(error) => Err(error).context("cannot look up the slot of a thread"),
    }
}

/// The words of one slot of a chunk. The kernel half writes them while they are read:
/// each is one aligned load, and only ever grows or is set once.
fn words(chunk: &MmapRaw, place: usize) -> &[AtomicU64; Slot::WORDS] {
    assert!((place + 1) * size_of::<Slot>() <= chunk.len(), "slot {place} of a chunk");
    let base = chunk.as_mut_ptr().cast::<[AtomicU64; Slot::WORDS]>();
    // SAFETY: the chunk holds that slot.
    let slot = unsafe { base.add(place) };
    // SAFETY: the mapping is page-aligned, is borrowed as long as the result, and is
    // shared with writers that store whole words only, as atomics allow.
    unsafe { &*slot }
}
