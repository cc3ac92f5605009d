//! The layout of a tally: one word a counter, and which word is which.
//!
//! The kernel half adds to `tally[Counter]`; ledger, JSON and metrics only ever
//! see whole tallies. A new counter is a new row of one of the closed sets
//! ([`Switch`], [`Fault`], [`Backing`], [`Class`], [`Flow`]) and costs them nothing.

use crate::{
    fallback::Fallback,
    flow::{Direction, Flow, Route},
    syscall::Class,
};

names! {
    /// A context switch of a thread, as the scheduler classifies it.
    Switch {
        /// The thread blocked or yielded (`task_struct.nvcsw`).
        Voluntary = "voluntary",
        /// The thread was preempted (`task_struct.nivcsw`).
        Involuntary = "involuntary",
    }
}

names! {
    /// A page fault of a thread, as the kernel accounts it.
    Fault {
        /// Served without waiting for a device (`task_struct.min_flt`).
        Minor = "minor",
        /// Waited for a device (`task_struct.maj_flt`).
        Major = "major",
    }
}

names! {
    /// A copy of which the kernel checked the size beforehand (`__check_object_size`).
    Checked {
        /// To user memory.
        ToUser = "to_user",
        /// From user memory.
        FromUser = "from_user",
    }
}

names! {
    /// What stands behind the mapping that a page fault was in.
    Backing {
        /// No file: heap, stack, private memory (`vm_area_struct.vm_ops` is null).
        Anonymous = "anonymous",
        /// A file, shared memory, a huge page of hugetlbfs, a device, the vDSO.
        File = "file",
    }
}

/// The position of one counter in a [`Tally`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter(usize);

const FAULTS: usize = Switch::COUNT;
const SYSCALLS: usize = FAULTS + Fault::COUNT;
const FLOWS: usize = SYSCALLS + Class::COUNT;
const MEASURED: usize = FLOWS + 2 * Flow::COUNT;
const REFERENCES: usize = MEASURED + 2 * Route::COUNT * Direction::COUNT;
const FALLBACKS: usize = REFERENCES + Route::COUNT;
const CHECKED: usize = FALLBACKS + Fallback::COUNT;
const BACKED: usize = CHECKED + Checked::COUNT;

impl Counter {
    /// How many counters a tally holds.
    pub const COUNT: usize = BACKED + Fault::COUNT * Backing::COUNT;
    /// The first [`Self::MIRRORED`] counters are copies of words that the
    /// kernel keeps in `task_struct`: switches, then faults.
    pub const MIRRORED: usize = SYSCALLS;
    /// Those of them that are switches.
    pub const SWITCHES: usize = FAULTS;

    /// Context switches of one type.
    #[must_use]
    pub const fn switches(switch: Switch) -> Self {
        Self(switch.index())
    }

    /// Page faults of one type.
    #[must_use]
    pub const fn faults(fault: Fault) -> Self {
        Self(FAULTS + fault.index())
    }

    /// System calls of one class that returned.
    #[must_use]
    pub const fn syscalls(class: Class) -> Self {
        Self(SYSCALLS + class.index())
    }

    /// System calls of the class at a position of [`Class::ALL`]; beyond it the
    /// counter is in no tally.
    #[must_use]
    pub const fn syscall_at(class: usize) -> Self {
        if class < Class::COUNT { Self(SYSCALLS + class) } else { Self(usize::MAX) }
    }

    /// Bytes that went by one flow.
    #[must_use]
    pub const fn bytes(flow: Flow) -> Self {
        Self(FLOWS + 2 * flow as usize)
    }

    /// Calls that moved at least one byte by one flow.
    #[must_use]
    pub const fn calls(flow: Flow) -> Self {
        Self(FLOWS + 2 * flow as usize + 1)
    }

