//! Which slot belongs to whom: slots are taken when a thread is forked, or first switched in,
//! and retired when it dies, execs, is renamed, moves to another cgroup or becomes another user.

use core::sync::atomic::{Ordering, compiler_fence};

use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns};
use zc_common::{
    counter::{Checked, Counter},
    slot::{CpuState, Lost, Slot, State},
};

use crate::{
    arguments,
    charge::lost,
    maps::{FREE, PerCpu, SLOT_OF, SLOTS, TAKEN},
    memory,
    task::{self, Current, Task},
};

/// The running CPU's own state.
#[inline(always)]
pub fn cpu() -> *mut CpuState {
    // SAFETY: no precondition.
    PerCpu::of(unsafe { bpf_get_smp_processor_id() })
}

/// The slot that the running thread charges: its own, or the CPU's reserved one.
///
/// That the CPU's words are of the running thread is checked each time: where the
/// kernel did not show a switch, nothing is charged to the thread before.
#[inline(always)]
pub fn running() -> Option<*mut Slot> {
    of(Current::take())
}

/// The same, where the running task has been taken.
#[inline(always)]
pub fn of(current: Current) -> Option<*mut Slot> {
    at(number_of(current))
}

/// The number of the slot that the running thread charges.
#[inline(always)]
pub fn number_of(current: Current) -> u32 {
    match known(current) {
        Some(slot) => slot,
        None => settle() as u32,
    }
}

/// The slot of a number.
#[inline(always)]
pub fn at(number: u32) -> Option<*mut Slot> {
    SLOTS.get_ptr_mut(number)
}

/// The number of the running thread's own slot, if the CPU has it noted.
#[inline(always)]
pub fn known(current: Current) -> Option<u32> {
    let cpu = cpu();
    // SAFETY: `cpu` points into `CPUS`, at this CPU's element.
    let (slot, task) = unsafe { ((*cpu).slot, (*cpu).task) };
    (slot != 0 && task == current.address).then_some(slot as u32)
}

/// The running thread's own slot, if it has one.
#[inline(always)]
pub fn owned() -> Option<*mut Slot> {
    // SAFETY: `slot` points into `SLOTS`; a reserved one is no task's.
    running().filter(|slot| unsafe { (**slot).task } == Current::take().address)
}

/// Finds the slot of a thread whose switch went unseen; failing that, the CPU's reserved
/// slot. It takes none: that is for switches, and to verify it in each program that charges
/// would make zc start twice as slowly.
#[inline(never)]
#[unsafe(export_name = "settle")]
fn settle() -> u64 {
    let cpu = cpu();
    if let Some(task) = Task::current()
        && task.pid() != 0
    {
        let slot = entry_of(task).map_or(0, |entry| own_in(entry, task));
        if slot != 0 {
            note(cpu, task, slot);
            return slot;
        }
    }
    lost(Lost::NoSlot);
    // SAFETY: no precondition.
    let reserved = unsafe { bpf_get_smp_processor_id() };
    if let Some(shared) = SLOTS.get_ptr_mut(reserved) {
        share(shared);
    }
    u64::from(reserved)
}

/// Has a CPU's reserved slot forget what was seen of a call under way unless that is the
/// running thread's: bytes that one thread was seen to copy must not pass for another one's.
#[inline(always)]
fn share(reserved: *mut Slot) {
    let start = Task::current().map_or(0, Task::start);
    let task = task::current_address();
    // SAFETY: `reserved` points into `SLOTS`, at this CPU's; nobody owns it.
    unsafe {
        if (*reserved).cgroups == task && (*reserved).thread_start == start {
            return;
        }
        (*reserved).cgroups = task;
        (*reserved).thread_start = start;
        (*reserved).within = 0;
        (*reserved).seen = 0;
        (*reserved).linked = 0;
        (*reserved).aside = [0; 2];
        (*reserved).request = 0;
        (*reserved).checked = [0; Checked::COUNT];
        (*reserved).naming = 0;
    }
}

/// Notes who runs on this CPU.
#[inline(always)]
fn note(cpu: *mut CpuState, task: Task, slot: u64) {
    // SAFETY: this CPU's own element.
    unsafe {
        (*cpu).slot = slot;
        (*cpu).task = task.address();
    }
}

/// The slot of `task`, taken now if it has none; 0 if none is left. `maker` is the slot of who
/// has just forked it, 0 if that is not known.
#[inline(always)]
fn find(task: Task, maker: u32) -> u64 {
    let Some(entry) = entry_of(task) else { return 0 };
    let slot = held_in(entry, task);
    if slot != 0 {
        return slot;
    }
    // SAFETY: as in `named_by`.
    u64::from(take(task, entry, unsafe { *entry }, maker))
}

