//! Every map on one screen.
//!
//! `max_entries` of the first six is set by the loader, which sizes them to the machine,
//! and of those of call sites; the memory is theirs from creation on. What becomes of the
//! counts when one is full: `docs/sizing.md`.

use core::cell::UnsafeCell;

use aya_ebpf::{
    btf_maps::{Array, HashMap, LruHashMap, Stack, StackTrace},
    macros::btf_map,
};
use zc_common::{
    audit::{Site, Watch},
    relay::{Brought, Place, Relay, Sums},
    site::{CallSite, Weight},
    slot::{Arguments, CgroupPath, CpuState, Handed, Sender, Slot},
};

/// `BPF_F_MMAPABLE`: the daemon reads it by memory, without a system call.
const MMAPABLE: usize = 1 << 10;

/// One slot a thread, after one reserved slot a CPU.
#[btf_map]
pub static SLOTS: Array<Slot, 1, MMAPABLE> = Array::new();

/// The slot of each thread id, 0 for none.
#[btf_map]
pub static SLOT_OF: Array<u32, 1, MMAPABLE> = Array::new();

/// The numbers of the free slots, the one given back last on top: those in use stay close
/// together, and the daemon looks at no others.
#[btf_map]
pub static FREE: Stack<u32, 1> = Stack::new();

/// How often slots of each [`Slot::BLOCK`] were taken: where the daemon has been given as many
/// back, none is in use, and it looks at none.
#[btf_map]
pub static TAKEN: Array<u64, 1, MMAPABLE> = Array::new();

/// Who sent what a `struct ubuf_info` stands for, by its address.
#[btf_map]
pub static OWNERS: LruHashMap<u64, Sender, 1> = LruHashMap::new();

/// What a worker of an io_uring saw of a request, which another thread may complete, by the
/// address of the request. None makes room for another one: that must not go unnoticed.
#[btf_map]
pub static HANDED: HashMap<u64, Handed, 1> = HashMap::new();

/// What an audit counts: its entries are made by the daemon, so that nothing is
/// inserted while an exception is handled. Empty unless there is an audit.
#[btf_map]
pub static WATCHED: HashMap<Site, Watch, 16> = HashMap::new();

/// What was copied at each call site. It and `STACKS` have room if sites are kept.
#[btf_map]
pub static SITES: HashMap<CallSite, Weight, 1> = HashMap::new();

/// Stacks, by a number that the kernel gives them.
#[btf_map]
pub static STACKS: StackTrace<1> = StackTrace::new();

/// The same for those whose place in `STACKS` another one has taken: the kernel puts a stack
/// nowhere but where its hash says.
#[btf_map]
pub static MORE_STACKS: StackTrace<1> = StackTrace::new();

/// What calls took in, for a time. It and `RELAYS` have room if relays are looked for.
#[btf_map]
pub static BROUGHT: LruHashMap<Place, Brought, 1> = LruHashMap::new();

/// What went out as it had come in, and what did not.
#[btf_map]
pub static RELAYS: HashMap<Relay, Sums, 1> = HashMap::new();

/// The arguments of each slot's process. It has room if they are kept.
#[btf_map]
pub static ARGV: Array<Arguments, 1, MMAPABLE> = Array::new();

/// The paths of cgroups that were made since the daemon last looked, by id. It has room if
/// they are noted.
#[btf_map]
pub static CGROUPS: HashMap<u64, CgroupPath, 1> = HashMap::new();

/// Where such a path is written before it is noted; the kernel makes one cgroup at a time.
#[btf_map]
pub static PATH: Array<CgroupPath, 1> = Array::new();

/// What each CPU keeps to itself, at a direct address (the `.bss` map).
#[repr(transparent)]
pub struct PerCpu(UnsafeCell<[CpuState; Slot::MAX_CPUS]>);

// SAFETY: element N is written only by programs running on CPU N; a program is
// not migrated while it runs. Where one can be preempted (since 7.0), the
// word of the slot is written anew at each switch, for the thread that comes on.
unsafe impl Sync for PerCpu {}

#[unsafe(no_mangle)]
static CPUS: PerCpu = PerCpu(UnsafeCell::new([CpuState::NEW; Slot::MAX_CPUS]));

impl PerCpu {
    /// The address of one CPU's state; the mask bounds it for the verifier.
    #[inline(always)]
    pub fn of(cpu: u32) -> *mut CpuState {
        let first = CPUS.0.get().cast::<CpuState>();
        first.wrapping_add(cpu as usize & (Slot::MAX_CPUS - 1))
    }
}
