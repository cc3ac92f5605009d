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
    /// Those that were ever in use, and at least one more.
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
    /// None between two looks, beyond the first few chunks.
    memory: Option<MmapRaw>,
    used: bool,
}

/// Chunks that stay mapped. What is mapped is resident in the daemon too, though the memory is
/// the kernel's either way; to map a chunk anew takes tens of microseconds.
const STAYING: usize = 6;

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
        let mut place = 0;
        while self.may_be_used(place) {
            if place == self.chunks.len() {
                self.chunks.push(Chunk { memory: None, used: false });
            }
            let memory = match self.chunks[place].memory.take() {
                Some(memory) => memory,
                None => self.map_chunk(place)?,
            };
            let looked = self.look_at(place, &memory, care, &mut book);
            self.chunks[place].memory = Some(memory).filter(|_| place < STAYING);
            looked?;
            place += 1;
        }
        Ok(())
    }

    /// Whether slots of a chunk can be in use: a number is handed out for the first time after
    /// all below it, so beyond a chunk of which none was there is nothing.
    fn may_be_used(&self, place: usize) -> bool {
        let first = place * in_chunk();
        let after = place.checked_sub(1).is_none_or(|before| self.chunks[before].used);
        first < self.count as usize && (after || first <= self.reserved as usize)
    }

    /// Looks at every slot of a chunk.
    fn look_at(
        &mut self,
        place: usize,
        memory: &MmapRaw,
        care: Care,
        book: &mut impl FnMut(Look<'_>) -> bool,
    ) -> Result<()> {
        let first = place * in_chunk();
        for within in 0..in_chunk().min(self.count as usize - first) {
            let number = u32::try_from(first + within)?;
            let words = words(memory, within);
            self.chunks[place].used |= number >= self.reserved && is_used(words);
            self.look(number, words, care, book)?;
        }
        Ok(())
    }

    /// Looks at one slot, and hands on what there is to see.
    fn look(
        &mut self,
        number: u32,
        words: &[AtomicU64; Slot::WORDS],
        care: Care,
        book: &mut impl FnMut(Look<'_>) -> bool,
    ) -> Result<()> {
        let place = number as usize;
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
        if let Some(owner) = &self.reading.owner
            && (care == Care::Thorough || before == ORPHAN)
        {
            self.reading.orphan = slot_of(&self.slot_of, owner.tid)? != number;
        }
        if !self.reading.retired {
            self.pulses[place] = if self.reading.orphan { ORPHAN } else { pulse };
        }
        if book(Look::Read(&self.reading)) {
            self.give_back(number, words)?;
        }
        Ok(())
    }

    /// Clears a retired slot, its state last, and frees it.
    fn give_back(&mut self, number: u32, words: &[AtomicU64; Slot::WORDS]) -> Result<()> {
        self.pulses[number as usize] = CHANGED;
        for word in words.iter().rev() {
            word.store(0, Ordering::Release);
        }
        self.free.push(number, 0).with_context(|| format!("cannot give back slot {number}"))
    }

    /// Maps a chunk, for the first time or anew.
    fn map_chunk(&mut self, place: usize) -> Result<MmapRaw> {
        let first = place * in_chunk();
        let slots = in_chunk().min(self.count as usize - first);
        let known = self.pulses.len().max(first + slots);
        self.pulses.resize(known, CHANGED);
        MmapOptions::new()
            .offset((first * size_of::<Slot>()) as u64)
            .len((slots * size_of::<Slot>()).next_multiple_of(page_size()))
            .map_raw(&self.map)
            .context("the map SLOTS cannot be mapped into memory")
    }
}

/// Whether a slot is not free.
fn is_used(words: &[AtomicU64; Slot::WORDS]) -> bool {
    words[0].load(Ordering::Relaxed) != State::Free as u64
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
