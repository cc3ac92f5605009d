//! Relays: the program that looks for them, alone, and what it found.

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{HashMap, StackTraceMap},
};
use zc_common::relay::{Ends, Relay, Sums};

use super::{
    capabilities, loader, misses,
    sites::{STACKS, Stack, stack},
    sizes::Sizes,
};

/// The program, its tracepoint, and its maps: of what was taken in, and of what became of it.
pub(super) const PROGRAM: &str = "relays";
const TRACEPOINT: &str = "sys_exit";
pub(super) const BROUGHT: &str = "BROUGHT";
pub(super) const RELAYS: &str = "RELAYS";

/// Room for so many ways of so many processes; for so many buffers at a time there is
/// [`Sizes::buffers`].
const WAYS: u32 = 16 * 1024;
const BUFFERS: u32 = 16 * 1024;
const KINDS_OF_STACK: u32 = 8 * 1024;

/// One row of the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The process id in the initial pid namespace, and when its leader started.
    pub process: (u32, u64),
    /// From where and to where.
    pub ends: Ends,
    /// What went there.
    pub sums: Sums,
    /// The stack of the process that put it out; none unless it was relayed, or sent by TCP in
    /// [large](zc_common::relay::LARGE) calls.
    pub stack: Stack,
}

/// What was found since attach.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Everything.
    pub rows: Vec<Row>,
    /// Calls for which the map had no room, of whatever process.
    pub unplaced: u64,
    /// Calls that the kernel did not run the program for, as it was preempted (from 7.0).
    pub skipped: u64,
}

/// The program, attached; dropping it detaches it.
pub struct Relays {
    ebpf: Ebpf,
}

impl Relays {
    /// Attaches it.
    ///
    /// # Errors
    ///
    /// If the kernel refuses it.
    pub fn attach() -> Result<Self> {
        capabilities::require()?;
        let sizes =
            Sizes { ways: WAYS, buffers: BUFFERS, stacks: Some(KINDS_OF_STACK), ..Sizes::LEAST };
        let ebpf = loader::attach_alone(PROGRAM, TRACEPOINT, sizes, |ebpf| {
            let map = ebpf.map_mut(RELAYS).context("the object has no map RELAYS")?;
            let mut rows: HashMap<_, [u64; Relay::WORDS], [u64; Sums::WORDS]> =
                HashMap::try_from(map).context("the object's RELAYS has an unknown shape")?;
            rows.insert(Relay::OVERFLOW.words(), Sums::nothing(), 0)
                .context("the map RELAYS takes no entry")
        })?;
        Ok(Self { ebpf })
    }

    /// What it has found so far.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell.
    pub fn read(&self) -> Result<Found> {
        let map = |name| self.ebpf.map(name).with_context(|| format!("the object has no {name}"));
        let rows: HashMap<_, [u64; Relay::WORDS], [u64; Sums::WORDS]> =
            HashMap::try_from(map(RELAYS)?).context("the object's RELAYS has an unknown shape")?;
        let stacks = |name| StackTraceMap::try_from(map(name)?).context("it holds no stacks");
        let stacks = [stacks(STACKS[0])?, stacks(STACKS[1])?];
        let mut found = Found { skipped: self.skipped()?, ..Found::default() };
        for entry in rows.iter() {
            let (key, sums) = entry.context("cannot read what was found")?;
            let (relay, sums) = (Relay::from_words(key), Sums::from_words(sums));
            if relay == Relay::OVERFLOW {
                found.unplaced = sums.calls + sums.changed + sums.unsampled;
                continue;
            }
            let ends = relay.ends().context("the map RELAYS holds an end that zc does not know")?;
            found.rows.push(Row {
                process: (u32::try_from(relay.tgid)?, relay.start),
                ends,
                sums,
                stack: stack(&stacks, u32::try_from(relay.stack)?)?,
            });
        }
        Ok(found)
    }

    fn skipped(&self) -> Result<u64> {
        let program = self.ebpf.program(PROGRAM).context("the object has no such program")?;
        let fd = program.fd().context("the program is not loaded")?;
        Ok(misses::info(std::os::fd::AsFd::as_fd(fd))?.recursion_misses)
    }
}
