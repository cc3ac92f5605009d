//! The processes that are judged together: one and its descendants, what a command
//! becomes, or all of a cgroup.

use std::collections::{BTreeSet, HashMap, HashSet};

use zc_common::{counter::Tally, slot::ProcessKey};

use super::{
    identity,
    ledger::Seen,
    reason::{self, Reason},
    sparse::Sparse,
};

/// Which processes belong to a tree from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// The process of this id, alone.
    Process(u32),
    /// The processes of these ids, and their descendants.
    Family(BTreeSet<u32>),
    /// The children of the process of this id, without itself.
    ChildrenOf(u32),
    /// All but the process of this id.
    AllBut(u32),
    /// All processes that were in cgroups of these ids when they started a program, and
    /// those of these process ids.
    Cgroups(BTreeSet<u64>, BTreeSet<u32>),
}

/// Who belongs together, and what they did since the start.
///
/// A descendant belongs to it whoever takes it in when its parent ends, as it was seen to
/// be a child of a member first, or is one of who takes in what members leave.
#[derive(Debug)]
pub struct Tree {
    root: Root,
    /// Ids of the root whose processes have not run yet.
    awaited: BTreeSet<u32>,
    members: HashMap<ProcessKey, Member>,
    /// Who was seen not to belong to it.
    outside: HashSet<ProcessKey>,
    /// Members that have ended, so that their children are known by them.
    ended: HashSet<ProcessKey>,
    /// What they did.
    past: Tally,
    /// Why they copied.
    past_reasons: Vec<Reason>,
    names: BTreeSet<String>,
    /// What each was called last, by id.
    name_of: HashMap<u32, String>,
    count: usize,
}

#[derive(Debug)]
struct Member {
    before: Sparse,
    now: Sparse,
    lives: bool,
}

impl Member {
    fn delta(&self) -> Tally {
        self.now.whole().since(&self.before.whole())
    }
}

impl Tree {
    /// A tree in which nobody was seen yet.
    #[must_use]
    pub fn new(root: Root) -> Self {
        let awaited = match &root {
            Root::Process(pid) => [*pid].into(),
            Root::Family(pids) => pids.clone(),
            Root::ChildrenOf(_) | Root::AllBut(_) | Root::Cgroups(..) => BTreeSet::new(),
        };
        Self {
            root,
            awaited,
            members: HashMap::new(),
            outside: HashSet::new(),
            ended: HashSet::new(),
            past: Tally::default(),
            past_reasons: Vec::new(),
            names: BTreeSet::new(),
            name_of: HashMap::new(),
            count: 0,
        }
    }

    /// These cgroups belong to it, too, and from here on these processes.
    pub fn extend(&mut self, more: BTreeSet<u64>, now: BTreeSet<u32>) {
        if let Root::Cgroups(ids, pids) = &mut self.root {
            ids.extend(more);
            *pids = now;
        }
    }

