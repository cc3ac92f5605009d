//! Groups of processes: the one open label of the metrics, capped.

use std::collections::HashMap;

use zc_common::{counter::Tally, slot::Owner};

use super::sparse::Sparse;

/// The group that takes what no other may: groups beyond the cap, and charges of
/// threads that got no slot. So sums over groups always hold.
pub const OTHER: &str = "other";

/// The group of every kernel thread; `ps` shows them in brackets too.
pub const KERNEL: &str = "[kernel]";

/// The name of the group that a process belongs to.
#[must_use]
pub fn name_of(owner: &Owner) -> String {
    if owner.kernel_thread { KERNEL.to_owned() } else { text(&owner.comm) }
}

/// A comm as text; bytes that are not UTF-8 become U+FFFD.
#[must_use]
pub fn text(comm: &[u8; 16]) -> String {
    let end = comm.iter().position(|byte| *byte == 0).unwrap_or(comm.len());
    String::from_utf8_lossy(&comm[..end]).into_owned()
}

/// A position in [`Groups`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupId(usize);

impl GroupId {
    /// The group [`OTHER`].
    pub const OTHER: Self = Self(0);
}

/// Every group and its total. Totals only grow, and no group ever leaves.
#[derive(Debug)]
pub struct Groups {
    cap: usize,
    totals: Vec<(String, Tally)>,
    ids: HashMap<String, GroupId>,
    overflowed: u64,
}

impl Groups {
    /// No groups but [`OTHER`]; at most `cap` besides.
    #[must_use]
    pub fn new(cap: usize) -> Self {
        Self {
            cap,
            totals: vec![(OTHER.to_owned(), Tally::default())],
            ids: HashMap::from([(OTHER.to_owned(), GroupId::OTHER)]),
            overflowed: 0,
        }
    }

    /// The group of this name, made if there is room, else [`OTHER`]. The choice
    /// is kept, so that no total moves from one group to another.
    pub fn id(&mut self, name: &str) -> GroupId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        if self.totals.len() > self.cap {
            self.overflowed += 1;
            return GroupId::OTHER;
        }
        let id = GroupId(self.totals.len());
        self.totals.push((name.to_owned(), Tally::default()));
        self.ids.insert(name.to_owned(), id);
        id
    }

    /// Adds a delta to a group's total.
    pub fn book(&mut self, id: GroupId, delta: &Sparse) {
        delta.add_to(&mut self.totals[id.0].1);
    }

    /// Every group and its total.
    pub fn iter(&self) -> impl Iterator<Item = &(String, Tally)> {
        self.totals.iter()
    }

    /// How many groups there are, [`OTHER`] included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.totals.len()
    }

    /// Whether there is no group: never, as there is [`OTHER`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.totals.is_empty()
    }

    /// How often something had to be booked to [`OTHER`] for want of room.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }
}
