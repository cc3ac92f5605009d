//! Breakpoints for a live process: set, read, taken away.

use std::io;

use anyhow::{Context as _, Result, bail, ensure};
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
    cpus::online,
    loader::{Kernel, of_perf_events},
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

/// Breakpoints that are set.
#[derive(Debug)]
pub struct Placed {
    tgid: u32,
    functions: Vec<(&'static Function, u64)>,
    processors: Vec<u32>,
}

impl Kernel {
    /// Sets a breakpoint on each function on each processor, which counts for one process.
    ///
    /// Not in its threads, although no other process would pay then: each thread and child
    /// that is started later would inherit them, and the kernel lets nobody inherit a
    /// breakpoint on its own functions but who has `CAP_SYS_ADMIN` (`hw_breakpoint_parse`,
    /// kernel/events/hw_breakpoint.c; 5.10 to 7.3). For all others `clone` would fail.
    ///
    /// # Errors
    ///
    /// One sentence that says why the kernel refuses.
    pub fn watch(&mut self, tgid: u32, functions: &[(&'static Function, u64)]) -> Result<Placed> {
        self.expect(tgid, functions)?;
        let program = of_perf_events(&mut self.ebpf, PROGRAM)?;
        program.load().context("the kernel refuses the program of breakpoints")?;
        let processors = online()?;
        for cpu in &processors {
            for (_, address) in functions {
                set(program, *cpu, *address)?;
            }
        }
        Ok(Placed { tgid, functions: functions.to_vec(), processors })
    }

    /// Takes the breakpoints away, says what they counted, and forgets it.
    ///
    /// # Errors
    ///
    /// If a count cannot be read, or a processor came up that was not watched.
    pub fn unwatch(&mut self, placed: &Placed) -> Result<Vec<Hits>> {
        of_perf_events(&mut self.ebpf, PROGRAM)?
            .unload()
            .context("cannot take breakpoints away")?;
        let mut watched = watched(self.ebpf.map_mut(MAP))?;
        let read = |(function, address): &(&'static Function, u64)| {
            let site = Site { tgid: placed.tgid.into(), address: *address };
            let words =
                watched.get(&site.words(), 0).context("cannot read a breakpoint's count")?;
            // Room for the next process.
            watched.remove(&site.words()).context("cannot clear a breakpoint's count")?;
            let (calls, bytes) = Watch::counted(&words);
            Ok(Hits { function, calls, bytes })
        };
        let hits = placed.functions.iter().map(read).collect::<Result<_>>()?;
        ensure!(
            online()? == placed.processors,
            "processors went down or came up, on which nothing was watched; try again"
        );
        Ok(hits)
    }

    /// Makes the entries that the program counts in.
    fn expect(&mut self, tgid: u32, functions: &[(&'static Function, u64)]) -> Result<()> {
        let mut watched = watched(self.ebpf.map_mut(MAP))?;
        for (function, address) in functions {
            let site = Site { tgid: tgid.into(), address: *address };
            let counter = Watch {
                length: function.length.into(),
                iterator: function.iterator.into(),
                rule: function.rule as u64,
                calls: 0,
                bytes: 0,
            };
            watched.insert(site.words(), counter.words(), 0).context("the map WATCHED is full")?;
        }
        Ok(())
    }
}

type Watched<'a> = HashMap<&'a mut aya::maps::MapData, [u64; 2], [u64; Watch::WORDS]>;

fn watched(map: Option<&mut Map>) -> Result<Watched<'_>> {
    HashMap::try_from(map.context("the object has no map WATCHED")?)
        .context("the object's WATCHED has an unknown shape")
}

/// Sets one breakpoint.
fn set(program: &mut PerfEvent, cpu: u32, address: u64) -> Result<()> {
    let attached = program.attach(
        PerfEventConfig::Breakpoint(BreakpointConfig::Instruction { address }),
        PerfEventScope::AllProcessesOneCpu { cpu },
        SamplePolicy::Period(1),
        false,
    );
    let Err(error) = attached else { return Ok(()) };
    let ProgramError::SyscallError(call) = &error else {
        return Err(error).context("cannot set a breakpoint");
    };
    bail!("{}", refusal(call.io_error.raw_os_error(), &call.io_error))
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
            "there are not enough file descriptors for every processor's breakpoints ({error}): raise the \
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
