//! The ledger: books what was charged to threads to their processes and groups.
//!
//! A slot's reading is compared with the one before; the difference is booked to
//! the process (tgid and start, so that a reused pid is another process) and to
//! its group. A retired slot is booked once more after it was first seen retired,
//! then given back: whatever its owner was still charging is in by then. So is an
//! orphan, a slot that its owner can no longer find, once it has long stood still.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use foldhash::fast::RandomState;
use zc_common::{
    counter::Tally,
    slot::{Look, Owner, ProcessKey, Reading},
};

use super::{
    group::{Groups, Member, Sorter},
    identity,
    snapshot::{Group, Process, Snapshot},
    sparse::Sparse,
    template::Template,
};

/// Totals of every process that lives and every group.
pub struct Ledger {
    groups: Groups,
    sorter: Sorter,
    /// Whether processes may be in groups that the sorter would put them in no more.
    sorted_anew: bool,
    processes: HashMap<ProcessKey, Account, RandomState>,
    slots: HashMap<u32, Held, RandomState>,
    /// What was charged since the reading before, of the slot that is booked.
    delta: Sparse,
    /// What was charged to no thread.
    nobody: Tally,
    pass: u64,
    now: Option<Instant>,
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
    /// The group that it is in.
    pub group: &'a str,
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
    /// Its group, and when the slot was taken that says so.
    group: Member,
    taken: u64,
    /// Whether this is all from a leader's slot that was live.
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
    /// The group that its owner belonged to when it was taken; none of a reserved slot.
    group: Option<Member>,
    /// The group it was last booked to while its process belonged to another one.
    follows: Option<Member>,
}

impl Ledger {
    /// Bytes that the books keep of each slot in use, but for the free room of tables and
    /// [`Sparse::ENTRY`] for each of its counters that is not zero.
    pub const A_SLOT: usize = size_of::<(u32, Held)>();
    /// The same of each process.
    pub const A_PROCESS: usize = size_of::<(ProcessKey, Account)>();

    /// An empty ledger with room for `max_groups` groups by comm, which never expire, besides
    /// `other`.
    #[must_use]
    pub fn new(max_groups: usize) -> Self {
        Self::of(Groups::new(max_groups, Duration::MAX), Sorter::default())
    }

    /// An empty ledger with such groups.
    #[must_use]
    pub fn of(groups: Groups, sorter: Sorter) -> Self {
        Self {
            groups,
            sorter,
            sorted_anew: false,
            processes: HashMap::default(),
            slots: HashMap::default(),
            delta: Sparse::default(),
            nobody: Tally::default(),
            pass: 0,
            now: None,
        }
    }

    /// Names whatever starts a program from here on by another template.
    pub fn sort_by(&mut self, template: Template) {
        self.sorter.sort_by(template);
        self.sorted_anew = true;
    }

    /// So many groups at most from here on, which expire so long after their last member left.
    /// Those that have a place keep it.
    pub fn limit(&mut self, most: usize, expiry: Duration) {
        self.groups.limit(most, expiry);
    }

    /// Starts a pass over all slots, which is made now.
    ///
    /// # Errors
    ///
    /// If what is known of processes could not be brought up to date.
    pub fn begin(&mut self, now: Instant) -> anyhow::Result<()> {
        self.pass += 1;
        self.now = Some(now);
        self.sorter.begin()
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
        let (groups, sorter) = (&mut self.groups, &mut self.sorter);
        let stays = reading
            .owner
            .as_ref()
            .filter(|_| self.sorted_anew)
            .and_then(|owner| self.processes.get(&owner.process)?.group_of_further(owner));
        let held = self.slots.entry(reading.slot).or_insert_with(|| Held {
            tally: Sparse::of(&Tally::starting_at(reading.base)),
            retired: false,
            process: reading.owner.map(|owner| owner.process),
            abandoned: 0,
            group: stays.or_else(|| {
                let (name, identity) = sorter.sort(reading.slot, reading.owner.as_ref()?);
                Some(groups.join(&name, &identity))
            }),
            follows: None,
        });
        let delta = &mut self.delta;
        held.tally.advance(&reading.tally, delta);
        let still = reading.orphan && !reading.retired && delta.is_zero();
        held.abandoned = if still { held.abandoned + 1 } else { 0 };
        let done = held.retired && reading.retired || held.abandoned == GIVEN_UP;
        held.retired = reading.retired;
        let (Some(owner), Some(own)) = (&reading.owner, &held.group) else {
            self.groups.book_other(delta);
            delta.add_to(&mut self.nobody);
            return false;
        };
        let account =
            self.processes.entry(owner.process).or_insert_with(|| Account::new(owner, own));
        account.see(owner, own, reading.retired || reading.orphan, self.pass);
        if !delta.is_zero() {
            if !reading.retired {
                held.follows = account.other_group(owner, own);
            }
            account.tally.add(delta);
            // What was done in a slot's own group stays there, but for threads whose process
            // became a member of another one since.
            self.groups.book(held.follows.as_ref().unwrap_or(own), delta);
        }
        if done {
            self.slots.remove(&reading.slot);
        }
        done
    }