    /// Bytes and calls of the flow at a position of [`Flow::ALL`]; none beyond it.
    #[must_use]
    pub const fn flow_at(flow: usize) -> Option<(Self, Self)> {
        if flow < Flow::COUNT {
            Some((Self(FLOWS + 2 * flow), Self(FLOWS + 2 * flow + 1)))
        } else {
            None
        }
    }

    /// Bytes seen copied by one route in one direction, and how often.
    #[must_use]
    pub const fn measured(route: Route, direction: Direction) -> (Self, Self) {
        let row = MEASURED + 2 * (Direction::COUNT * route.index() + direction.index());
        (Self(row), Self(row + 1))
    }

    /// The same for the route at a position of [`Route::ALL`]; none beyond it.
    #[must_use]
    pub const fn measured_at(route: usize, direction: Direction) -> Option<(Self, Self)> {
        if route < Route::COUNT {
            let row = MEASURED + 2 * (Direction::COUNT * route + direction.index());
            Some((Self(row), Self(row + 1)))
        } else {
            None
        }
    }

    /// Bytes that changed hands by reference on one route.
    #[must_use]
    pub const fn references(route: Route) -> Self {
        Self(REFERENCES + route.index())
    }

    /// The same for the route at a position of [`Route::ALL`]; none beyond it.
    #[must_use]
    pub const fn references_at(route: usize) -> Option<Self> {
        if route < Route::COUNT { Some(Self(REFERENCES + route)) } else { None }
    }

    /// Bytes that a promise not kept had copied.
    #[must_use]
    pub const fn fallback(fallback: Fallback) -> Self {
        Self(FALLBACKS + fallback.index())
    }

    /// Bytes of those measured that are known by the check of their size alone.
    #[must_use]
    pub const fn checked(checked: Checked) -> Self {
        Self(CHECKED + checked.index())
    }

    /// Page faults of one type, by what backs the page.
    #[must_use]
    pub const fn backed(fault: Fault, backing: Backing) -> Self {
        Self(BACKED + Backing::COUNT * fault.index() + backing.index())
    }

    /// The position in the tally.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// One value a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally([u64; Counter::COUNT]);

impl Default for Tally {
    fn default() -> Self {
        Self([0; Counter::COUNT])
    }
}

impl core::ops::Index<Counter> for Tally {
    type Output = u64;

    fn index(&self, counter: Counter) -> &u64 {
        &self.0[counter.0]
    }
}

impl core::ops::IndexMut<Counter> for Tally {
    fn index_mut(&mut self, counter: Counter) -> &mut u64 {
        &mut self.0[counter.0]
    }
}

impl Tally {
    /// A tally from its words, in counter order.
    #[must_use]
    pub const fn from_words(words: [u64; Counter::COUNT]) -> Self {
        Self(words)
    }

    /// Its words, in counter order.
    #[must_use]
    pub const fn words(&self) -> &[u64; Counter::COUNT] {
        &self.0
    }

    /// The same, to be written.
    pub const fn words_mut(&mut self) -> &mut [u64; Counter::COUNT] {
        &mut self.0
    }

    /// A tally with only the mirrored counters set: where a slot starts from.
    #[must_use]
    pub fn starting_at(base: [u64; Counter::MIRRORED]) -> Self {
        let mut tally = Self::default();
        tally.0[..Counter::MIRRORED].copy_from_slice(&base);
        tally
    }

    /// What has been charged since `earlier`, counter by counter.
    ///
    /// A counter that went down is taken as restarted from zero, so that no
    /// delta is ever negative or huge.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut delta = Self::default();
        for (delta, (now, before)) in delta.0.iter_mut().zip(self.0.iter().zip(&earlier.0)) {
            *delta = now.checked_sub(*before).unwrap_or(*now);
        }
        delta
    }

    /// Adds another tally to this one, counter by counter.
    pub fn add(&mut self, other: &Self) {
        for (sum, value) in self.0.iter_mut().zip(&other.0) {
            *sum = sum.wrapping_add(*value);
        }
    }

    /// Whether every counter is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|value| *value == 0)
    }
}
