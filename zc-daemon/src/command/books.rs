//! What the ledger books of one process in a stretch of time.

use anyhow::Result;
use zc_common::{counter::Tally, slot::ProcessKey};

use crate::{
    engine::{audit::Booked, ledger::Ledger, sampler},
    kernel::loader::Kernel,
};

/// The ledger of one process.
pub(super) struct Books {
    pub(super) kernel: Kernel,
    pub(super) ledger: Ledger,
    pid: u32,
    /// The process, once it was seen, and its total at the last look.
    last: Option<(ProcessKey, Tally)>,
    before: Tally,
    lost_before: u64,
}

/// What the ledger says of the time between start and close.
pub(super) struct Account {
    pub(super) delta: Tally,
    pub(super) booked: Booked,
    pub(super) lost: u64,
}

impl Books {
    /// Opens the books of a process; the time that counts begins with `start`. The ledger
    /// has room for so many groups.
    pub(super) fn open(kernel: Kernel, pid: u32, max_groups: usize) -> Result<Self> {
        let (ledger, before) = (Ledger::new(max_groups), Tally::default());
        let mut books = Self { kernel, ledger, pid, last: None, before, lost_before: 0 };
        books.pass()?;
        Ok(books)
    }

    /// Follows another process from here on.
    pub(super) fn follow(&mut self, pid: u32) {
        self.pid = pid;
        self.last = None;
    }

    /// One look at the slots; how many events were missed so far. What a process did
    /// that has ended since is kept.
    pub(super) fn pass(&mut self) -> Result<u64> {
        let snapshot = sampler::pass(&mut self.kernel, &mut self.ledger)?;
        if let Some((key, tally)) = self.ledger.process(self.pid)
            && self.last.as_ref().is_none_or(|(last, _)| *last == key)
        {
            self.last = Some((key, tally.clone()));
        }
        Ok(snapshot.lost.iter().map(|(_, count)| count).sum())
    }

    /// Begins the time that counts.
    pub(super) fn start(&mut self) -> Result<()> {
        self.lost_before = self.pass()?;
        self.before = self.total();
        Ok(())
    }

    /// A process that has not run yet has no total: it starts from nothing.
    fn total(&self) -> Tally {
        self.last.as_ref().map(|(_, tally)| tally.clone()).unwrap_or_default()
    }

    /// Ends it.
    pub(super) fn close(&mut self) -> Result<Account> {
        let lost = self.pass()? - self.lost_before;
        let delta = self.total().since(&self.before);
        Ok(Account { booked: Booked::of(&delta), delta, lost })
    }
}
