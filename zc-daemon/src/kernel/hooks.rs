//! THE table of probes: what is measured, by which programs, on which hooks.
//!
//! A new probe is a new file in `zc-ebpf/src/probes` and a new row here. Hooks
//! stand best first; the first that attaches is used.

use zc_common::{flow::Route, hooked_calls};

use super::btf::Btf;
use super::copying::{COPYING, returns};

/// Something measured.
#[derive(Debug)]
pub struct Probe {
    /// Its name: the `probe` label of `zc_probe_up`.
    pub name: &'static str,
    /// What it measures.
    pub measures: &'static str,
    /// What it cannot see.
    pub blind_to: &'static str,
    /// Whether zc is of no use without it.
    pub essential: bool,
    /// The routes on which it sees copies.
    pub routes: &'static [Route],
    /// Whether a kernel without any of its functions has nothing to be seen there.
    pub may_be_missing: bool,
    /// Probes whose bytes it takes off its own: it is of no use where one of them should be
    /// attached and is not.
    pub less: &'static [&'static str],
    /// Where it can be attached, best first.
    pub hooks: &'static [Hook],
}

impl Probe {
    /// Whether every other probe relies on it to know whom to charge.
    #[must_use]
    pub fn tells_who_runs(&self) -> bool {
        self.name == "context_switches"
    }

    /// Whether zc can go on without it: with less, but nothing wrong.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        !self.essential && !HELPERS.contains(&self.name)
    }

    /// Probes without which it sees too much, or what it should not: those whose bytes it
    /// takes off its own, and for copies, what tells where a system call ends.
    pub fn needs(&self) -> impl Iterator<Item = &'static str> {
        let calls: &[_] = if self.sees_copies() { &[TRANSFERS] } else { &[] };
        self.less.iter().chain(calls).copied()
    }

    /// Whether its programs are on functions, not on tracepoints.
    #[must_use]
    pub fn is_on_functions(&self) -> bool {
        self.hooks.iter().all(|hook| !matches!(hook.place, Place::Tracepoint(_)))
    }

    /// Whether it sees copies as they are made.
    #[must_use]
    pub fn sees_copies(&self) -> bool {
        !self.routes.is_empty()
    }
}

/// The probe that every system call pays for.
pub const EACH_CALL: &str = "syscalls";

/// The probe of system calls that move bytes.
const TRANSFERS: &str = "transfers";

/// Probes that count nothing themselves: without them what others count would be wrong.
const HELPERS: [&str; 5] = ["rename", "fork", "cgroups", "socket_owner", "ring_worker"];

/// A program and where it is attached.
#[derive(Debug, PartialEq, Eq)]
pub struct Hook {
    /// The program's name in the object.
    pub program: &'static str,
    /// The place in the kernel.
    pub place: Place,
    /// Arguments that must point to a given structure, by position; tells apart
    /// the signatures that a place has had.
    pub arguments: &'static [(usize, &'static str)],
    /// How many arguments there must be at least.
    pub at_least: usize,
    /// How many there may be at most, where the program must know where they end.
    pub at_most: usize,
    /// What tells a kernel on which the hook sees all it should.
    pub needs: Option<Need>,
    /// Further programs that are attached with it, before it, or the hook will not do.
    pub with: &'static [Hook],
    /// Whether a function can be hooked by kprobes as well; the programs have the name of
    /// this one, with `_kprobe` and, on its return, `_kretprobe` after it.
    pub by_kprobe: bool,
}

/// Something that a kernel must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A function.
    Function(&'static str),
    /// An enumerator of an enumeration.
    Enumerator(&'static str, &'static str),
}

impl Need {
    /// The function's or the enumerator's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Function(name) | Self::Enumerator(_, name) => name,
        }
    }

    /// Whether a kernel of these types has it.
    #[must_use]
    pub fn is_met(self, types: &Btf) -> bool {
        match self {
            Self::Function(name) => types.has_function(name),
            Self::Enumerator(enumeration, name) => types.enumerator(enumeration, name).is_some(),
        }
    }
}

/// A place in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A tracepoint.
    Tracepoint(&'static str),
    /// The entry of a function.
    Entry(&'static str),
    /// The return of a function.
    Return(&'static str),
}

impl Place {
    /// The tracepoint's or the function's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tracepoint(name) | Self::Entry(name) | Self::Return(name) => name,
        }
    }
}

impl Hook {
    /// Whether it is on a function, not on a tracepoint.
    #[must_use]
    pub const fn is_on_function(&self) -> bool {
        !matches!(self.place, Place::Tracepoint(_))
    }
}

/// No limit to the arguments.
pub(super) const ANY: usize = usize::MAX;

