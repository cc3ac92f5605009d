//! The ledger: books what was charged to threads to their processes and groups.
//!
//! A slot's reading is compared with the one before; the difference is booked to
//! the process (tgid and start, so that a reused pid is another process) and to
//! its group. A retired slot is booked once more after it was first seen retired,
//! then given back: whatever its owner was still charging is in by then. So is an
//! orphan, a slot that its owner can no longer find, once it has long stood still.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use zc_common::{
    counter::Tally,
    slot::{Look, Owner, ProcessKey, Reading},
};

use super::{
    group::{self, GroupId, Groups},
    snapshot::{Group, Process, Snapshot},
    sparse::Sparse,
};

/// Totals of every process that lives and every group that was ever seen.
#[derive(Debug)]
pub struct Ledger {
    groups: Groups,
    processes: HashMap<ProcessKey, Account, RandomState>,
    slots: HashMap<u32, Held, RandomState>,
    /// What was charged since the reading before, of the slot that is booked.
    delta: Sparse,
    /// What was charged to no thread.
    nobody: Tally,
    pass: u64,
}

/// A process as it was seen in the last pass.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Who it is.
    pub key: ProcessKey,
    /// Whose child it is.
    pub parent: ProcessKey,
    /// The cgroup that it was in when it last started a program.
    pub cgroup: u64,
    /// What it is called.
    pub comm: &'a [u8; 16],
    /// Whether it has threads still.
    pub lives: bool,
    /// Its total since zc first saw it run.
    pub tally: &'a Sparse,
}

/// Passes after which an orphan that stands still is given back.
const GIVEN_UP: u32 = 1000;

/// A process' own total.
#[derive(Debug)]
struct Account {
    comm: [u8; 16],
    parent: ProcessKey,
    cgroup: u64,
    /// Whether `comm` is from a leader's slot that was live.
    named: bool,
    tally: Sparse,
    threads: u32,
    last_pass: u64,
}

/// The last reading of a slot.
#[derive(Debug)]
struct Held {
    tally: Sparse,
    retired: bool,
    /// Whose it is; none for a CPU's reserved slot.
    process: Option<ProcessKey>,
    /// Passes that it has been an orphan and stood still.
    abandoned: u32,
    /// The group it was booked to while its process went by another name than
    /// the slot has.
    group: Option<GroupId>,
}

impl Ledger {
    /// Bytes that the books keep of each slot in use, but for the free room of tables and
    /// [`Sparse::ENTRY`] for each of its counters that is not zero.
    pub const A_SLOT: usize = size_of::<(u32, Held)>();
    /// The same of each process.
    pub const A_PROCESS: usize = size_of::<(ProcessKey, Account)>();

    /// An empty ledger with room for `max_groups` groups besides `other`.
    #[must_use]
    pub fn new(max_groups: usize) -> Self {
        Self {
            groups: Groups::new(max_groups),
            processes: HashMap::default(),
            slots: HashMap::default(),
            delta: Sparse::default(),
            nobody: Tally::default(),
            pass: 0,
        }
    }

    /// Starts a pass over all slots.
    pub fn begin(&mut self) {
        self.pass += 1;
    }

    /// Books what a look at a slot shows; true if the slot may be given back.
    pub fn look(&mut self, look: Look<'_>) -> bool {
        match look {
            Look::Read(reading) => self.book(reading),
            Look::Still(slot) => {
                self.stays(slot);
                false
            }
        }
    }

    /// Notes that the owner of a slot lives, and did nothing since it was booked.
    fn stays(&mut self, slot: u32) {
        let process = self.slots.get(&slot).and_then(|held| held.process);
        if let Some(account) = process.and_then(|key| self.processes.get_mut(&key)) {
            account.count(false, self.pass);
        }
    }

