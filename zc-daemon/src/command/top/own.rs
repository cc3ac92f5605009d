//! Totals by zc's own probes.

use std::{sync::Arc, time::Instant};

use anyhow::Result;
use zc_common::slot::Care;

use super::Source;
use crate::{
    cli::Top,
    command::{
        attach_cheaply,
        coverage::{Found, probes},
        grouping::Plan,
    },
    engine::{
        ledger::Ledger,
        probes::Probes,
        sampler,
        snapshot::{Group, Process, Snapshot},
        sparse::Sparse,
        top::{Key, Listing, Look, Moves, Standing, Totals},
    },
    host,
    kernel::loader::Kernel,
};

/// The probes, and the books of what they charge.
pub(super) struct Own {
    kernel: Kernel,
    ledger: Ledger,
    probes: Arc<Probes>,
    start: Instant,
}

impl Own {
    /// Attaches everything but what makes each system call dearer.
    pub(super) fn new(flags: &Top) -> Result<Self> {
        host::require_initial_pids()?;
        let plan = Plan::new(&flags.grouping)?;
        let mut kernel = attach_cheaply(false, plan.kept(), flags.attach)?;
        let ledger = plan.ledger(&flags.grouping, &mut kernel)?;
        let probes = probes(&kernel.attachments, &Found::new()).into();
        Ok(Self { kernel, ledger, probes, start: Instant::now() })
    }

    fn listing(&self, rows: Vec<Totals>) -> Listing {
        Listing { seconds: self.start.elapsed().as_secs_f64(), rows }
    }

    fn moves(&self) -> Moves {
        if self.probes.has("transfers") { Moves::Tallied } else { Moves::Unknown }
    }

    fn standing(&self, snapshot: &Snapshot) -> Standing {
        let routes = &self.probes.routes;
        let measured = routes.iter().map(|(route, _)| *route);
        Standing {
            measured: measured.filter(|route| self.probes.sees_copies(*route)).collect(),
            routes: routes.len(),
            down: self.down().map(str::to_owned).collect(),
            lost: snapshot.lost.iter().map(|(_, count)| count).sum(),
            processes: snapshot.processes,
        }
    }

    /// The probes that are down; those that were not asked for, or that this kernel has no place
    /// for, are not.
    fn down(&self) -> impl Iterator<Item = &'static str> {
        let unwanted = |name: &str| {
            self.kernel
                .attachments
                .iter()
                .any(|a| a.probe.name == name && (a.is_unwanted() || a.is_missing()))
        };
        self.probes.down().filter(move |name| !unwanted(name))
    }
}

impl Source for Own {
    fn name(&self) -> &'static str {
        "probes"
    }

    fn look(&mut self, processes: bool) -> Result<Look> {
        let snapshot = sampler::pass(&mut self.kernel, &mut self.ledger, Care::Thorough)?;
        let group = |group: &Group| Totals {
            key: Key::Group(group.name.clone()),
            name: group.name.clone(),
            group: group.name.clone(),
            tally: Sparse::of(&group.tally),
            moves: self.moves(),
        };
        let process = |process: Process| Totals {
            key: Key::Process(process.key.tgid, process.key.start),
            name: process.name,
            group: process.group,
            tally: process.tally,
            moves: self.moves(),
        };
        let census = processes.then(|| self.ledger.census().into_iter().map(process).collect());
        Ok(Look {
            groups: self.listing(snapshot.groups.iter().map(group).collect()),
            processes: census.map(|rows| self.listing(rows)),
            standing: self.standing(&snapshot),
        })
    }
}