    /// Books one pass: everybody who was seen in it.
    pub fn see<'a>(&mut self, seen: impl Iterator<Item = Seen<'a>>) {
        let mut seen: Vec<_> = seen.collect();
        // Of two that had the same id, the one that had it first.
        seen.sort_unstable_by_key(|process| process.key.start);
        self.admit(&seen);
        let mut ended: HashSet<_> = self.members.keys().copied().collect();
        for process in &seen {
            let Some(member) = self.members.get_mut(&process.key) else { continue };
            ended.remove(&process.key);
            member.now.clone_from(process.tally);
            member.lives = process.lives;
            let name = identity::text(process.comm);
            self.names.insert(name.clone().into_owned());
            self.name_of.insert(process.key.tgid, name.into_owned());
        }
        for key in ended {
            if let Some(member) = self.members.remove(&key) {
                self.past.add(&member.delta());
                reason::add(&mut self.past_reasons, reason::of(&member.delta()));
                self.ended.insert(key);
            }
        }
        let strangers = seen.iter().map(|process| process.key);
        self.outside = strangers.filter(|key| !self.members.contains_key(key)).collect();
    }

    /// Takes in whoever belongs to it, until nobody is left out.
    fn admit(&mut self, seen: &[Seen<'_>]) {
        loop {
            let known = self.members.len();
            for process in seen {
                if !self.members.contains_key(&process.key) && self.has(process) {
                    // Whoever gets its id later is another one.
                    self.awaited.remove(&process.key.tgid);
                    self.members.insert(process.key, self.member(process));
                    self.count += 1;
                }
            }
            if self.members.len() == known {
                return;
            }
        }
    }

    fn has(&self, process: &Seen<'_>) -> bool {
        let Seen { key, parent, .. } = process;
        let child = || self.members.contains_key(parent) || self.ended.contains(parent);
        let awaited = || self.awaited.contains(&key.tgid);
        match &self.root {
            Root::Process(_) => awaited(),
            Root::Family(_) => awaited() || child(),
            Root::AllBut(pid) => key.tgid != *pid,
            Root::ChildrenOf(pid) => parent.tgid == *pid || child(),
            Root::Cgroups(ids, pids) => {
                ids.contains(&process.cgroup) || pids.contains(&key.tgid) || child()
            }
        }
    }

    /// Whether a process was seen to belong to it in the last pass.
    #[must_use]
    pub fn contains(&self, process: &ProcessKey) -> bool {
        self.members.contains_key(process)
    }

    /// What a new member did before does not count if it was seen outside.
    fn member(&self, process: &Seen<'_>) -> Member {
        let was_outside = self.outside.contains(&process.key);
        let before = if was_outside { process.tally.clone() } else { Sparse::default() };
        Member { before, now: process.tally.clone(), lives: true }
    }

    /// What was done so far does not count.
    pub fn start(&mut self) {
        self.past = Tally::default();
        self.past_reasons.clear();
        for member in self.members.values_mut() {
            member.before.clone_from(&member.now);
        }
    }

    /// What all did since the start.
    #[must_use]
    pub fn total(&self) -> Tally {
        let mut total = self.past.clone();
        for member in self.members.values() {
            total.add(&member.delta());
        }
        total
    }

    /// Why they copied since the start, the weightiest first. What one process reads and
    /// another writes is no relay, so each is looked at by itself.
    #[must_use]
    pub fn reasons(&self) -> Vec<Reason> {
        let mut reasons = self.past_reasons.clone();
        for member in self.members.values() {
            reason::add(&mut reasons, reason::of(&member.delta()));
        }
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.bytes));
        reasons
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many live.
    #[must_use]
    pub fn living(&self) -> usize {
        self.members.values().filter(|member| member.lives).count()
    }

    /// The ids of those that live.
    #[must_use]
    pub fn living_pids(&self) -> Vec<u32> {
        let living = self.members.iter().filter(|(_, member)| member.lives);
        living.map(|(key, _)| key.tgid).collect()
    }

    /// What they were called, at each look.
    #[must_use]
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// What the process of this id was called when it was last seen.
    #[must_use]
    pub fn name_of(&self, pid: u32) -> Option<&str> {
        self.name_of.get(&pid).map(String::as_str)
    }

    /// Their process ids: of those that have ended, too.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.members.keys().chain(&self.ended).map(|key| key.tgid)
    }
}

#[cfg(test)]
mod tests {
    use zc_common::{counter::Counter, flow::Flow};

    use super::*;

    const BYTES: Counter = Counter::bytes(Flow::ReadFile);

    fn key(tgid: u32) -> ProcessKey {
        ProcessKey { tgid, start: u64::from(tgid) * 10 }
    }

    /// A pass in which processes (id, parent, cgroup, bytes) were seen.
    fn see(tree: &mut Tree, rows: &[(u32, u32, u64, u64)]) {
        let tallies: Vec<_> = rows.iter().map(|row| Sparse::of(&tally(row.3))).collect();
        let seen = rows.iter().zip(&tallies).map(|((tgid, parent, cgroup, _), tally)| Seen {
            key: key(*tgid),
            parent: key(*parent),
            cgroup: *cgroup,
            comm: b"dd\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            group: "dd",
            lives: true,
            tally,
        });
        tree.see(seen);
    }

    fn tally(bytes: u64) -> Tally {
        let mut tally = Tally::default();
        tally[BYTES] = bytes;
        tally
    }

    fn total(tree: &Tree) -> u64 {
        tree.total()[BYTES]
    }