    /// Books one reading; true if its slot may be given back.
    pub fn book(&mut self, reading: &Reading) -> bool {
        let held = self.slots.entry(reading.slot).or_insert_with(|| Held {
            tally: Sparse::of(&Tally::starting_at(reading.base)),
            retired: false,
            process: reading.owner.map(|owner| owner.process),
            abandoned: 0,
            group: None,
        });
        let delta = &mut self.delta;
        held.tally.advance(&reading.tally, delta);
        let still = reading.orphan && !reading.retired && delta.is_zero();
        held.abandoned = if still { held.abandoned + 1 } else { 0 };
        let done = held.retired && reading.retired || held.abandoned == GIVEN_UP;
        held.retired = reading.retired;
        let Some(owner) = &reading.owner else {
            self.groups.book(GroupId::OTHER, delta);
            delta.add_to(&mut self.nobody);
            return false;
        };
        let account = self.processes.entry(owner.process).or_insert_with(|| Account::new(owner));
        account.see(owner, reading.retired || reading.orphan, self.pass);
        if !delta.is_zero() {
            if !reading.retired {
                held.group = account.renamed_group(owner, &mut self.groups);
            }
            account.tally.add(delta);
            // What was done under a slot's own name stays with that name, but for
            // threads whose process was renamed since.
            let group = held.group.unwrap_or_else(|| self.groups.id(&group::name_of(owner)));
            self.groups.book(group, delta);
        }
        if done {
            self.slots.remove(&reading.slot);
        }
        done
    }

    /// Ends a pass: forgets processes of which nothing was seen.
    pub fn end(&mut self) {
        let pass = self.pass;
        self.processes.retain(|_, account| account.last_pass == pass);
    }

    /// What was charged to no thread: copies of packets and for devices that are on nobody's
    /// account, and what threads did that got no slot.
    #[must_use]
    pub fn nobody(&self) -> &Tally {
        &self.nobody
    }

    /// Every process that was seen in the last pass: those that have just ended, too.
    pub fn processes(&self) -> impl Iterator<Item = Seen<'_>> {
        self.processes.iter().map(|(key, account)| Seen {
            key: *key,
            parent: account.parent,
            cgroup: account.cgroup,
            comm: &account.comm,
            lives: account.threads > 0,
            tally: &account.tally,
        })
    }

    /// All totals of groups as they stand.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let groups = self
            .groups
            .iter()
            .map(|(name, tally)| Group { name: name.clone(), tally: tally.clone() });
        Snapshot {
            groups: groups.collect(),
            processes: self.living().count(),
            threads: self.slots.values().filter(|held| held.process.is_some()).count(),
            group_overflow: self.groups.overflowed(),
            ..Snapshot::default()
        }
    }

    /// Every process that lives and has run, by pid.
    #[must_use]
    pub fn census(&self) -> Vec<Process> {
        let mut processes: Vec<_> = self
            .living()
            .map(|(key, account)| Process {
                key: *key,
                name: group::text(&account.comm),
                threads: account.threads,
                tally: account.tally.clone(),
            })
            .collect();
        processes.sort_unstable_by_key(|process| process.key);
        processes
    }

    fn living(&self) -> impl Iterator<Item = (&ProcessKey, &Account)> {
        self.processes.iter().filter(|(_, account)| account.threads > 0)
    }
}

impl Account {
    fn new(owner: &Owner) -> Self {
        Self {
            comm: owner.comm,
            parent: owner.parent,
            cgroup: owner.cgroup,
            named: false,
            tally: Sparse::default(),
            threads: 0,
            last_pass: 0,
        }
    }

    /// Counts one of its threads.
    fn count(&mut self, retired: bool, pass: u64) {
        if self.last_pass != pass {
            self.last_pass = pass;
            self.threads = 0;
        }
        self.threads += u32::from(!retired);
    }

    /// Notes one of its slots: it lives, and if the slot is its leader's, what it
    /// is called.
    fn see(&mut self, owner: &Owner, retired: bool, pass: u64) {
        self.count(retired, pass);
        if !retired && owner.leads() {
            self.comm = owner.comm;
            self.parent = owner.parent;
            self.cgroup = owner.cgroup;
            self.named = true;
        } else if !self.named {
            self.comm = owner.comm;
        }
    }

