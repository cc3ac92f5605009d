//! How large the maps are, and what memory they take of the kernel's.

use zc_common::slot::{Arguments, CgroupPath, CpuState, Handed, Sender, Slot};

use super::{arguments::ARGV, cgroups::CGROUPS, settings::Hierarchy};

/// How large the maps are to be.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Threads that can be followed at a time.
    pub threads: u32,
    /// Thread ids there can be (`/proc/sys/kernel/pid_max`).
    pub pids: u32,
    /// Sockets, and pages under way, whose senders can be known at a time.
    pub senders: u32,
    /// Requests of an io_uring that workers did and that are not complete.
    pub requests: u32,
    /// Call sites to keep bytes by; with 0 none are kept, and taking stacks is dead code.
    pub sites: u32,
    /// Stacks in the first map of them; none stands for twice as many as there are sites.
    pub stacks: Option<u32>,
    /// Which stacks are taken.
    pub sample: Sample,
    /// Ways for bytes to be relayed, by process and stack, where that is looked for.
    pub ways: u32,
    /// Buffers that they may be in meanwhile.
    pub buffers: u32,
    /// What is kept of who processes are.
    pub identity: Kept,
}

/// Which stacks are taken: one in `period`, on average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// A power of two; 1 takes every one.
    pub period: u32,
    /// Of what.
    pub of: Drawn,
}

/// What stacks are drawn of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// Bytes that are copied.
    Bytes,
    /// Copies.
    Copies,
    /// Events ([`super::events`]), and of no copies.
    Events,
}

impl Sample {
    /// Each copy's.
    pub const ALL: Self = Self { period: 1, of: Drawn::Bytes };
}

/// What is kept of who processes are, besides what is in their slots.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// Cgroups that may be made between two looks, whose paths are kept; with 0 none are.
    pub cgroups: u32,
    /// The hierarchy of cgroups that counts; none stands for version 2.
    pub hierarchy: Option<Hierarchy>,
    /// Whether arguments are.
    pub argv: bool,
}

impl Kept {
    /// Cgroups that may be made between two looks, a second apart.
    pub const CGROUPS: u32 = 4096;
}

/// A map, as large as it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Its name in the object.
    pub map: &'static str,
    /// How many entries it has.
    pub entries: u32,
    /// What memory each takes, in bytes.
    pub entry: u64,
    /// What holds it.
    pub kind: Kind,
}

/// How a map lies in memory (kernel/bpf, 5.10 to 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Entries in a row; whole pages.
    Array,
    /// The same, and one more.
    Stack,
    /// Entries and a table that leads to them; the one used least recently makes room.
    Lru,
    /// The same, where none makes room: with so many entries more, one to be replaced on each
    /// CPU.
    Hash(u32),
}

/// Senders that are known at a time, at least.
const LEAST_SENDERS: u32 = 16 * 1024;
/// Requests, likewise.
const LEAST_REQUESTS: u32 = 4 * 1024;
/// Threads of the machine to a request.
const THREADS_A_REQUEST: u32 = 4;

impl Sizes {
    /// As small as may be.
    pub const LEAST: Self = Self {
        threads: 1,
        pids: 1,
        senders: 1,
        requests: 1,
        sites: 0,
        stacks: None,
        sample: Sample::ALL,
        ways: 0,
        buffers: 0,
        identity: Kept { cgroups: 0, hierarchy: None, argv: false },
    };

    /// For so many threads of so many ids, and nothing that must be asked for.
    #[must_use]
    pub fn new(threads: u32, pids: u32) -> Self {
        Self {
            threads,
            pids,
            senders: threads.max(LEAST_SENDERS),
            requests: (threads / THREADS_A_REQUEST).max(LEAST_REQUESTS),
            ..Self::LEAST
        }
    }