/// A program on a tracepoint.
const fn tracepoint(
    program: &'static str,
    name: &'static str,
    arguments: &'static [(usize, &'static str)],
    at_least: usize,
) -> Hook {
    Hook {
        program,
        place: Place::Tracepoint(name),
        arguments,
        at_least,
        at_most: ANY,
        needs: None,
        with: &[],
        by_kprobe: false,
    }
}

const SCHED_SWITCH: Hook =
    tracepoint("sched_switch", "sched_switch", &[(1, "task_struct"), (2, "task_struct")], 3);

/// Of version 1 alone: in version 2 a cgroup keeps its name.
const CGROUP_RENAME: Hook = tracepoint("cgroup_rename", "cgroup_rename", &[(0, "cgroup")], 2);

macro_rules! returns_of_calls {
    ($($program:ident: $name:literal, $function:literal;)+) => {
        /// Every call that is hooked by itself.
        static BY_CALL: &[Hook] = &[$(Hook {
            program: stringify!($program),
            at_most: 1,
            by_kprobe: false,
            ..returns($function, &[(0, "pt_regs")])
        },)+];
    };
}

hooked_calls!(returns_of_calls);

/// Whether a program is on the return of a system call.
pub(super) fn is_call(program: &str) -> bool {
    BY_CALL.iter().any(|hook| hook.program == program)
}

/// All of them at once.
const CALL_BY_CALL: Hook = match BY_CALL {
    [first, rest @ ..] => Hook {
        program: first.program,
        place: first.place,
        arguments: first.arguments,
        at_least: first.at_least,
        at_most: first.at_most,
        needs: first.needs,
        with: rest,
        by_kprobe: first.by_kprobe,
    },
    [] => SYS_EXIT,
};

const SYS_EXIT: Hook = tracepoint("sys_exit", "sys_exit", &[(0, "pt_regs")], 2);

/// The function that handles page faults, and the program on its return.
pub(super) const FAULTS: &str = "handle_mm_fault";

/// Every probe, in the order they are attached.
pub fn probes() -> impl Iterator<Item = &'static Probe> {
    COUNTING.iter().chain(COPYING)
}