    /// The group of a thread whose process was renamed after its slot was taken.
    fn renamed_group(&self, owner: &Owner, groups: &mut Groups) -> Option<GroupId> {
        let renamed = self.named && self.comm != owner.comm && !owner.leads();
        renamed.then(|| groups.id(&group::name_of(&Owner { comm: self.comm, ..*owner })))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zc_common::{counter::Counter, flow::Flow};

    use super::*;

    const BYTES: Counter = Counter::bytes(Flow::ReadFile);

    fn owner(tgid: u32, tid: u32, start: u64, comm: &str) -> Owner {
        let mut bytes = [0; 16];
        bytes[..comm.len()].copy_from_slice(comm.as_bytes());
        let process = ProcessKey { tgid, start };
        let parent = ProcessKey { tgid: 1, start: 0 };
        Owner { process, tid, comm: bytes, parent, cgroup: 0, kernel_thread: false }
    }

    fn reading(slot: u32, owner: Option<Owner>, bytes: u64, retired: bool) -> Reading {
        let mut tally = Tally::default();
        tally[BYTES] = bytes;
        Reading { slot, retired, orphan: false, owner, base: [0; Counter::MIRRORED], tally }
    }

    fn pass(ledger: &mut Ledger, readings: &[Reading]) -> Vec<bool> {
        ledger.begin();
        let done = readings.iter().map(|reading| ledger.book(reading)).collect();
        ledger.end();
        done
    }

    fn group(ledger: &Ledger, name: &str) -> u64 {
        let snapshot = ledger.snapshot();
        snapshot.groups.iter().find(|group| group.name == name).map_or(0, |g| g.tally[BYTES])
    }

    #[test]
    fn a_retired_slot_is_booked_twice_and_then_given_back() {
        let mut ledger = Ledger::new(10);
        let dd = Some(owner(7, 7, 1, "dd"));
        assert_eq!(pass(&mut ledger, &[reading(3, dd, 100, false)]), [false]);
        assert_eq!(pass(&mut ledger, &[reading(3, dd, 150, true)]), [false]);
        assert_eq!(pass(&mut ledger, &[reading(3, dd, 160, true)]), [true]);
        assert_eq!(group(&ledger, "dd"), 160);
        // It has ended, but its total can still be asked for, until the next pass.
        let seen: Vec<_> = ledger.processes().map(|p| (p.lives, p.tally.whole()[BYTES])).collect();
        assert_eq!(seen, [(false, 160)]);
        assert!(pass(&mut ledger, &[]).is_empty());
        assert_eq!(ledger.snapshot().processes, 0);
        assert_eq!(group(&ledger, "dd"), 160);
    }

    #[test]
    fn who_sleeps_lives_and_keeps_its_total() {
        let mut ledger = Ledger::new(10);
        pass(&mut ledger, &[reading(3, Some(owner(7, 7, 1, "a")), 100, false)]);
        ledger.begin();
        assert!(!ledger.look(Look::Still(3)));
        ledger.end();
        let processes = ledger.census();
        assert_eq!((processes.len(), processes[0].threads), (1, 1));
        pass(&mut ledger, &[reading(3, Some(owner(7, 7, 1, "a")), 130, false)]);
        assert_eq!(group(&ledger, "a"), 130);
    }

    #[test]
    fn a_slot_used_again_starts_from_its_own_base() {
        let mut ledger = Ledger::new(10);
        pass(&mut ledger, &[reading(3, Some(owner(7, 7, 1, "a")), 100, true)]);
        pass(&mut ledger, &[reading(3, Some(owner(7, 7, 1, "a")), 100, true)]);
        let mut next = reading(3, Some(owner(8, 8, 2, "b")), 0, false);
        next.base = [5; Counter::MIRRORED];
        next.tally = Tally::starting_at([9; Counter::MIRRORED]);
        pass(&mut ledger, &[next]);
        let snapshot = ledger.snapshot();
        let b = snapshot.groups.iter().find(|group| group.name == "b").unwrap();
        assert_eq!(b.tally, Tally::starting_at([4; Counter::MIRRORED]));
    }

    #[test]
    fn a_reused_pid_is_another_process() {
        let mut ledger = Ledger::new(10);
        let readings = [
            reading(3, Some(owner(7, 7, 1, "old")), 10, true),
            reading(4, Some(owner(7, 7, 2, "new")), 20, false),
        ];
        pass(&mut ledger, &readings);
        let processes = ledger.census();
        assert_eq!((processes.len(), ledger.snapshot().processes), (1, 1));
        assert_eq!(processes[0].tally.whole()[BYTES], 20);
        assert_eq!((group(&ledger, "old"), group(&ledger, "new")), (10, 20));
    }

    #[test]
    fn what_was_done_before_an_exec_stays_with_the_old_name() {
        let mut ledger = Ledger::new(10);
        let sh = Some(owner(7, 7, 1, "sh"));
        let dd = Some(owner(7, 7, 1, "dd"));
        pass(&mut ledger, &[reading(3, sh, 10, false)]);
        pass(&mut ledger, &[reading(4, dd, 200, false), reading(3, sh, 30, true)]);
        assert_eq!((group(&ledger, "sh"), group(&ledger, "dd")), (30, 200));
        let processes = ledger.census();
        assert_eq!((processes.len(), ledger.snapshot().processes), (1, 1));
        assert_eq!(processes[0].name, "dd");
        assert_eq!(processes[0].tally.whole()[BYTES], 230);
    }

    #[test]
    fn a_thread_is_booked_under_its_own_program_even_if_all_ended_meanwhile() {
        let mut ledger = Ledger::new(10);
        let sh = Some(owner(7, 7, 1, "sh"));
        let python = Some(owner(7, 7, 1, "python"));
        let thread = Some(owner(7, 8, 1, "python"));
        let readings =
            [reading(1, sh, 10, true), reading(3, thread, 30, true), reading(2, python, 20, true)];
        pass(&mut ledger, &readings);
        assert_eq!((group(&ledger, "sh"), group(&ledger, "python")), (10, 50));
    }

    #[test]
    fn threads_follow_their_process_to_its_new_name() {
        let mut ledger = Ledger::new(10);
        let leader = |comm| Some(owner(7, 7, 1, comm));
        let thread = Some(owner(7, 8, 1, "old"));
        pass(&mut ledger, &[reading(1, leader("old"), 1, false), reading(2, thread, 10, false)]);
        let renamed = [reading(3, leader("new"), 2, false), reading(2, thread, 30, false)];
        pass(&mut ledger, &renamed);
        assert_eq!((group(&ledger, "old"), group(&ledger, "new")), (11, 22));
        pass(&mut ledger, &[reading(3, leader("new"), 2, false), reading(2, thread, 35, true)]);
        assert_eq!((group(&ledger, "old"), group(&ledger, "new")), (11, 27));
    }

    #[test]
    fn an_orphan_is_given_back_once_it_has_long_stood_still() {
        let mut ledger = Ledger::new(10);
        let mut lost = reading(3, Some(owner(7, 8, 1, "a")), 10, false);
        lost.orphan = true;
        assert_eq!(pass(&mut ledger, &[lost.clone()]), [false]);
        for _ in 1..GIVEN_UP {
            assert_eq!(pass(&mut ledger, &[lost.clone()]), [false]);
        }
        assert_eq!(pass(&mut ledger, &[lost]), [true]);
        assert_eq!(group(&ledger, "a"), 10);
        assert_eq!(ledger.snapshot().processes, 0);
    }

    #[test]
    fn groups_beyond_the_cap_go_to_other() {
        let mut ledger = Ledger::new(2);
        let readings: Vec<_> = (0..4)
            .map(|n| reading(n, Some(owner(n + 1, n + 1, 1, &format!("g{n}"))), 10, false))
            .collect();
        pass(&mut ledger, &readings);
        let snapshot = ledger.snapshot();
        assert_eq!(snapshot.groups.len(), 3);
        assert_eq!(group(&ledger, "other"), 20);
    }

    #[test]
    fn charges_without_a_thread_go_to_other() {
        let mut ledger = Ledger::new(2);
        pass(&mut ledger, &[reading(0, None, 12, false), reading(1, None, 5, false)]);
        assert_eq!(group(&ledger, "other"), 17);
        assert_eq!(ledger.snapshot().threads, 0);
    }

    proptest! {
        /// Whatever comes and goes, the groups hold all that was charged, and no
        /// group's total ever falls.
        #[test]
        fn sums_hold_and_totals_never_fall(
            steps in prop::collection::vec((0_u32..6, 0_u64..1000, any::<bool>()), 1..200)
        ) {
            let mut ledger = Ledger::new(3);
            let mut lives = [(0_u64, 0_u64, false); 6];
            let mut charged = 0;
            let mut before: HashMap<String, u64> = HashMap::new();
            for (slot, amount, retire) in steps {
                let (start, bytes, retired) = &mut lives[slot as usize];
                if !*retired {
                    *bytes += amount;
                    charged += amount;
                    *retired = retire;
                }
                let name = format!("g{}", (*start + u64::from(slot)) % 5);
                let who = owner(slot + 1, slot + 1, *start, &name);
                let now = reading(slot, Some(who), *bytes, *retired);
                if pass(&mut ledger, &[now]) == [true] {
                    lives[slot as usize] = (*start + 1, 0, false);
                }
                let snapshot = ledger.snapshot();
                let sum: u64 = snapshot.groups.iter().map(|group| group.tally[BYTES]).sum();
                prop_assert_eq!(sum, charged);
                for group in &snapshot.groups {
                    let last = before.insert(group.name.clone(), group.tally[BYTES]).unwrap_or(0);
                    prop_assert!(group.tally[BYTES] >= last);
                }
            }
        }
    }
}