    /// Ends a pass: forgets processes of which nothing was seen, and groups that have expired.
    pub fn end(&mut self) {
        let pass = self.pass;
        self.processes.retain(|_, account| account.last_pass == pass);
        if let Some(now) = self.now {
            self.groups.expire(now);
        }
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
            group: self.groups.name(&account.group),
            lives: account.threads > 0,
            tally: &account.tally,
        })
    }

    /// All totals of groups as they stand.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let groups = self.groups.iter().map(|group| Group {
            name: group.name.clone(),
            tally: group.total.clone(),
            identity: group.identity().cloned(),
        });
        Snapshot {
            groups: groups.collect(),
            processes: self.living().count(),
            threads: self.slots.values().filter(|held| held.process.is_some()).count(),
            group_overflow: self.groups.overflowed(),
            group_expired: self.groups.expired(),
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
                name: identity::text(&account.comm).into_owned(),
                group: self.groups.name(&account.group).to_owned(),
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
    fn new(owner: &Owner, group: &Member) -> Self {
        Self {
            comm: owner.comm,
            parent: owner.parent,
            cgroup: owner.cgroup,
            group: group.clone(),
            taken: owner.taken,
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
    /// is called and where it belongs. Of slots that are retired the latest tells: of a process
    /// that has ended before it was looked at, that is its last program's.
    fn see(&mut self, owner: &Owner, group: &Member, retired: bool, pass: u64) {
        self.count(retired, pass);
        if !retired && owner.leads() {
            self.comm = owner.comm;
            self.parent = owner.parent;
            self.cgroup = owner.cgroup;
            self.group = group.clone();
            self.taken = owner.taken;
            self.named = true;
        } else if owner.taken > self.taken && owner.leads()
            || owner.taken >= self.taken && !self.named
        {
            self.comm = owner.comm;
            self.group = group.clone();
            self.taken = owner.taken;
        }
    }

    /// The group of a further thread of a process that is still who it was.
    fn group_of_further(&self, owner: &Owner) -> Option<Member> {
        let same = self.comm == owner.comm && self.cgroup == owner.cgroup;
        (self.named && !owner.leads() && same).then(|| self.group.clone())
    }

    /// The group of a thread whose process was renamed, or became a member of another one for
    /// another reason, after its slot was taken.
    fn other_group(&self, owner: &Owner, own: &Member) -> Option<Member> {
        let later = self.named && !owner.leads() && self.taken > owner.taken;
        (later && !self.group.is_with(own)).then(|| self.group.clone())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zc_common::{counter::Counter, flow::Flow, slot::Slot};

    use super::{super::identity::Field, *};

    const BYTES: Counter = Counter::bytes(Flow::ReadFile);

    fn owner(tgid: u32, tid: u32, start: u64, comm: &str) -> Owner {
        let mut bytes = [0; 16];
        bytes[..comm.len()].copy_from_slice(comm.as_bytes());
        let process = ProcessKey { tgid, start };
        let parent = ProcessKey { tgid: 1, start: 0 };
        let exe = [0; Slot::EXE];
        Owner {
            process,
            tid,
            comm: bytes,
            exe,
            uid: 0,
            parent,
            cgroup: 0,
            taken: 0,
            kernel_thread: false,
        }
    }

    fn reading(slot: u32, owner: Option<Owner>, bytes: u64, retired: bool) -> Reading {
        let mut tally = Tally::default();
        tally[BYTES] = bytes;
        Reading { slot, retired, orphan: false, owner, base: [0; Counter::MIRRORED], tally }
    }

    fn pass(ledger: &mut Ledger, readings: &[Reading]) -> Vec<bool> {
        pass_at(ledger, Instant::now(), readings)
    }

    fn pass_at(ledger: &mut Ledger, now: Instant, readings: &[Reading]) -> Vec<bool> {
        ledger.begin(now).unwrap();
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

    /// It forks, starts a program and ends between two looks, whichever slot is looked at last.
    #[test]
    fn who_has_ended_is_known_by_its_last_program() {
        for slots in [[1, 2], [2, 1]] {
            let mut ledger = Ledger::new(8);
            let forked = thread(slots[0], 7, "sh", 10, 1, true);
            let program = thread(slots[1], 7, "dd", 20, 5, true);
            let mut readings = [forked, program];
            readings.sort_by_key(|reading| reading.slot);
            pass(&mut ledger, &readings);
            let seen: Vec<_> = ledger.processes().map(|seen| (seen.group, seen.comm[0])).collect();
            assert_eq!(seen, [("dd", b'd')], "{slots:?}");
            assert_eq!((group(&ledger, "sh"), group(&ledger, "dd")), (1, 5));
        }
    }

    #[test]
    fn who_sleeps_lives_and_keeps_its_total() {
        let mut ledger = Ledger::new(10);
        pass(&mut ledger, &[reading(3, Some(owner(7, 7, 1, "a")), 100, false)]);
        ledger.begin(Instant::now()).unwrap();
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

    /// The slot of thread 7 or 8 of a process, taken at a time.
    fn thread(slot: u32, tid: u32, comm: &str, taken: u64, bytes: u64, retired: bool) -> Reading {
        reading(slot, Some(Owner { taken, ..owner(7, tid, 1, comm) }), bytes, retired)
    }

    #[test]
    fn threads_follow_their_process_to_its_new_name() {
        let mut ledger = Ledger::new(10);
        let slots = [thread(1, 7, "old", 1, 1, false), thread(2, 8, "old", 2, 10, false)];
        pass(&mut ledger, &slots);
        let slots = [thread(3, 7, "new", 3, 2, false), thread(2, 8, "old", 2, 30, false)];
        pass(&mut ledger, &slots);
        assert_eq!((group(&ledger, "old"), group(&ledger, "new")), (11, 22));
        let slots = [thread(3, 7, "new", 3, 2, false), thread(2, 8, "old", 2, 35, true)];
        pass(&mut ledger, &slots);
        assert_eq!((group(&ledger, "old"), group(&ledger, "new")), (11, 27));
    }

    #[test]
    fn a_leader_that_sleeps_does_not_hold_its_threads_back() {
        let mut ledger = Ledger::new(10);
        let sleeps = thread(1, 7, "old", 1, 1, false);
        pass(&mut ledger, &[sleeps.clone(), thread(2, 8, "old", 2, 10, false)]);
        let slots = [sleeps, thread(2, 8, "old", 2, 15, true), thread(3, 8, "new", 9, 30, false)];
        pass(&mut ledger, &slots);
        assert_eq!((group(&ledger, "old"), group(&ledger, "new")), (16, 30));
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

    fn expiring(cap: usize) -> Ledger {
        Ledger::of(Groups::new(cap, Duration::from_secs(60)), Sorter::default())
    }

    fn names(ledger: &Ledger) -> Vec<String> {
        ledger.snapshot().groups.iter().map(|group| group.name.clone()).collect()
    }

    #[test]
    fn a_group_expires_into_other_and_makes_room() {
        let (mut ledger, start) = (expiring(1), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let a = |retired| reading(1, Some(owner(7, 7, 1, "a")), 10, retired);
        let b = |bytes| reading(2, Some(owner(8, 8, 1, "b")), bytes, false);
        pass_at(&mut ledger, at(0), &[a(false), b(0)]);
        pass_at(&mut ledger, at(1), &[a(true), b(5)]);
        assert_eq!((group(&ledger, "a"), group(&ledger, "other")), (10, 5));
        pass_at(&mut ledger, at(2), &[a(true), b(5)]);
        // Its process is remembered for one more pass.
        pass_at(&mut ledger, at(3), &[b(5)]);
        pass_at(&mut ledger, at(62), &[b(5)]);
        assert_eq!((group(&ledger, "a"), group(&ledger, "other")), (10, 5));
        pass_at(&mut ledger, at(63), &[b(5)]);
        assert_eq!(names(&ledger), ["other"]);
        pass_at(&mut ledger, at(64), &[b(9)]);
        assert_eq!((group(&ledger, "b"), group(&ledger, "other")), (4, 15));
        assert_eq!(ledger.snapshot().group_expired, 1);
    }

    #[test]
    fn a_group_stays_while_a_member_lives_though_it_does_nothing() {
        let (mut ledger, start) = (expiring(9), Instant::now());
        let first = |retired| reading(1, Some(owner(7, 7, 1, "a")), 10, retired);
        let idle = reading(2, Some(owner(8, 8, 1, "a")), 0, false);
        pass_at(&mut ledger, start, &[first(true), idle.clone()]);
        pass_at(&mut ledger, start, &[first(true), idle.clone()]);
        for day in 1..4 {
            let now = start + Duration::from_secs(day * 86400);
            pass_at(&mut ledger, now, std::slice::from_ref(&idle));
            assert_eq!(group(&ledger, "a"), 10);
        }
        // It has not even run.
        for day in 4..6 {
            ledger.begin(start + Duration::from_secs(day * 86400)).unwrap();
            assert!(!ledger.look(Look::Still(2)));
            ledger.end();
            let groups = ledger.snapshot().groups;
            let a = groups.iter().find(|group| group.name == "a").unwrap();
            assert_eq!((a.tally[BYTES], a.identity.is_some()), (10, true));
        }
    }

    #[test]
    fn by_another_template_further_threads_stay_with_their_process() {
        let mut ledger = Ledger::new(10);
        let leader = reading(3, Some(owner(7, 7, 1, "a")), 1, false);
        pass(&mut ledger, std::slice::from_ref(&leader));
        ledger.sort_by(Template::parse("[[rule]]\nname = 'new-{comm}'\n").unwrap());
        let thread = reading(4, Some(owner(7, 8, 1, "a")), 10, false);
        let started = reading(5, Some(owner(9, 9, 2, "a")), 100, false);
        let renamed = reading(6, Some(owner(7, 10, 1, "b")), 1000, false);
        pass(&mut ledger, &[leader, thread, started, renamed]);
        let groups = ["a", "new-a", "new-b"].map(|name| group(&ledger, name));
        assert_eq!(groups, [11, 100, 1000]);
    }

    #[test]
    fn a_group_without_traffic_is_not_shown() {
        let mut ledger = Ledger::new(1);
        let idle = reading(1, Some(owner(7, 7, 1, "idle")), 0, false);
        pass(&mut ledger, &[idle, reading(2, Some(owner(8, 8, 1, "busy")), 3, false)]);
        assert_eq!(names(&ledger), ["other", "busy"]);
        assert_eq!(ledger.census()[0].group, "idle");
    }

    #[test]
    fn a_group_is_labelled_with_what_its_members_share() {
        let mut ledger = Ledger::new(9);
        let who = |tgid, exe| {
            let mut owner = owner(tgid, tgid, 1, "a");
            owner.exe[0] = exe;
            reading(tgid, Some(owner), 1, false)
        };
        let label = |ledger: &Ledger| {
            let groups = ledger.snapshot().groups;
            let identity = groups[1].identity.clone().unwrap();
            [Field::Comm, Field::Exe].map(|field| identity.get(field).unwrap_or("").to_owned())
        };
        pass(&mut ledger, &[who(7, b'x'), who(8, b'x')]);
        assert_eq!(label(&ledger), ["a", "x"]);
        pass(&mut ledger, &[who(7, b'x'), who(8, b'x'), who(9, b'y')]);
        assert_eq!(label(&ledger), ["a", ""]);
    }

    proptest! {
        /// Whatever comes, goes and expires, the groups hold all that was charged, and no
        /// group's total ever falls, but that of one that has expired.
        #[test]
        fn sums_hold_and_totals_never_fall(
            steps in prop::collection::vec(
                (0_u32..6, 0_u64..1000, any::<bool>(), 0_u64..40), 1..200
            )
        ) {
            let mut ledger = expiring(3);
            let mut now = Instant::now();
            let mut lives = [(0_u64, 0_u64, false); 6];
            let mut charged = 0;
            let mut before: HashMap<String, u64> = HashMap::new();
            let mut expired = 0;
            for (slot, amount, retire, seconds) in steps {
                now += Duration::from_secs(seconds);
                let (start, bytes, retired) = &mut lives[slot as usize];
                if !*retired {
                    *bytes += amount;
                    charged += amount;
                    *retired = retire;
                }
                let name = format!("g{}", (*start + u64::from(slot)) % 5);
                let who = owner(slot + 1, slot + 1, *start, &name);
                let reading = reading(slot, Some(who), *bytes, *retired);
                if pass_at(&mut ledger, now, &[reading]) == [true] {
                    lives[slot as usize] = (*start + 1, 0, false);
                }
                let snapshot = ledger.snapshot();
                let sum: u64 = snapshot.groups.iter().map(|group| group.tally[BYTES]).sum();
                prop_assert_eq!(sum, charged);
                prop_assert!(snapshot.groups.len() <= 4);
                if snapshot.group_expired != expired {
                    expired = snapshot.group_expired;
                    before.retain(|name, _| snapshot.groups.iter().any(|g| g.name == *name));
                }
                for group in &snapshot.groups {
                    let last = before.insert(group.name.clone(), group.tally[BYTES]).unwrap_or(0);
                    prop_assert!(group.tally[BYTES] >= last);
                }
            }
        }
    }
}