/// The entry of `task`'s id.
#[inline(always)]
fn entry_of(task: Task) -> Option<*mut u32> {
    let entry = SLOT_OF.get_ptr_mut(task.pid());
    if entry.is_none() {
        lost(Lost::PidRange);
    }
    entry
}

/// The slot that an entry names, if it is `task`'s and nothing has changed of who that is; else 0.
#[inline(always)]
fn held_in(entry: *mut u32, task: Task) -> u64 {
    named_by(entry, |held| is_current(held, task))
}

/// The slot that an entry names, if it is `task`'s, whatever has changed of who that is since it
/// was last switched in: until it is again, it charges what it had then. Else 0.
#[inline(always)]
fn own_in(entry: *mut u32, task: Task) -> u64 {
    named_by(entry, |held| is_own(held, task))
}

/// The slot that an entry names, if it fits; else 0.
#[inline(always)]
fn named_by(entry: *mut u32, fits: impl FnOnce(*mut Slot) -> bool) -> u64 {
    // SAFETY: the entry of a thread id is written only where that thread is
    // switched in or dies.
    let slot = unsafe { *entry };
    if slot != 0
        && let Some(held) = SLOTS.get_ptr_mut(slot)
        && fits(held)
    {
        return u64::from(slot);
    }
    0
}

/// Whether a slot is `task`'s: live, or marked by a rename.
#[inline(always)]
fn is_own(held: *mut Slot, task: Task) -> bool {
    // SAFETY: `held` points into `SLOTS`.
    unsafe {
        let start = (*held).thread_start;
        let marked = start == RENAMED || start == RENAMED_SEEN;
        (*held).task == task.address() && (marked || start == task.start())
    }
}

/// Whether a slot is `task`'s, and nothing has changed of who that is.
#[inline(always)]
fn is_current(held: *mut Slot, task: Task) -> bool {
    // SAFETY: `held` points into `SLOTS`.
    unsafe {
        (*held).thread_start == task.start()
            && (*held).task == task.address()
            && (*held).cgroups == task.cgroups()
            && (*held).credentials == task.credentials()
    }
}

/// Takes a free slot for `task` and notes it in `entry`, which named `old`.
///
/// An entry that names another thread's slot is a reused id, whose old owner is
/// yet to be switched out for the last time; a slot whose owner is another one now is
/// retired.
///
/// Since 7.0 a program can be preempted here by `sched_switch`, which then takes a
/// slot for the same thread: whoever finds the entry changed gives up its own.
#[inline(always)]
fn take(task: Task, entry: *mut u32, old: u32, maker: u32) -> u32 {
    if old != 0
        && let Some(held) = SLOTS.get_ptr_mut(old)
        && keeps(held, task)
    {
        return old;
    }
    let slot = pop() as u32;
    let Some(new) = SLOTS.get_ptr_mut(slot) else { return 0 };
    if slot != 0 {
        if let Some(taken) = TAKEN.get_ptr_mut(slot / Slot::BLOCK) {
            memory::add_long(taken, 1);
        }
        let given_up = if is_given_up(old, task) { old } else { 0 };
        own(new, task, given_up, maker);
        carry(given_up, new);
        if arguments::are_kept() {
            let known = if given_up != 0 { given_up } else { maker };
            arguments::inherit(known.into(), slot.into());
        }
    }
    let now = replace(entry, old, slot);
    if now != slot && slot != 0 {
        retire(new);
    }
    now
}

/// The number of a free slot, 0 if there is none. Where somebody else holds the list for long, as
/// when the hypervisor stops another CPU in it, the kernel does not wait (`EBUSY`,
/// kernel/bpf/queue_stack_maps.c in Linux 6.18): a few times it is asked again.
#[inline(never)]
#[unsafe(export_name = "pop_slot")]
fn pop() -> u64 {
    const TRIES: u32 = 4;
    for _ in 0..TRIES {
        if let Ok(slot) = FREE.pop() {
            return u64::from(slot.unwrap_or(0));
        }
    }
    0
}

