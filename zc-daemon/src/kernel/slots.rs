//! The `SLOTS` map, read as memory: no system call, no lock, no copy but one, and none of
//! what has not changed.

use std::{
    io,
    mem::size_of,
    ops::Range,
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

/// How often slots of each block were taken.
pub(super) const TAKEN: &str = "TAKEN";

/// Every slot, and the numbers of free ones.
pub struct Slots {
    map: OwnedFd,
    /// How often slots of each block were taken, and how often given back: if as often, none
    /// of them is in use.
    taken: MmapRaw,
    given: Vec<u64>,
    /// Those that were ever in use, and at least one more; none between two looks, beyond the
    /// first few.
    chunks: Vec<Option<MmapRaw>>,
    /// Of each slot of `chunks`, what tells whether it has changed; [`CHANGED`] if it is to
    /// be read in any case.
    pulses: Vec<u64>,
    /// The slot of each thread id.
    slot_of: Array<MapData, u32>,
    free: Stack<MapData, u32>,
    /// Free slots that the list has not taken yet.
    owed: Vec<u32>,
    reading: Reading,
    reserved: u32,
    count: u32,
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
    pub fn new(slots: &Map, slot_of: Map, free: Map, taken: &Map, reserved: u32) -> Result<Self> {
        let Map::Array(data) = slots else { anyhow::bail!("the map SLOTS is no array") };
        let count = data.info()?.max_entries();
        let map = data.fd().as_fd().try_clone_to_owned()?;
        let given = vec![0; count.div_ceil(Slot::BLOCK) as usize];
        let Map::Array(data) = taken else { anyhow::bail!("the map TAKEN is no array") };
        let taken = MmapOptions::new()
            .len((given.len() * size_of::<u64>()).next_multiple_of(page_size()))
            .map_raw_read_only(&data.fd().as_fd())
            .context("the map TAKEN cannot be mapped into memory")?;
        let slot_of = Array::try_from(slot_of).context("the object's SLOT_OF is no array")?;
        let mut free = Stack::try_from(free).context("the object's FREE is no stack")?;
        // The lowest on top.
        for slot in (reserved..count).rev() {
            free.push(slot, 0).context("cannot fill the list of free slots")?;
        }
        let (chunks, pulses, owed, reading) =
            (Vec::new(), Vec::new(), Vec::new(), Reading::empty());
        Ok(Self {
            map,
            taken,
            given,
            chunks,
            pulses,
            slot_of,
            free,
            owed,
            reading,
            reserved,
            count,
        })
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
        self.put_owed()?;
        for slot in running {
            if let Some(pulse) = self.pulses.get_mut(*slot as usize) {
                *pulse = CHANGED;
            }
        }
        let mut place = 0;
        while self.may_be_used(place) {
            if self.blocks(place).any(|block| self.is_in_use(block)) {
                let memory = self.chunk(place)?;
                let looked = self.look_at(place, &memory, care, &mut book);
                self.chunks[place] = Some(memory).filter(|_| place < STAYING);
                looked?;
            }
            place += 1;
        }
        Ok(())
    }

    /// Takes a chunk to look at, mapped if it was not.
    fn chunk(&mut self, place: usize) -> Result<MmapRaw> {
        let known = self.chunks.len().max(place + 1);
        self.chunks.resize_with(known, || None);
        self.chunks[place].take().map_or_else(|| self.map_chunk(place), Ok)
    }

    /// The blocks that lie in a chunk.
    fn blocks(&self, place: usize) -> Range<usize> {
        let blocks = in_chunk() / BLOCK;
        place * blocks..((place + 1) * blocks).min(self.given.len())
    }

    /// How often slots of a block were taken.
    fn taken(&self, block: usize) -> u64 {
        words::<1>(&self.taken, block)[0].load(Ordering::Acquire)
    }

    /// Whether there can be anything to see in a block: the reserved slots are never free.
    fn is_in_use(&self, block: usize) -> bool {
        block * BLOCK < self.reserved as usize || self.taken(block) != self.given[block]
    }

    /// Whether slots of a chunk can be in use: a number is handed out for the first time after
    /// all below it, so beyond a chunk of which none was there is nothing.
    fn may_be_used(&self, place: usize) -> bool {
        let first = place * in_chunk();
        let mut before = place.checked_sub(1).into_iter().flat_map(|before| self.blocks(before));
        let after = first <= self.reserved as usize || before.any(|block| self.taken(block) > 0);
        first < self.count as usize && after
    }

    /// Looks at every slot of those blocks of a chunk that are in use.
    fn look_at(
        &mut self,
        place: usize,
        memory: &MmapRaw,
        care: Care,
        book: &mut impl FnMut(Look<'_>) -> bool,
    ) -> Result<()> {
        let (first, count) = (place * in_chunk(), self.count as usize);
        for block in self.blocks(place) {
            if self.is_in_use(block) {
                for number in block * BLOCK..((block + 1) * BLOCK).min(count) {
                    let words = words(memory, number - first);
                    self.look(u32::try_from(number)?, words, care, book)?;
                }
            }
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
        self.given[number as usize / BLOCK] += 1;
        for word in words.iter().rev() {
            word.store(0, Ordering::Release);
        }
        self.put(number)
    }

    /// Puts a slot on the list of free ones, or has it wait for the next look: where somebody else
    /// holds the list for long the kernel does not wait (`EBUSY`, kernel/bpf/queue_stack_maps.c in
    /// Linux 6.18).
    fn put(&mut self, number: u32) -> Result<()> {
        match self.free.push(number, 0) {
            Err(MapError::SyscallError(error)) if is_busy(&error.io_error) => {
                self.owed.push(number);
                Ok(())
            }
            put => put.with_context(|| format!("cannot give back slot {number}")),
        }
    }

    /// Puts on the list what it has not taken before.
    fn put_owed(&mut self) -> Result<()> {
        std::mem::take(&mut self.owed).into_iter().try_for_each(|number| self.put(number))
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

fn is_busy(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EBUSY)
}

/// Slots of a block.
const BLOCK: usize = Slot::BLOCK as usize;

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

/// The words of one of the entries that are mapped. The kernel half writes them while they are
/// read: each is one aligned load, and only ever grows or is set once.
fn words<const WORDS: usize>(memory: &MmapRaw, place: usize) -> &[AtomicU64; WORDS] {
    assert!((place + 1) * size_of::<[u64; WORDS]>() <= memory.len(), "entry {place} of a map");
    let base = memory.as_mut_ptr().cast::<[AtomicU64; WORDS]>();
    // SAFETY: the mapping holds that entry.
    let entry = unsafe { base.add(place) };
    // SAFETY: the mapping is page-aligned, is borrowed as long as the result, and is
    // shared with writers that store whole words only, as atomics allow.
    unsafe { &*entry }
}