/// The probes that count, in the order they are attached: what becomes of a
/// thread's name must be seen before the first thread is, and who runs where before
/// anything is charged.
static COUNTING: &[Probe] = &[
    Probe {
        name: "exec",
        measures: "when a process becomes another program, so that each program's bytes stand \
                   under its own name",
        blind_to: "nothing",
        essential: true,
        routes: &[],
        may_be_missing: false,
        less: &[],
        hooks: &[tracepoint("sched_process_exec", "sched_process_exec", &[(0, "task_struct")], 2)],
    },
    Probe {
        name: "rename",
        measures: "when a process changes its name (prctl PR_SET_NAME)",
        blind_to: "what the process did between the call and its next context switch stands \
                   under the old name",
        essential: false,
        routes: &[],
        may_be_missing: false,
        less: &[],
        hooks: &[tracepoint("task_rename", "task_rename", &[(0, "task_struct")], 2)],
    },
    Probe {
        name: "context_switches",
        measures: "context switches of every thread, voluntary and involuntary, equal to \
                   /proc/PID/status; and which thread runs where",
        blind_to: "nothing since zc first saw the thread run",
        essential: true,
        routes: &[],
        may_be_missing: false,
        less: &[],
        hooks: &[SCHED_SWITCH],
    },
    Probe {
        name: "fork",
        measures: "whose child each process is, so that it is known though either ends at once",
        blind_to: "who made what ran before zc; its parent is then who took it in",
        essential: false,
        routes: &[],
        may_be_missing: false,
        less: &[],
        hooks: &[tracepoint(
            "sched_process_fork",
            "sched_process_fork",
            &[(0, "task_struct"), (1, "task_struct")],
            2,
        )],
    },
    Probe {
        name: "cgroups",
        measures: "paths of cgroups as they are made and renamed, so that processes are grouped \
                   by them though they are removed at once",
        blind_to: "cgroups before zc, which are looked up",
        essential: false,
        routes: &[],
        may_be_missing: false,
        less: &[],
        hooks: &[Hook {
            with: &[CGROUP_RENAME],
            ..tracepoint("cgroup_mkdir", "cgroup_mkdir", &[(0, "cgroup")], 2)
        }],
    },
    Probe {
        name: "page_faults",
        measures: "page faults of every thread, minor and major, equal to /proc/PID/stat as of \
                   the thread's last context switch",
        blind_to: "faults since the thread last left its CPU; pages that fault-around mapped along",
        essential: true,
        routes: &[],
        may_be_missing: false,
        less: &[],
        hooks: &[SCHED_SWITCH],
    },
    Probe {
        name: "page_fault_backing",
        measures: "page faults by what backs the page, anonymous memory or a file, by the rules \
                   by which the kernel counts them",
        blind_to: "whose a page is in a private mapping of a file, which stays the file's when \
                   the page is copied; faults before zc was attached",
        essential: false,
        routes: &[],
        may_be_missing: false,
        less: &[],
        hooks: &[Hook {
            at_most: 4,
            needs: Some(Need::Enumerator("vm_fault_reason", "VM_FAULT_RETRY")),
            by_kprobe: false,
            ..returns(FAULTS, &[(0, "vm_area_struct"), (3, "pt_regs")])
        }],
    },
    Probe {
        name: EACH_CALL,
        measures: "system calls that returned, by class; two mode switches each",
        blind_to: "calls that never return (exit, a call still waiting); what a 32-bit program \
                   calls, beyond that it does (counted as lost); before 5.11 whose calls they \
                   are until a thread's first switch (counted as lost)",
        essential: false,
        routes: &[],
        may_be_missing: false,
        less: &[],
        hooks: &[SYS_EXIT],
    },
    Probe {
        name: TRANSFERS,
        measures: "bytes that system calls moved, by route and endpoint; the copies inferred from \
                   them",
        blind_to: "Linux AIO (io_submit), System V and POSIX message queues, ptrace, /proc/PID/mem; \
                   whether the kernel really copied (DAX, kernel TLS); by sys_exit, that a seccomp \
                   filter or tracer made a result up; by the calls themselves, 32-bit calls",
        essential: false,
        routes: &[],
        may_be_missing: false,
        less: &[],
        hooks: &[CALL_BY_CALL, SYS_EXIT],
    },
    Probe {
        name: "io_uring",
        measures: "bytes of io_uring completions, by the request's file",
        blind_to: "multishot completions (counted as lost), completions that are skipped or \
                   overflow the ring, zero-copy receive, MSG_TRUNC; every request before kernel \
                   5.19, whose tracepoint does not name it",
        essential: false,
        routes: &[],
        may_be_missing: false,
        less: &[],
        hooks: &[
            tracepoint("io_uring_complete", "io_uring_complete", &[(2, "io_uring_cqe")], 3),
            tracepoint("io_uring_complete_args", "io_uring_complete", &[], 5),
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, collections::BTreeSet};

    use super::{
        super::{
            breakpoints, events,
            ladder::{By, Ladder, Rung},
            relays,
        },
        *,
    };

    #[test]
    fn helpers_are_probes() {
        let helpers = probes().filter(|probe| !probe.essential && !probe.is_optional());
        assert_eq!(helpers.map(|probe| probe.name).collect::<Vec<_>>(), HELPERS);
    }

    /// What a probe takes off its own is known by the time it is attached.
    #[test]
    fn what_a_probe_needs_comes_before_it() {
        let mut before = BTreeSet::new();
        for probe in probes() {
            for needed in probe.less {
                assert!(before.contains(needed), "{needed} after {}", probe.name);
            }
            before.insert(probe.name);
        }
    }

    #[test]
    fn kprobes_come_last_or_alone() {
        for probe in probes().filter(|probe| probe.sees_copies()) {
            let by = |ladder| probe.ladder(ladder).map(|rung| rung.by).collect::<Vec<_>>();
            let (best, alone) = (by(Ladder::Best), by(Ladder::Kprobes));
            let some = probe.hooks.iter().any(|hook| hook.by_kprobe);
            assert!(alone.is_empty() != some && alone.iter().all(|by| *by == By::Kprobe));
            assert_eq!(best, [vec![By::Type; probe.hooks.len()], alone].concat(), "{}", probe.name);
        }
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = probes().map(|probe| probe.name).collect();
        assert_eq!(names.len(), probes().count());
    }

    #[test]
    fn the_table_and_the_object_name_the_same_programs() {
        let object = aya_obj::Object::parse(super::super::object::BYTES).unwrap();
        let built: BTreeSet<_> =
            object.programs.keys().map(|name| Cow::from(name.as_str())).collect();
        let named = probes().flat_map(|probe| probe.ladder(Ladder::Best)).flat_map(Rung::programs);
        let mut named: BTreeSet<_> = named.map(|program| program.name).collect();
        // What an audit, an advice or a flame graph alone loads is in no row: it counts for
        // nothing else.
        assert!(named.insert(breakpoints::PROGRAM.into()));
        assert!(named.insert(relays::PROGRAM.into()));
        assert!(named.insert(events::PROGRAM.into()));
        assert_eq!(built, named);
    }
}
