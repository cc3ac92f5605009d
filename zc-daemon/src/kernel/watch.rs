//! Breakpoints on a live process: set, read, taken away.

use std::{collections::BTreeSet, io};

use anyhow::{Context as _, Result, bail};
use aya::{
    maps::{HashMap, Map},
    programs::{
        PerfEvent, ProgramError,
        perf_event::{BreakpointConfig, PerfEventConfig, PerfEventScope, SamplePolicy},
    },
};
use zc_common::audit::{Site, Watch};

use super::{
    breakpoints::{Function, MAP, PROGRAM},
    loader::Kernel,
};

/// What breakpoints counted in one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hits {
    /// The function.
    pub function: &'static Function,
    /// Calls seen.
    pub calls: u64,
    /// The bytes they were to copy.
    pub bytes: u64,
}

impl Kernel {
    /// Sets a breakpoint on each function in each thread of a process, and in those it
    /// starts from now on. `threads` lists them, anew each time it is asked; it is asked
    /// until no thread was started in between.
    ///
    /// # Errors
    ///
    /// One sentence that says why the kernel refuses, or that the process is gone.
    pub fn watch(
        &mut self,
        tgid: u32,
        functions: &[(&'static Function, u64)],
        mut threads: impl FnMut() -> Result<BTreeSet<u32>>,
    ) -> Result<()> {
        const TRIES: u32 = 10;
        self.expect(tgid, functions)?;
        for _ in 0..TRIES {
            // Unloaded by the try before: that takes its breakpoints away.
            let program = program(&mut self.ebpf)?;
            program.load().context("the kernel refuses the program of breakpoints")?;
            let before = threads()?;
            for thread in &before {
                for (_, address) in functions {
                    set(program, *thread, *address)?;
                }
            }
            if threads()?.is_subset(&before) {
                return Ok(());
            }
            program.unload().context("cannot take breakpoints away")?;
            self.expect(tgid, functions)?;
        }
        bail!("process {tgid} starts threads faster than breakpoints can be set; try again")
    }

    /// Takes the breakpoints away, says what they counted, and forgets it.
    ///
    /// # Errors
    ///
    /// If a count cannot be read.
    pub fn unwatch(
        &mut self,
        tgid: u32,
        functions: &[(&'static Function, u64)],
    ) -> Result<Vec<Hits>> {
        program(&mut self.ebpf)?.unload().context("cannot take breakpoints away")?;
        let mut watched = watched(self.ebpf.map_mut(MAP))?;
        let read = |(function, address): &(&'static Function, u64)| {
            let site = Site { tgid: tgid.into(), address: *address };
            let words =
                watched.get(&site.words(), 0).context("cannot read a breakpoint's count")?;
            // Room for the next process.
            watched.remove(&site.words()).context("cannot clear a breakpoint's count")?;
            let (calls, bytes) = Watch::counted(&words);
            Ok(Hits { function, calls, bytes })
        };
        functions.iter().map(read).collect()
    }

    /// Makes the entries that the program counts in.
    fn expect(&mut self, tgid: u32, functions: &[(&'static Function, u64)]) -> Result<()> {
        let mut watched = watched(self.ebpf.map_mut(MAP))?;
        for (function, address) in functions {
            let site = Site { tgid: tgid.into(), address: *address };
            let watch = Watch {
                length: function.length.into(),
                iterator: function.iterator.into(),
                rule: function.rule as u64,
                calls: 0,
                bytes: 0,
            };
            watched.insert(site.words(), watch.words(), 0).context("the map WATCHED is full")?;
        }
        Ok(())
    }
}

type Watched<'a> = HashMap<&'a mut aya::maps::MapData, [u64; 2], [u64; Watch::WORDS]>;

fn watched(map: Option<&mut Map>) -> Result<Watched<'_>> {
    HashMap::try_from(map.context("the object has no map WATCHED")?)
        .context("the object's WATCHED has an unknown shape")
}

pub(super) fn program(ebpf: &mut aya::Ebpf) -> Result<&mut PerfEvent> {
    let program = ebpf.program_mut(PROGRAM).context("the object has no program of breakpoints")?;
    program.try_into().context("the object's program of breakpoints is of another type")
}

/// Sets one breakpoint; a thread that has ended meanwhile needs none.
fn set(program: &mut PerfEvent, thread: u32, address: u64) -> Result<()> {
    let attached = program.attach(
        PerfEventConfig::Breakpoint(BreakpointConfig::Instruction { address }),
        PerfEventScope::OneProcess { pid: thread, cpu: None },
        SamplePolicy::Period(1),
        true,
    );
    let Err(error) = attached else { return Ok(()) };
    let ProgramError::SyscallError(call) = &error else {
        return Err(error).context("cannot set a breakpoint");
    };
    match call.io_error.raw_os_error() {
        Some(libc::ESRCH) => Ok(()),
        number => bail!("{}", refusal(number, &call.io_error)),
    }
}

/// Why the kernel sets no breakpoint, and what can be done (`reserve_bp_slot`,
/// kernel/events/hw_breakpoint.c; `arch_build_bp_info`, arch/x86/kernel/hw_breakpoint.c;
/// 5.10 to 7.3).
fn refusal(number: Option<i32>, error: &io::Error) -> String {
    match number {
        Some(libc::EINVAL) => format!(
            "this kernel refuses breakpoints on its own functions ({error}): it was built without \
             CONFIG_KPROBES; an audit needs a kernel that has it, as stock ones do"
        ),
        Some(libc::ENOSPC | libc::EBUSY) => format!(
            "the processor's breakpoints are taken ({error}): end the debugger or perf that holds \
             them, or watch fewer functions (--functions)"
        ),
        Some(libc::EACCES | libc::EPERM) => format!(
            "the kernel does not let this process set breakpoints ({error}): run zc as root, and \
             see /proc/sys/kernel/perf_event_paranoid"
        ),
        Some(libc::EMFILE) => format!(
            "there are not enough file descriptors for a breakpoint a thread ({error}): raise the \
             limit (ulimit -n)"
        ),
        Some(libc::ENOENT | libc::ENODEV | libc::EOPNOTSUPP) => {
            format!("this machine has no hardware breakpoints ({error}): audit on another one")
        }
        _ => {
            format!("cannot set a breakpoint: {error}; please report it with the kernel's version")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_cause_and_next_step() {
        let said = |number| refusal(Some(number), &io::Error::from_raw_os_error(number));
        assert!(said(libc::EINVAL).contains("without CONFIG_KPROBES"));
        assert!(said(libc::ENOSPC).contains("end the debugger"));
        assert!(said(libc::EACCES).contains("as root"));
        assert!(said(libc::EIO).contains("please report"));
    }
}
