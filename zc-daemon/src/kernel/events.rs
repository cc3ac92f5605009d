//! The kernel's software events: a program is run at each, to take the stack of some.
//!
//! A context switch raises its event as the thread leaves (`prepare_task_switch`,
//! kernel/sched/core.c), a page fault as it is counted for the thread (`mm_account_fault`,
//! mm/memory.c), but for those that the kernel does on a process' behalf
//! (`get_user_pages`), which have no registers to begin a stack at; 5.10 to 7.3.

use std::io;

use anyhow::{Context as _, Result, bail};
use aya::programs::{
    PerfEvent, ProgramError,
    perf_event::{PerfEventConfig, PerfEventScope, SamplePolicy, SoftwareEvent},
};

use super::{
    cpus::online,
    loader::{Kernel, of_perf_events},
};

/// The program that takes stacks.
pub(super) const PROGRAM: &str = "event";

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A thread leaves its processor.
    ContextSwitch,
    /// A page fault, minor or major.
    PageFault,
}

impl Event {
    const fn raised(self) -> &'static [SoftwareEvent] {
        match self {
            Self::ContextSwitch => &[SoftwareEvent::ContextSwitches],
            Self::PageFault => &[SoftwareEvent::PageFaultsMin, SoftwareEvent::PageFaultsMaj],
        }
    }
}

/// The processors on which events are watched.
#[derive(Debug)]
pub struct Watch(Vec<u32>);

impl Watch {
    /// Whether these are all that are up.
    ///
    /// # Errors
    ///
    /// If it cannot be told which are.
    pub fn is_of_all(&self) -> Result<bool> {
        Ok(online()? == self.0)
    }
}

impl Kernel {
    /// Takes the stacks of an event from here on, on all processors that are up, as
    /// [`Sample`](super::sizes::Sample) has it: which of them is drawn in the program, each by
    /// itself. The kernel's own sampling takes every so manieth, which in a pattern that repeats
    /// would always be the same one.
    ///
    /// # Errors
    ///
    /// One sentence that says why the kernel refuses.
    pub fn take_stacks_of(&mut self, event: Event) -> Result<Watch> {
        let program = of_perf_events(&mut self.ebpf, PROGRAM)?;
        program.load().context("the kernel refuses the program of events")?;
        let processors = online()?;
        for cpu in &processors {
            for raised in event.raised() {
                attach(program, *cpu, *raised)?;
            }
        }
        Ok(Watch(processors))
    }
}

fn attach(program: &mut PerfEvent, cpu: u32, event: SoftwareEvent) -> Result<()> {
    let attached = program.attach(
        PerfEventConfig::Software(event),
        PerfEventScope::AllProcessesOneCpu { cpu },
        SamplePolicy::Period(1),
        false,
    );
    let Err(error) = attached else { return Ok(()) };
    let ProgramError::SyscallError(call) = &error else {
        return Err(error).context("cannot watch an event");
    };
    bail!("{}", refusal(&call.io_error))
}

/// Why the kernel lets no event be watched, and what can be done.
fn refusal(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => format!(
            "the kernel does not let this process watch events ({error}): run zc as root, and see \
             /proc/sys/kernel/perf_event_paranoid"
        ),
        Some(libc::EMFILE) => format!(
            "there are not enough file descriptors for every processor's events ({error}): raise \
             the limit (ulimit -n)"
        ),
        _ => format!("cannot watch an event: {error}; please report it with the kernel's version"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_cause_and_next_step() {
        let said = |number| refusal(&io::Error::from_raw_os_error(number));
        assert!(said(libc::EACCES).contains("as root"));
        assert!(said(libc::EMFILE).contains("ulimit"));
        assert!(said(libc::EIO).contains("please report"));
    }
}