/// Puts `new` into an entry that held `old`, unless a switch on this CPU has put
/// another number there since; what it holds then.
///
/// One instruction writes, so that nothing can come between a look and a write: it
/// adds the difference, which gives `new` if nothing did and is taken back if
/// something did. (A compare-and-exchange would need 5.12.)
#[inline(always)]
fn replace(entry: *mut u32, old: u32, new: u32) -> u32 {
    memory::add(entry, new.wrapping_sub(old));
    // SAFETY: as in `named_by`.
    let now = unsafe { entry.read_volatile() };
    if now == new {
        return new;
    }
    memory::add(entry, old.wrapping_sub(new));
    // SAFETY: as in `named_by`.
    unsafe { entry.read_volatile() }
}

/// Whether `task` keeps a slot that a rename has marked, or whose cgroups or credentials were
/// replaced, as its name, cgroup and user are still the same: the mark of a rename comes before
/// the change, so it is looked at twice. If one of them has changed the slot is retired.
#[inline(always)]
fn keeps(held: *mut Slot, task: Task) -> bool {
    if !is_own(held, task) {
        return false;
    }
    let leader = task.leader();
    // SAFETY: `held` points into `SLOTS`.
    unsafe {
        if (*held).comm != leader.comm()
            || (*held).cgroup != leader.cgroup()
            || (*held).uid != u64::from(leader.uid())
        {
            retire(held);
            return false;
        }
        (*held).cgroups = task.cgroups();
        (*held).credentials = task.credentials();
        let renamed = (*held).thread_start == RENAMED;
        (*held).thread_start = if renamed { RENAMED_SEEN } else { task.start() };
    }
    true
}

/// Whether `old` is the slot that `task` itself gave up for another one.
#[inline(always)]
fn is_given_up(old: u32, task: Task) -> bool {
    let Some(held) = SLOTS.get_ptr_mut(old) else { return false };
    // SAFETY: `held` points into `SLOTS`.
    old != 0 && unsafe { (*held).thread_start == GONE && (*held).task == task.address() }
}

/// Where the mirrored words of a fresh slot start: where those of the slot end that the same
/// thread gave up, so that nothing is counted twice or not at all in between; else where the
/// kernel's stand now.
#[inline(always)]
fn base(task: Task, given_up: u32) -> [u64; Counter::MIRRORED] {
    match SLOTS.get_ptr_mut(given_up) {
        Some(held) if given_up != 0 => {
            // SAFETY: `held` points into `SLOTS`; a slot that was given up is written no more.
            let tally = unsafe { &(*held).tally };
            [tally[0], tally[1], tally[2], tally[3]]
        }
        _ => task.mirrored(),
    }
}

/// A call may be under way: what was seen of it so far goes with the thread to its new slot.
#[inline(always)]
fn carry(given_up: u32, to: *mut Slot) {
    if let Some(held) = SLOTS.get_ptr_mut(given_up)
        && given_up != 0
    {
        // SAFETY: `held` and `to` point into `SLOTS`; nobody else writes either.
        unsafe {
            (*to).within = (*held).within;
            (*to).seen = (*held).seen;
            (*to).linked = (*held).linked;
            (*to).pending = (*held).pending;
            (*to).aside = (*held).aside;
            (*to).aside_of = (*held).aside_of;
            (*to).request = (*held).request;
            (*to).checked = (*held).checked;
            (*to).naming = (*held).naming;
        }
    }
}

/// Who made `task`'s process: what the slot says that it gave up, or that of the thread of its
/// own process that made it; else who its parent is now.
#[inline(always)]
fn parent(task: Task, given_up: u32, maker: u32) -> (u64, u64) {
    let known = if given_up != 0 { given_up } else { maker };
    if let Some(held) = SLOTS.get_ptr_mut(known)
        && known != 0
        && is_of(known, task)
    {
        // SAFETY: `held` points into `SLOTS`.
        return unsafe { ((*held).parent, (*held).parent_start) };
    }
    let parent = task.leader().parent();
    (u64::from(parent.tgid()), parent.start())
}

/// Writes the owner of a fresh slot; the state comes last.
#[inline(always)]
fn own(slot: *mut Slot, task: Task, given_up: u32, maker: u32) {
    let leader = task.leader();
    let base = base(task, given_up);
    let (parent, parent_start) = parent(task, given_up, maker);
    let kind = if task.is_kernel_thread() { Slot::KERNEL_THREAD } else { 0 };
    // SAFETY: `slot` points into `SLOTS`, and a slot from the free list is
    // written by nobody else.
    unsafe {
        (*slot).ids = u64::from(task.tgid()) << 32 | u64::from(task.pid());
        (*slot).process_start = leader.start();
        (*slot).thread_start = task.start();
        (*slot).task = task.address();
        (*slot).cgroups = task.cgroups();
        (*slot).credentials = task.credentials();
        (*slot).comm = leader.comm();
        (*slot).uid = u64::from(leader.uid());
        (*slot).parent = parent;
        (*slot).parent_start = parent_start;
        (*slot).cgroup = leader.cgroup();
        (*slot).taken = bpf_ktime_get_ns();
        (*slot).base = base;
        task.write_exe(&raw mut (*slot).exe);
    }
    mirror(slot, base);
    compiler_fence(Ordering::Release);
    // SAFETY: as above.
    unsafe { (&raw mut (*slot).state).write_volatile(State::Live as u64 | kind) };
}

