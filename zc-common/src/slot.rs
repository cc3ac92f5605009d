//! One thread's place in the `SLOTS` map: who owns it, and its tally.
//!
//! A slot has one writer at a time for each word:
//!
//! 1. the kernel half takes a free slot when a thread without one is switched
//!    in, writes the owner, and last of all sets the state to [`State::Live`];
//! 2. while it is live only the owner's own context adds to its tally;
//! 3. when the owner dies, execs, is renamed, moves to another cgroup or becomes
//!    another user the kernel half sets [`State::Retired`] and never touches the slot again;
//! 4. the user half books the rest, clears every word and gives it back.
//!
//! So an owner never changes while a slot is live, and none is read torn.

use crate::counter::{Checked, Counter, Tally};

names! {
    /// Where a slot is in its life.
    State {
        /// Nobody's.
        Free = "free",
        /// Owned by a thread that may charge it.
        Live = "live",
        /// Final: its owner will not charge it again.
        Retired = "retired",
    }
}

/// A slot as it lies in the map: whole words, in this order.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Slot {
    /// A [`State`], and [`Slot::KERNEL_THREAD`] or zero in the upper half.
    pub state: u64,
    /// The thread's id in the lower half, its process' in the upper half, both
    /// as the initial pid namespace sees them.
    pub ids: u64,
    /// Start of the process: its leader's start since boot, in nanoseconds.
    pub process_start: u64,
    /// Start of the thread itself, since boot, in nanoseconds. Of a CPU's reserved slot this
    /// and `task` tell nothing, and `cgroups` and this which thread charged it last.
    pub thread_start: u64,
    /// The address of the thread's `task_struct`: an exec by a thread that does not
    /// lead its process gives it its dead leader's id and start, but not its address.
    pub task: u64,
    /// The addresses of its set of cgroups and of its credentials: they change when it moves to
    /// another cgroup, or becomes another user.
    pub cgroups: u64,
    /// See [`Self::cgroups`].
    pub credentials: u64,
    /// The process' name (its leader's comm) when the slot was taken.
    pub comm: [u64; 2],
    /// The base name of the file that the process runs, zeroes if it is not known.
    pub exe: [u64; Slot::EXE / 8],
    /// The process' effective user id.
    pub uid: u64,
    /// The id and the start of the process that made it; where that went unseen, of who was
    /// its parent when zc first saw it run.
    pub parent: u64,
    /// See [`Self::parent`].
    pub parent_start: u64,
    /// The id of its cgroup, in the hierarchy that was chosen, when the slot was taken; 0 if
    /// there is none.
    pub cgroup: u64,
    /// When the slot was taken, in nanoseconds of the kernel's clock.
    pub taken: u64,
    /// What the mirrored counters stood at when the slot was taken.
    pub base: [u64; Counter::MIRRORED],
    /// Bytes that are accounted for within the call of a function under way: sent by
    /// reference, received by a function that is hooked itself, or read in place.
    /// [`Slot::UNSEEN`] or more if some were not seen.
    pub within: u64,
    /// Bytes seen copied during the system call under way.
    pub seen: u64,
    /// Bytes seen passed on by reference during the system call under way.
    pub linked: u64,
    /// Copies of a read or write of the page cache that are charged as its call returns, which
    /// knows the route: bytes, and from bit [`Slot::PENDING_COPIES`] on how many copies.
    pub pending: u64,
    /// Bytes seen copied, and passed on by reference, in the call of [`Self::aside_of`]:
    /// one that is not hooked, so that nothing is settled as it returns.
    pub aside: [u64; 2],
    /// Which call that is: its number and where it was made, mixed.
    pub aside_of: u64,
    /// The address of the io_uring request under way, if the thread is a worker of rings.
    pub request: u64,
    /// Bytes whose size the kernel checked before copying them to user memory, and from
    /// it, during the system call under way: an entry of [`Checked::ALL`].
    pub checked: [u64; Checked::COUNT],
    /// 1 while the kernel reads a path: it checks the size of the buffer, not of the name.
    pub naming: u64,
    /// How many of `frames` are in use: calls under way of functions hooked by kprobes.
    pub depth: u64,
    /// Those calls, the outermost first.
    pub frames: [Frame; Slot::FRAMES],
    /// How often others than the owner have charged it. Next to the mirrored counters: these
    /// tell that a slot has changed, since its owner charges it only between two switches.
    pub foreign: u64,
    /// One word a counter.
    pub tally: [u64; Counter::COUNT],
}