    /// How many stacks each of the two maps of them has room for. Of N stacks one in
    /// `room / N` finds its place taken, and there are few of those in the second.
    #[must_use]
    pub fn stacks(self) -> [u32; 2] {
        let sites = self.sites.max(1);
        [self.stacks.unwrap_or(2 * sites), sites.div_ceil(2)]
    }

    /// The maps that follow the machine, on one of so many CPUs.
    #[must_use]
    pub fn maps(self, cpus: u32) -> [Room; 8] {
        let Self { threads, pids, senders, requests, identity, .. } = self;
        let (word, slot) = (size_of::<u64>() as u64, size_of::<Slot>() as u64);
        let [sender, handed] = [size_of::<Sender>() as u64, size_of::<Handed>() as u64];
        let [arguments, path] = [size_of::<Arguments>() as u64, size_of::<CgroupPath>() as u64];
        let hashed = |value| HASH_NODE + word + value;
        [
            Room { map: "SLOTS", entries: cpus + threads, entry: slot, kind: Kind::Array },
            // An array rounds its entries of four bytes up.
            Room { map: "SLOT_OF", entries: pids, entry: word, kind: Kind::Array },
            Room { map: "FREE", entries: threads, entry: word / 2, kind: Kind::Stack },
            Room {
                map: "TAKEN",
                entries: (cpus + threads).div_ceil(Slot::BLOCK),
                entry: word,
                kind: Kind::Array,
            },
            Room { map: "OWNERS", entries: senders, entry: hashed(sender), kind: Kind::Lru },
            Room {
                map: "HANDED",
                entries: requests,
                entry: hashed(handed),
                kind: Kind::Hash(cpus),
            },
            Room {
                map: ARGV,
                entries: if identity.argv { cpus + threads } else { 1 },
                entry: arguments,
                kind: Kind::Array,
            },
            Room {
                map: CGROUPS,
                entries: identity.cgroups.max(1),
                entry: hashed(path),
                kind: Kind::Hash(cpus),
            },
        ]
    }

    /// What all maps take that are always there, in bytes.
    #[must_use]
    pub fn bytes(self, cpus: u32) -> u64 {
        self.maps(cpus).iter().map(|room| room.bytes()).sum::<u64>() + FIXED
    }
}

/// `struct htab_elem`, without the key (kernel/bpf/hashtab.c).
const HASH_NODE: u64 = 48;
/// `struct bucket`, of which there are as many as entries, rounded up to a power of two.
const BUCKET: u64 = 16;
/// What does not follow the machine: the words of each CPU (the object's `.bss`), and the ring
/// for debug lines.
pub const FIXED: u64 = (Slot::MAX_CPUS * size_of::<CpuState>()) as u64 + LOG_RING;
/// `AYA_LOGS` of aya-log.
const LOG_RING: u64 = 128 << 10;

impl Room {
    /// What it takes, in bytes; beside it the kernel keeps less than a page.
    #[must_use]
    pub fn bytes(self) -> u64 {
        let (count, entry) = (u64::from(self.entries), self.entry);
        match self.kind {
            Kind::Array => count * entry,
            Kind::Stack => (count + 1) * entry,
            Kind::Lru => count * entry + count.next_power_of_two() * BUCKET,
            Kind::Hash(spare) => {
                (count + u64::from(spare)) * entry + count.next_power_of_two() * BUCKET
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_follow_the_machine_but_are_never_tiny() {
        let entries = |threads, argv| {
            let identity = Kept { cgroups: Kept::CGROUPS, argv, ..Kept::default() };
            let sizes = Sizes { identity, ..Sizes::new(threads, 32_768) };
            sizes.maps(2).map(|room| room.entries)
        };
        assert_eq!(entries(1, false), [3, 32_768, 1, 1, 16_384, 4096, 1, 4096]);
        let large = [400_002, 32_768, 400_000, 6251, 400_000, 100_000, 400_002, 4096];
        assert_eq!(entries(400_000, true), large);
    }
}