/// Copies the words that the kernel keeps for a thread into its slot.
#[inline(always)]
fn mirror(slot: *mut Slot, words: [u64; Counter::MIRRORED]) {
    // SAFETY: `slot` points into `SLOTS`; the words are written only where the
    // thread is switched, so never by two CPUs at a time.
    let tally = unsafe { &mut (*slot).tally };
    let mut position = 0;
    while position < Counter::MIRRORED {
        tally[position] = words[position];
        position += 1;
    }
}

/// Marks a slot final; no thread finds it any more.
#[inline(always)]
fn retire(slot: *mut Slot) {
    // SAFETY: `slot` points into `SLOTS`; its owner charges it no more.
    unsafe {
        (*slot).thread_start = GONE;
        let state = &raw mut (*slot).state;
        let kind = state.read_volatile() & Slot::KERNEL_THREAD;
        state.write_volatile(State::Retired as u64 | kind);
    }
}

/// The thread that leaves this CPU: mirrors its words; retires it if it died.
#[inline(always)]
pub fn leave(cpu: *mut CpuState, task: Task) {
    let pid = task.pid();
    if pid == 0 {
        return;
    }
    // SAFETY: this CPU's own element.
    let (mut slot, noted) = unsafe { ((*cpu).slot, (*cpu).task) };
    let seen = noted == task.address();
    // Who came on and got no slot takes none to go: it would begin with this switch, which
    // were counted nowhere.
    if !seen || slot == 0 && !has_none(pid) {
        slot = find(task, 0);
    }
    if slot == 0 {
        lost(Lost::NoSlotSwitch);
        return;
    }
    let Some(held) = SLOTS.get_ptr_mut(slot as u32) else { return };
    // An exec by another thread retires the slot of a leader that is still on its way out: by now
    // it may be somebody else's.
    // SAFETY: `held` points into `SLOTS`.
    if unsafe { (*held).task } != task.address() {
        lost(Lost::NoSlotSwitch);
        return;
    }
    mirror(held, task.mirrored());
    if task.is_dead() {
        // An exec by another thread may have given this one another id.
        // SAFETY: `held` points into `SLOTS`.
        let owned = unsafe { (*held).ids } as u32;
        // First, so that no thread that is given this id starts where this one ends.
        forget(owned, slot as u32);
        retire(held);
    }
}

/// Whether no slot is noted under a thread id.
#[inline(always)]
fn has_none(pid: u32) -> bool {
    // SAFETY: as in `named_by`.
    SLOT_OF.get_ptr_mut(pid).is_none_or(|entry| unsafe { *entry } == 0)
}

/// Clears the entry of a thread id if it names `slot`.
#[inline(always)]
fn forget(pid: u32, slot: u32) {
    if let Some(entry) = SLOT_OF.get_ptr_mut(pid)
        // SAFETY: as in `named_by`.
        && unsafe { *entry } == slot
    {
        // SAFETY: as in `named_by`.
        unsafe { *entry = 0 };
    }
}

/// The thread that comes onto this CPU: its slot becomes the CPU's.
#[inline(always)]
pub fn enter(cpu: *mut CpuState, task: Task) {
    let slot = if task.pid() == 0 { 0 } else { find(task, 0) };
    note(cpu, task, slot);
}