const HEADER: usize = 14 + Slot::EXE / 8;
/// Words that only the programs use.
const SCRATCH: usize = 11 + Checked::COUNT + Slot::FRAMES * Frame::WORDS;
/// Where the tally begins.
const TALLY: usize = HEADER + Counter::MIRRORED + SCRATCH;

impl Slot {
    /// How many words a slot has.
    pub const WORDS: usize = TALLY + Counter::COUNT;
    /// The word that counts charges of others.
    pub const FOREIGN: usize = TALLY - 1;
    /// The word at which the tally begins.
    pub const TALLY: usize = TALLY;
    /// Set in the upper half of [`Slot::state`] for a kernel thread.
    pub const KERNEL_THREAD: u64 = 1 << 32;
    /// Bytes of the name of what a process runs that are kept, its end included.
    pub const EXE: usize = 64;
    /// Slots in a row that the user half need not look at while none is in use.
    pub const BLOCK: u32 = 64;
    /// Bytes of a process' arguments that are kept.
    pub const ARGV: usize = 256;
    /// CPUs that zc can serve; each has a reserved slot of its own number, for
    /// charges that belong to no thread with a slot.
    pub const MAX_CPUS: usize = 1024;
    /// How deep calls of functions hooked by kprobes may nest; two is the most that is
    /// known, in stacked file systems and in TCP.
    pub const FRAMES: usize = 3;
    /// Where copies are counted in [`Slot::pending`]: no call moves more than 2 GiB
    /// (`MAX_RW_COUNT`, include/linux/fs.h).
    pub const PENDING_COPIES: u32 = 40;
    /// More bytes than any call moves.
    pub const UNSEEN: u64 = 1 << 62;
}

const _: () = assert!(size_of::<Slot>() == 8 * Slot::WORDS);

/// A call under way of a function hooked by kprobes: the return shows no arguments.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Frame {
    /// Where its return address lies: no two calls under way have the same.
    pub stack: u64,
    /// Which function it is of.
    pub function: u64,
    /// The arguments that are looked at when it returns.
    pub arguments: [u64; Self::ARGUMENTS],
}

impl Frame {
    /// How many arguments are kept.
    pub const ARGUMENTS: usize = 3;
    const WORDS: usize = 2 + Self::ARGUMENTS;

    /// The number of a function, from its name (FNV-1a).
    #[must_use]
    pub const fn function(name: &str) -> u64 {
        let (mut hash, mut position) = (0xcbf2_9ce4_8422_2325_u64, 0);
        while position < name.len() {
            hash ^= name.as_bytes()[position] as u64;
            hash = hash.wrapping_mul(0x0100_0000_01b3);
            position += 1;
        }
        hash
    }
}

const _: () = assert!(size_of::<Frame>() == 8 * Frame::WORDS);

/// Which process a slot belongs to: stable over exec, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessKey {
    /// The process id in the initial pid namespace.
    pub tgid: u32,
    /// Its start since boot, in nanoseconds.
    pub start: u64,
}

/// The owner of a slot, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The process.
    pub process: ProcessKey,
    /// The thread id in the initial pid namespace.
    pub tid: u32,
    /// The process' comm, NUL-padded.
    pub comm: [u8; 16],
    /// The base name of what it runs, NUL-padded; empty if it is not known.
    pub exe: [u8; Slot::EXE],
    /// Its effective user id.
    pub uid: u32,
    /// The process that made it; where that went unseen, an orphan is a child of who takes it
    /// in.
    pub parent: ProcessKey,
    /// The id of its cgroup, which is the inode number of its directory; 0 if the kernel has
    /// none.
    pub cgroup: u64,
    /// When the slot was taken: of two of one process, the later one knows better who that is.
    pub taken: u64,
    /// Whether it is a kernel thread.
    pub kernel_thread: bool,
}

impl Owner {
    /// Whether the thread leads its process.
    #[must_use]
    pub const fn leads(&self) -> bool {
        self.tid == self.process.tgid
    }
}

/// One slot that is not free, decoded.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The slot's number.
    pub slot: u32,
    /// Whether its owner will not charge it again.
    pub retired: bool,
    /// Whether its owner's id leads to another slot: left behind by a rare race.
    pub orphan: bool,
    /// Who owns it; none for a CPU's reserved slot.
    pub owner: Option<Owner>,
    /// What the mirrored counters stood at when the slot was taken.
    pub base: [u64; Counter::MIRRORED],
    /// What was charged, mirrored counters as the kernel keeps them.
    pub tally: Tally,
}

