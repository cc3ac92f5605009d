//! THE table of probes: what is measured, by which programs, on which hooks.
//!
//! A new probe is a new file in `zc-ebpf/src/probes` and a new row here. Hooks
//! stand best first; the first that attaches is used.

use std::fmt;

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
    /// Where it can be attached, best first.
    pub hooks: &'static [Hook],
}

impl Probe {
    /// Whether every other probe relies on it to know whom to charge.
    #[must_use]
    pub fn tells_who_runs(&self) -> bool {
        self.name == "context_switches"
    }
}

/// A program and the tracepoint it is for.
#[derive(Debug, PartialEq, Eq)]
pub struct Hook {
    /// The program's name in the object.
    pub program: &'static str,
    /// The tracepoint.
    pub tracepoint: &'static str,
    /// Arguments that must point to a given structure, by position; tells apart
    /// the signatures that a tracepoint has had.
    pub arguments: &'static [(usize, &'static str)],
    /// How many arguments there must be at least.
    pub at_least: usize,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tp_btf/{}", self.tracepoint)
    }
}

const SCHED_SWITCH: Hook = Hook {
    program: "sched_switch",
    tracepoint: "sched_switch",
    arguments: &[(1, "task_struct"), (2, "task_struct")],
    at_least: 3,
};

const SYS_EXIT: Hook =
    Hook { program: "sys_exit", tracepoint: "sys_exit", arguments: &[(0, "pt_regs")], at_least: 2 };

/// Every probe, in the order they are attached: what becomes of a thread's name must
/// be seen before the first thread is, and who runs where before anything is charged.
pub static PROBES: &[Probe] = &[
    Probe {
        name: "exec",
        measures: "when a process becomes another program, so that each program's bytes stand \
                   under its own name",
        blind_to: "nothing",
        essential: true,
        hooks: &[Hook {
            program: "sched_process_exec",
            tracepoint: "sched_process_exec",
            arguments: &[(0, "task_struct")],
            at_least: 2,
        }],
    },
    Probe {
        name: "rename",
        measures: "when a process changes its name (prctl PR_SET_NAME)",
        blind_to: "what the process did between the call and its next context switch stands \
                   under the old name",
        essential: false,
        hooks: &[Hook {
            program: "task_rename",
            tracepoint: "task_rename",
            arguments: &[(0, "task_struct")],
            at_least: 2,
        }],
    },
    Probe {
        name: "context_switches",
        measures: "context switches of every thread, voluntary and involuntary, equal to \
                   /proc/PID/status; and which thread runs where",
        blind_to: "nothing since zc first saw the thread run",
        essential: true,
        hooks: &[SCHED_SWITCH],
    },
    Probe {
        name: "page_faults",
        measures: "page faults of every thread, minor and major, equal to /proc/PID/stat as of \
                   the thread's last context switch",
        blind_to: "faults since the thread last left its CPU; what the fault was for (file or \
                   anonymous memory); pages that fault-around mapped along",
        essential: true,
        hooks: &[SCHED_SWITCH],
    },
    Probe {
        name: "syscalls",
        measures: "system calls that returned, by class; two mode switches each",
        blind_to: "calls that never return (exit, a call still waiting); what a 32-bit program \
                   calls, beyond that it does (counted as lost); before 5.11 whose calls they \
                   are until a thread's first switch (counted as lost)",
        essential: false,
        hooks: &[SYS_EXIT],
    },
    Probe {
        name: "transfers",
        measures: "bytes that system calls moved, by route and endpoint; the copies inferred from \
                   them",
        blind_to: "Linux AIO (io_submit), System V and POSIX message queues, ptrace, /proc/PID/mem; \
                   whether the kernel really copied (DAX, kernel TLS); that a seccomp filter or \
                   tracer made a result up",
        essential: false,
        hooks: &[SYS_EXIT],
    },
    Probe {
        name: "io_uring",
        measures: "bytes of io_uring completions, by the request's file",
        blind_to: "multishot completions (counted as lost), completions that are skipped or \
                   overflow the ring, zero-copy receive, MSG_TRUNC; every request before kernel \
                   5.19, whose tracepoint does not name it",
        essential: false,
        hooks: &[
            Hook {
                program: "io_uring_complete",
                tracepoint: "io_uring_complete",
                arguments: &[(2, "io_uring_cqe")],
                at_least: 3,
            },
            Hook {
                program: "io_uring_complete_args",
                tracepoint: "io_uring_complete",
                arguments: &[],
                at_least: 5,
            },
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = PROBES.iter().map(|probe| probe.name).collect();
        assert_eq!(names.len(), PROBES.len());
    }

    #[test]
    fn the_table_and_the_object_name_the_same_programs() {
        let object = aya_obj::Object::parse(super::super::object::BYTES).unwrap();
        let built: BTreeSet<_> = object.programs.keys().map(String::as_str).collect();
        let named: BTreeSet<_> =
            PROBES.iter().flat_map(|probe| probe.hooks).map(|hook| hook.program).collect();
        assert_eq!(built, named);
    }
}