    #[test]
    fn a_process_and_its_descendants_count_from_the_start() {
        let mut tree = Tree::new(Root::Family([7].into()));
        // In any order, a grandchild before its parent.
        see(&mut tree, &[(9, 8, 0, 100), (8, 7, 0, 10), (7, 1, 0, 1), (5, 1, 0, 1000)]);
        assert_eq!((tree.count(), total(&tree)), (3, 111));
        tree.start();
        assert_eq!(total(&tree), 0);
        // One has ended, whose child is another's now; one is new.
        see(&mut tree, &[(9, 1, 0, 200), (7, 1, 0, 3), (10, 8, 0, 7), (5, 1, 0, 5000)]);
        assert_eq!((tree.count(), tree.living(), total(&tree)), (4, 3, 109));
        see(&mut tree, &[]);
        assert_eq!((tree.living(), total(&tree)), (0, 109));
        assert_eq!(tree.names().iter().collect::<Vec<_>>(), ["dd"]);
    }

    #[test]
    fn reasons_are_those_of_each_process() {
        let (mut reader, mut writer) = (tally(1 << 20), Tally::default());
        reader[Counter::calls(Flow::ReadFile)] = 1;
        writer[Counter::bytes(Flow::WritePipe)] = 1 << 20;
        writer[Counter::calls(Flow::WritePipe)] = 1;
        let (reader, writer) = (Sparse::of(&reader), Sparse::of(&writer));
        let mut tree = Tree::new(Root::ChildrenOf(3));
        let seen = |tgid, tally| Seen {
            key: key(tgid),
            parent: key(3),
            cgroup: 0,
            comm: &[0; 16],
            group: "dd",
            lives: true,
            tally,
        };
        tree.see([seen(7, &reader)].into_iter());
        tree.see([seen(8, &writer)].into_iter());
        let reasons = tree.reasons();
        let codes: Vec<_> = reasons.iter().map(|reason| (reason.code, reason.bytes)).collect();
        assert_eq!(codes, [("consumed", 1 << 20), ("produced", 1 << 20)]);
    }

    /// A root that sleeps has not been seen yet; its children are known by their ids.
    #[test]
    fn children_of_a_root_that_sleeps_count() {
        let mut tree = Tree::new(Root::Family([7, 8].into()));
        see(&mut tree, &[(8, 7, 0, 10), (9, 8, 0, 100), (5, 1, 0, 1000)]);
        assert_eq!(total(&tree), 110);
        see(&mut tree, &[(7, 1, 0, 1), (8, 7, 0, 10), (9, 8, 0, 100)]);
        assert_eq!(total(&tree), 111);
    }

    #[test]
    fn who_is_given_the_id_of_the_root_later_is_another_one() {
        let mut tree = Tree::new(Root::Process(7));
        see(&mut tree, &[(7, 1, 0, 1), (8, 7, 0, 10)]);
        see(&mut tree, &[]);
        see(&mut tree, &[(7, 1, 0, 1000)]);
        assert_eq!(total(&tree), 1);
    }

    #[test]
    fn a_command_is_the_children_of_who_started_it_and_what_they_leave() {
        let mut tree = Tree::new(Root::ChildrenOf(3));
        see(&mut tree, &[(3, 1, 0, 1000), (7, 3, 0, 1)]);
        // Its parent was never seen; it was taken in by who started the command.
        see(&mut tree, &[(3, 1, 0, 1000), (9, 3, 0, 10)]);
        assert_eq!((tree.count(), total(&tree)), (2, 11));
    }

    #[test]
    fn who_joins_a_cgroup_counts_from_then_on() {
        let mut tree = Tree::new(Root::Cgroups([40].into(), [].into()));
        see(&mut tree, &[(7, 1, 40, 1), (8, 1, 2, 100)]);
        assert_eq!(total(&tree), 1);
        see(&mut tree, &[(7, 1, 40, 2), (8, 1, 40, 150), (9, 1, 40, 5)]);
        assert_eq!((tree.count(), total(&tree)), (3, 7));
        see(&mut tree, &[(8, 1, 40, 151), (6, 1, 2, 9)]);
        assert_eq!(total(&tree), 8);
        tree.extend([].into(), [6].into());
        see(&mut tree, &[(8, 1, 40, 151), (6, 1, 2, 19)]);
        see(&mut tree, &[(8, 1, 40, 151), (6, 1, 2, 20)]);
        assert_eq!(total(&tree), 9);
    }
}