/// What a look at a slot shows.
#[derive(Clone, Copy, Debug)]
pub enum Look<'a> {
    /// The slot of this number is as it was at the look before, its owner alive.
    Still(u32),
    /// All that stands in it.
    Read(&'a Reading),
}

/// How closely the slots are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// Those whose owners have run since the last look, or were charged by others.
    Quick,
    /// All of them: a kernel need not show every switch, nor a race leave a slot in order.
    Thorough,
}

impl Reading {
    /// Of no slot yet: to be [filled](Self::fill).
    #[must_use]
    pub fn empty() -> Self {
        Self {
            slot: 0,
            retired: false,
            orphan: false,
            owner: None,
            base: [0; Counter::MIRRORED],
            tally: Tally::default(),
        }
    }

    /// Decodes slot number `slot`, each word of which is looked up once; false, and nothing
    /// of use, if it is free.
    pub fn fill(&mut self, slot: u32, reserved: bool, word: impl Fn(usize) -> u64) -> bool {
        let state = word(0);
        let known = [State::Live, State::Retired].iter().any(|live| low(state) == *live as u32);
        if !reserved && !known {
            return false;
        }
        self.slot = slot;
        self.retired = low(state) == State::Retired as u32;
        self.orphan = false;
        self.owner = (!reserved).then(|| Owner {
            process: ProcessKey { tgid: high(word(1)), start: word(2) },
            tid: low(word(1)),
            comm: bytes(7, &word),
            exe: bytes(9, &word),
            uid: low(word(17)),
            parent: ProcessKey { tgid: low(word(18)), start: word(19) },
            cgroup: word(20),
            taken: word(21),
            kernel_thread: state & Slot::KERNEL_THREAD != 0,
        });
        self.base = core::array::from_fn(|position| word(HEADER + position));
        for (position, value) in self.tally.words_mut().iter_mut().enumerate() {
            *value = word(TALLY + position);
        }
        true
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
const fn low(word: u64) -> u32 {
    word as u32
}

const fn high(word: u64) -> u32 {
    low(word >> 32)
}

/// The words from the `first` on as the bytes that they hold.
fn bytes<const COUNT: usize>(first: usize, word: impl Fn(usize) -> u64) -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    for (position, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        chunk.copy_from_slice(&word(first + position).to_le_bytes());
    }
    bytes
}

/// Who sends what a socket, or a handle of pages that it sends without copying them,
/// stands for: an entry of the `OWNERS` map.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Sender {
    /// The process id.
    pub tgid: u64,
    /// The start of the process since boot, in nanoseconds.
    pub start: u64,
    /// A position in [`Route::ALL`](crate::flow::Route::ALL).
    pub route: u64,
    /// 1 if it last asked for its bytes to be sent by reference, else 0.
    pub promised: u64,
}

/// What a worker of an io_uring saw of a request, which another thread may complete: an entry
/// of the `HANDED` map.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Handed {
    /// Bytes copied.
    pub seen: u64,
    /// Bytes passed on by reference.
    pub linked: u64,
    /// When the first of them were seen, in nanoseconds of the kernel's clock.
    pub since: u64,
}

impl Handed {
    /// How many words it has.
    pub const WORDS: usize = 3;
}

const _: () = assert!(size_of::<Handed>() == 8 * Handed::WORDS);

/// The first arguments of a process: an entry of the `ARGV` map, at its slot's number.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Arguments {
    /// How many of the bytes there are.
    pub length: u64,
    /// The arguments, each ended by a zero but where they are cut.
    pub bytes: [u8; Slot::ARGV],
}

impl Arguments {
    /// How many words it has.
    pub const WORDS: usize = 1 + Slot::ARGV / 8;
}

const _: () = assert!(size_of::<Arguments>() == 8 * Arguments::WORDS);

/// The path of a cgroup that was made since the daemon last looked, ended by a zero: an entry
/// of the `CGROUPS` map, by the cgroup's id.
pub type CgroupPath = [u8; 512];

