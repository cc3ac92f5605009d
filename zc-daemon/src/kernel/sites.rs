//! The `SITES` map, read: what was copied on which stacks.

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{HashMap, MapData, MapError, StackTraceMap},
};
use zc_common::site::{CallSite, Kind, Weight};

use super::loader::Kernel;

/// The map of sites.
pub(super) const SITES: &str = "SITES";
/// The maps of stacks: the first, and that of stacks which find their place there taken.
pub(super) const STACKS: [&str; 2] = ["STACKS", "MORE_STACKS"];

/// A stack: return addresses, the innermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stack {
    /// There is none to be had: the kernel's where a system call returns, the user's where a
    /// copy is made for another process than the one that runs.
    None,
    /// It could not be taken.
    Lost,
    /// It was.
    Taken(Vec<u64>),
}

/// What was copied at one call site of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The process id in the initial pid namespace, 0 for nobody's.
    pub tgid: u32,
    /// Route, direction, and how the bytes are known.
    pub kind: Kind,
    /// Bytes.
    pub bytes: u64,
    /// Copies.
    pub copies: u64,
    /// The kernel's part of the stack.
    pub kernel: Stack,
    /// The process' part.
    pub user: Stack,
}

/// What was copied since attach: together every byte that was charged. Where stacks are sampled,
/// each site has what those of its copies that were drawn stand for.
#[derive(Clone, Debug, Default)]
pub struct Sites {
    /// At each site.
    pub sites: Vec<Site>,
    /// Bytes of whatever process, for whose site there was no room.
    pub unplaced: u64,
    /// Copies, likewise.
    pub unplaced_copies: u64,
}

impl Kernel {
    /// The call sites; none unless they are kept.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell.
    pub fn sites(&self) -> Result<Sites> {
        let map = |name| self.ebpf.map(name).with_context(|| format!("the object has no {name}"));
        let sites: HashMap<_, [u64; CallSite::WORDS], [u64; 2]> =
            HashMap::try_from(map(SITES)?).context("the object's SITES has an unknown shape")?;
        let stacks = |name| StackTraceMap::try_from(map(name)?).context("it holds no stacks");
        let [first, second] = STACKS;
        let stacks = [stacks(first)?, stacks(second)?];
        let mut all = Sites::default();
        for entry in sites.iter() {
            let (key, [bytes, copies]) = entry.context("cannot read the call sites")?;
            let site = CallSite::from_words(key);
            if site == CallSite::OVERFLOW {
                (all.unplaced, all.unplaced_copies) = (bytes, copies);
                continue;
            }
            let kind = site.decode().context("the map SITES holds a kind that zc does not know")?;
            let (kernel, user) = site.numbers();
            all.sites.push(Site {
                tgid: u32::try_from(site.tgid)?,
                kind,
                bytes,
                copies,
                kernel: stack(&stacks, kernel)?,
                user: stack(&stacks, user)?,
            });
        }
        Ok(all)
    }
}

/// Makes the site of bytes for whose own there will be no room.
pub(super) fn open(ebpf: &mut Ebpf) -> Result<()> {
    let map = ebpf.map_mut(SITES).context("the object has no map SITES")?;
    let mut sites: HashMap<_, [u64; CallSite::WORDS], [u64; 2]> =
        HashMap::try_from(map).context("the object's SITES has an unknown shape")?;
    let Weight { bytes, copies } = Weight::default();
    sites
        .insert(CallSite::OVERFLOW.words(), [bytes, copies], 0)
        .context("the map SITES takes no entry")
}

pub(super) fn stack(stacks: &[StackTraceMap<&MapData>; 2], number: u32) -> Result<Stack> {
    let map = match number {
        CallSite::NO_STACK => return Ok(Stack::None),
        CallSite::LOST_STACK => return Ok(Stack::Lost),
        _ => &stacks[usize::from(number & CallSite::IN_MORE_STACKS != 0)],
    };
    match map.get(&(number & !CallSite::IN_MORE_STACKS), 0) {
        Ok(trace) => Ok(Stack::Taken(trace.frames().iter().map(|frame| frame.ip).collect())),
        Err(MapError::KeyNotFound) => Ok(Stack::Lost),
        Err(error) => Err(error).context("cannot read a stack"),
    }
}