/// The running thread became another program: what it did so far stays with the
/// old name, and a new slot is taken under the new one. `old_pid` is its id
/// before the exec, another one if it was not its process' leader; that leader is
/// dead, but may not have been switched out for the last time.
///
/// Since 7.0 `sched_switch` may come between any two steps: until the old slot is
/// retired it finds that one, from then on it takes the new one itself, which
/// starts where the old one ends.
#[inline(always)]
pub fn exec(task: Task, old_pid: u32) {
    let cpu = cpu();
    // SAFETY: this CPU's own element.
    let (slot, noted) = unsafe { ((*cpu).slot, (*cpu).task) };
    // Before the first switch here nobody has a slot: it is taken then.
    if noted == 0 {
        return;
    }
    let known = slot != 0 && noted == task.address();
    let old = if known { slot as u32 } else { held_under(old_pid, task) };
    if old_pid != task.pid() {
        abandon(task, task.pid(), old);
    }
    if let Some(held) = SLOTS.get_ptr_mut(if old != 0 { old } else { noted_for(task) }) {
        if old != 0 {
            mirror(held, task.mirrored());
        }
        retire(held);
    }
    note(cpu, task, 0);
    if old_pid != task.pid() {
        abandon(task, old_pid, 0);
    }
    let slot = find(task, 0);
    note(cpu, task, slot);
    if arguments::are_kept() {
        let (start, end) = task.arguments();
        arguments::read(slot, start, end.wrapping_sub(start));
    }
}

/// `maker`, which runs, has made `child`, which does not yet: its slot is taken now, so that it
/// is known whose child it is, whoever of them ends first.
#[inline(always)]
pub fn fork(maker: Task, child: Task) {
    let cpu = cpu();
    // SAFETY: this CPU's own element.
    let (slot, noted) = unsafe { ((*cpu).slot, (*cpu).task) };
    find(child, if noted == maker.address() { slot as u32 } else { 0 });
}

/// The slot that `task` holds under an id that it had, where its switch went unseen; 0 if it
/// holds none.
#[inline(always)]
fn held_under(pid: u32, task: Task) -> u32 {
    if let Some(entry) = SLOT_OF.get_ptr_mut(pid)
        // SAFETY: as in `named_by`.
        && let slot = unsafe { entry.read_volatile() }
        && let Some(held) = SLOTS.get_ptr_mut(slot)
        && slot != 0
        // SAFETY: `held` points into `SLOTS`.
        && unsafe { (*held).task == task.address() && (*held).thread_start != GONE }
    {
        return slot;
    }
    0
}

/// The slot noted under `task`'s id if it is of its process; a number of no slot
/// otherwise.
#[inline(always)]
fn noted_for(task: Task) -> u32 {
    match SLOT_OF.get_ptr_mut(task.pid()) {
        // SAFETY: as in `named_by`.
        Some(entry) => match unsafe { entry.read_volatile() } {
            slot if is_of(slot, task) => slot,
            _ => u32::MAX,
        },
        None => u32::MAX,
    }
}

/// Whether a slot's owner is, or was, a thread of `task`'s process.
#[inline(always)]
fn is_of(slot: u32, task: Task) -> bool {
    match SLOTS.get_ptr_mut(slot) {
        // SAFETY: `held` points into `SLOTS`.
        Some(held) => slot != 0 && unsafe { (*held).ids } >> 32 == u64::from(task.tgid()),
        None => false,
    }
}

/// Puts `instead` where a slot of `task`'s process is noted under a thread id, and
/// retires that one: after an exec the process has no other thread.
#[inline(always)]
fn abandon(task: Task, pid: u32, instead: u32) {
    if let Some(entry) = SLOT_OF.get_ptr_mut(pid)
        // SAFETY: as in `named_by`.
        && let slot = unsafe { entry.read_volatile() }
        && slot != instead
        && (slot == 0 || is_of(slot, task))
    {
        // SAFETY: as in `named_by`.
        unsafe { entry.write_volatile(instead) };
        if let Some(held) = SLOTS.get_ptr_mut(slot)
            && slot != 0
        {
            retire(held);
        }
    }
}

/// Starts that no thread has: of a slot whose owner is being renamed, of one whose
/// rename was looked at once, and of a retired one.
const RENAMED: u64 = u64::MAX;
const RENAMED_SEEN: u64 = u64::MAX - 1;
const GONE: u64 = 0;

/// `task` is being renamed: at its next switch a new slot is taken under the new
/// name. Only a leader names its process.
#[inline(always)]
pub fn rename(task: Task) {
    let pid = task.pid();
    if pid == 0 || pid != task.tgid() {
        return;
    }
    if let Some(entry) = SLOT_OF.get_ptr_mut(pid)
        // SAFETY: as in `named_by`.
        && let slot = unsafe { *entry }
        && slot != 0
        && let Some(held) = SLOTS.get_ptr_mut(slot)
    {
        // SAFETY: `held` points into `SLOTS`; the word is otherwise written
        // only before the slot is live.
        unsafe { (*held).thread_start = RENAMED };
    }
}