names! {
    /// What we know we missed, by reason.
    Lost {
        /// A charge of a thread that got no slot, as all were taken: booked
        /// under the group `other`, its process unknown.
        NoSlot = "no_slot",
        /// A context switch of a thread that got no slot: its switches and
        /// faults since are not counted.
        NoSlotSwitch = "no_slot_switch",
        /// A thread id beyond the `SLOT_OF` map.
        PidRange = "pid_range",
        /// A length in user memory (`recvmmsg`, `sendmmsg`) could not be read.
        UserMemory = "user_memory",
        /// An io_uring completion that did not name its request (multishot).
        IoUringRequest = "io_uring_request",
        /// A copy made for a socket whose owner has gone, or is not known: booked
        /// under the group `other`.
        NoOwner = "no_owner",
        /// A call of whose bytes a probe saw only some: the rest stands in no series of
        /// the copies.
        PartlySeen = "partly_seen",
        /// A call of a function hooked by kprobes of which only the entry or only the
        /// return was seen: what it copied is not measured.
        HalfSeen = "half_seen",
        /// A system call by a 32-bit program: counted, its bytes are not.
        Compat = "compat_call",
        /// A copy of an argument or a result, in a call that is not hooked, by a thread that
        /// has an io_uring: it may be one of a request, which is charged with that.
        RingArgument = "io_uring_argument",
        /// A cgroup that was made while there was no room to note its path: if it was
        /// removed before zc looked, its processes are grouped by something else.
        CgroupPath = "cgroup_path",
        /// What a worker of an io_uring saw of a request, for which there was no room: its
        /// bytes are inferred besides what was measured of them.
        RequestRoom = "request_room",
    }
}

/// One CPU's own words in the `.bss` of the object: two cache lines.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct CpuState {
    /// The slot of the thread that runs here, 0 for none.
    pub slot: u64,
    /// The address of its `task_struct`, so that a switch that went unseen is
    /// noticed before anything is charged.
    pub task: u64,
    /// Events missed on this CPU, by [`Lost`].
    pub lost: [u64; Self::LOST],
}

impl CpuState {
    /// How many words it has.
    pub const WORDS: usize = 16;
    /// The word at which the losses begin.
    pub const FIRST_LOST: usize = 2;
    const LOST: usize = Self::WORDS - Self::FIRST_LOST;
    /// A CPU that has run nothing yet.
    pub const NEW: Self = Self { slot: 0, task: 0, lost: [0; Self::LOST] };
}

const _: () =
    assert!(Lost::COUNT <= CpuState::LOST && size_of::<CpuState>() == 8 * CpuState::WORDS);

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn the_memory_arithmetic_in_architecture_is_current() {
        let page = include_str!("../../ARCHITECTURE.md");
        let size = size_of::<Slot>();
        let megabytes = ((128 + 100_000) * size).div_ceil(1_000_000);
        let row = std::format!("(128 + 100 000) × {size} B = {megabytes} MB");
        assert!(page.contains(&row), "ARCHITECTURE.md should say: {row}");
    }

    #[test]
    fn a_slot_is_decoded_as_the_programs_write_it() {
        let mut words = [0; Slot::WORDS];
        let mut reading = Reading::empty();
        assert!(!reading.fill(5, false, |word| words[word]));
        words[0] = State::Retired as u64 | Slot::KERNEL_THREAD;
        words[1] = 7 << 32 | 8;
        words[2] = 99;
        words[7] = u64::from_le_bytes(*b"kworker/");
        words[10] = u64::from_le_bytes(*b"d-helper");
        words[17] = 33;
        words[18] = 6;
        words[19] = 98;
        words[20] = 41;
        words[21] = 5;
        words[HEADER] = 3;
        words[Slot::TALLY] = 4;
        assert!(reading.fill(5, false, |word| words[word]));
        let owner = reading.owner.unwrap();
        assert!(reading.retired && owner.kernel_thread && !owner.leads());
        assert_eq!(owner.process, ProcessKey { tgid: 7, start: 99 });
        assert_eq!((owner.tid, &owner.comm[..9]), (8, b"kworker/\0".as_slice()));
        assert_eq!((owner.uid, &owner.exe[8..17]), (33, b"d-helper\0".as_slice()));
        assert_eq!(owner.parent, ProcessKey { tgid: 6, start: 98 });
        assert_eq!((owner.cgroup, owner.taken, reading.base[0]), (41, 5, 3));
        assert_eq!(reading.tally[Counter::switches(crate::counter::Switch::Voluntary)], 4);
    }
}
