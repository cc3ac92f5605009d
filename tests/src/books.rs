//! The kernel side and a ledger without a daemon around them: a test says how large the maps
//! are, and looks when and as closely as it wants.

use std::thread;

use anyhow::{Context as _, Result, anyhow};
use zc_common::{counter::Counter, slot::Care};
use zc_daemon::{
    engine::{ledger::Ledger, sampler, snapshot::Snapshot},
    host,
    kernel::{
        ladder::Ladder,
        loader::{Choice, Kernel},
        sizes::Sizes,
    },
};

/// Books of every process, by comm.
pub struct Books {
    kernel: Kernel,
    ledger: Ledger,
}

/// Tallies are handed on by value, for which the stack of a test is too small in a debug build.
const STACK: usize = 8 << 20;

impl Books {
    /// Opens them, with maps as large as `sizes` makes of the default ones.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn open(sizes: impl FnOnce(Sizes) -> Sizes) -> Result<Self> {
        const THREADS: u32 = 16 * 1024;
        const GROUPS: usize = 2000;
        let sizes = sizes(Sizes::new(THREADS, host::pid_max()?));
        let choice = Choice { ladder: Ladder::Best, wanted: |_| true };
        Ok(Self { kernel: Kernel::attach(sizes, choice)?, ledger: Ledger::new(GROUPS) })
    }

    /// One look, and all totals after it.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell.
    pub fn look(&mut self, care: Care) -> Result<Snapshot> {
        let Self { kernel, ledger } = self;
        thread::scope(|scope| {
            let look = move || sampler::pass(kernel, ledger, care);
            let looks = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, look)?;
            looks.join().map_err(|_| anyhow!("the look panicked"))?
        })
    }

    /// The kernel side.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }
}

/// What a counter stands at, in one group, or over all.
#[must_use]
pub fn total(snapshot: &Snapshot, group: Option<&str>, counter: Counter) -> u64 {
    let groups = snapshot.groups.iter();
    let groups = groups.filter(|of| group.is_none_or(|name| of.name == name));
    groups.map(|group| group.tally[counter]).sum()
}

/// What was lost for a reason.
///
/// # Errors
///
/// If there is no such reason.
pub fn lost(snapshot: &Snapshot, reason: &str) -> Result<u64> {
    let found = snapshot.lost.iter().find(|(name, _)| *name == reason);
    found.map(|(_, count)| *count).with_context(|| format!("there is no reason {reason}"))
}
