//! What the ledger books of some processes in a stretch of time.

use anyhow::Result;
use zc_common::{counter::Tally, slot::Care};

use super::budget::Warden;
use crate::{
    engine::{
        audit::Booked,
        ledger::Ledger,
        sampler,
        snapshot::Snapshot,
        tree::{Root, Tree},
    },
    host,
    kernel::{loader::Kernel, meter},
};

/// The ledger of some processes.
pub(super) struct Books {
    pub(super) kernel: Kernel,
    pub(super) ledger: Ledger,
    pub(super) tree: Tree,
    /// All groups as the last pass found them.
    pub(super) latest: Snapshot,
    /// Who keeps a budget, if there is one.
    warden: Option<Warden>,
    lost_before: u64,
    nobody_before: Tally,
}

/// What the ledger says of the time between start and close.
pub(super) struct Account {
    pub(super) delta: Tally,
    pub(super) booked: Booked,
    pub(super) lost: u64,
    /// What was charged to no thread.
    pub(super) nobody: Tally,
}

impl Books {
    /// Opens the books of processes; the time that counts begins with `start`. Fails where zc
    /// sees other ids than the kernel.
    pub(super) fn open(kernel: Kernel, root: Root) -> Result<Self> {
        Self::open_with(kernel, Ledger::new(1), root)
    }

    /// The same, with a ledger whose groups matter.
    pub(super) fn open_with(kernel: Kernel, ledger: Ledger, root: Root) -> Result<Self> {
        host::require_initial_pids()?;
        let tree = Tree::new(root);
        let nobody_before = Tally::default();
        let latest = Snapshot::default();
        let mut books =
            Self { kernel, ledger, tree, latest, warden: None, lost_before: 0, nobody_before };
        books.pass()?;
        Ok(books)
    }

    /// Keeps to a budget from here on, a share of a core.
    pub(super) fn keep_to(&mut self, budget: f64) {
        self.warden = Some(Warden::new(Some(budget), meter::asking()));
    }

    /// The probes that were given up for the budget.
    pub(super) fn given_up(&self) -> &[&'static str] {
        self.warden.as_ref().map_or(&[], Warden::shed)
    }

    /// Follows others from here on.
    pub(super) fn follow(&mut self, root: Root) {
        self.tree = Tree::new(root);
    }

    /// One look at the slots; how many events were missed so far. What a process did
    /// that has ended since is kept.
    pub(super) fn pass(&mut self) -> Result<u64> {
        self.latest = sampler::pass(&mut self.kernel, &mut self.ledger, Care::Thorough)?;
        self.tree.see(self.ledger.processes());
        if let Some(warden) = &mut self.warden {
            warden.look(&mut self.kernel)?;
        }
        Ok(self.latest.lost.iter().map(|(_, count)| count).sum())
    }

    /// Begins the time that counts. A process that has not run yet starts from nothing.
    pub(super) fn start(&mut self) -> Result<()> {
        self.lost_before = self.pass()?;
        self.nobody_before.clone_from(self.ledger.nobody());
        self.tree.start();
        Ok(())
    }

    /// Ends it; what is charged later, for what was done before, is in a second account.
    pub(super) fn close(&mut self) -> Result<Account> {
        let lost = self.pass()? - self.lost_before;
        let delta = self.tree.total();
        let nobody = self.ledger.nobody().since(&self.nobody_before);
        Ok(Account { booked: Booked::of(&delta), delta, lost, nobody })
    }
}
