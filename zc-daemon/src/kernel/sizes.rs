//! How large the maps are, and what memory they take of the kernel's.

use zc_common::slot::{CpuState, Sender, Slot};

/// How large the maps are to be.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Threads that can be followed at a time.
    pub threads: u32,
    /// Thread ids there can be (`/proc/sys/kernel/pid_max`).
    pub pids: u32,
    /// Call sites to keep bytes by; with 0 none are kept, and taking stacks is dead code.
    pub sites: u32,
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
    /// Entries and a table that leads to them.
    Hash,
}

/// Senders that are known at a time, at least.
const LEAST_SENDERS: u32 = 16 * 1024;
/// Requests of an io_uring that a worker did and that are not complete, at least.
const LEAST_REQUESTS: u32 = 4 * 1024;
/// Threads of the machine to a request.
const THREADS_A_REQUEST: u32 = 4;

impl Sizes {
    /// As small as may be.
    pub(super) const LEAST: Self = Self { threads: 1, pids: 1, sites: 0 };

    /// The maps that follow the machine, on one of so many CPUs.
    #[must_use]
    pub fn maps(self, cpus: u32) -> [Room; 5] {
        let Self { threads, pids, .. } = self;
        let (word, slot) = (size_of::<u64>() as u64, size_of::<Slot>() as u64);
        let [sender, evidence] = [size_of::<Sender>() as u64, 2 * word];
        let hashed = |value| HASH_NODE + word + value;
        [
            Room { map: "SLOTS", entries: cpus + threads, entry: slot, kind: Kind::Array },
            // An array rounds its entries of four bytes up.
            Room { map: "SLOT_OF", entries: pids, entry: word, kind: Kind::Array },
            Room { map: "FREE", entries: threads, entry: word / 2, kind: Kind::Stack },
            Room {
                map: "OWNERS",
                entries: threads.max(LEAST_SENDERS),
                entry: hashed(sender),
                kind: Kind::Hash,
            },
            Room {
                map: "HANDED",
                entries: (threads / THREADS_A_REQUEST).max(LEAST_REQUESTS),
                entry: hashed(evidence),
                kind: Kind::Hash,
            },
        ]
    }

    /// What all maps take that are always there, in bytes.
    #[must_use]
    pub fn bytes(self, cpus: u32) -> u64 {
        self.maps(cpus).iter().map(|room| room.bytes()).sum::<u64>() + FIXED
    }
}

/// `struct htab_elem` of an LRU map, without the key (kernel/bpf/hashtab.c).
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
            Kind::Hash => count * entry + count.next_power_of_two() * BUCKET,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_follow_the_machine_but_are_never_tiny() {
        let entries = |threads| {
            let maps = Sizes { threads, pids: 32_768, sites: 0 }.maps(2);
            maps.map(|room| room.entries)
        };
        assert_eq!(entries(1), [3, 32_768, 1, 16_384, 4096]);
        assert_eq!(entries(400_000), [400_002, 32_768, 400_000, 400_000, 100_000]);
    }
}
