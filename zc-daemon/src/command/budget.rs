//! `--budget`: what is given up so that observing costs no more.

use anyhow::Result;

use crate::{
    engine::tax::{self, Budget, Program, Share, Tax, Unit},
    kernel::{
        loader::Kernel,
        meter::{Meter, Start, Taken},
    },
};

/// Looks at what zc takes, and sheds probes past a budget.
pub(super) struct Warden {
    /// None where the kernel does not time programs.
    meter: Option<Meter>,
    budget: Option<Budget>,
    /// Probes given up so far.
    shed: Vec<&'static str>,
    /// Whether it has been said that there is nothing left to give up.
    helpless: bool,
}

impl Warden {
    /// Of a budget, a share of a core, if there is one; `start` has the kernel time programs.
    pub(super) fn new(budget: Option<f64>, start: Start) -> Self {
        let pause = if budget.is_some() { Meter::OFTEN } else { Meter::SELDOM };
        let meter = Some(Meter::new(pause, start));
        Self { meter, budget: budget.map(Budget::new), shed: Vec::new(), helpless: false }
    }

    /// Probes given up so far.
    pub(super) fn shed(&self) -> &[&'static str] {
        &self.shed
    }

    /// Goes on with what is under way; true if probes were given up.
    ///
    /// # Errors
    ///
    /// If there is a budget, and the kernel does not tell what is taken, or does not let go
    /// of a program.
    pub(super) fn look(&mut self, kernel: &mut Kernel) -> Result<bool> {
        kernel.let_go()?;
        let Some(meter) = &mut self.meter else { return Ok(false) };
        let taken = match meter.look(|| kernel.infos()) {
            Ok(taken) => taken.cloned(),
            Err(error) if self.budget.is_none() => {
                tracing::warn!("what zc itself takes is unknown: {error:#}");
                self.meter = None;
                return Ok(false);
            }
            Err(error) => return Err(error.context("the budget cannot be kept")),
        };
        let (Some(taken), Some(budget)) = (taken, &mut self.budget) else { return Ok(false) };
        let sum = share(&taken).sum();
        let Some(excess) = budget.exceeded_by(sum) else { return Ok(false) };
        let most = budget.share();
        self.give_up(kernel, &taken, excess, &past(sum, most))
    }

    /// Gives up what brings it back within the budget, at the least loss.
    fn give_up(
        &mut self,
        kernel: &mut Kernel,
        taken: &Taken,
        excess: f64,
        why: &str,
    ) -> Result<bool> {
        let units = units(kernel, taken);
        let chosen = tax::to_shed(&units, excess);
        for unit in chosen.iter().map(|place| &units[*place]) {
            tracing::warn!(
                "{why}: the probe {} is given up, which took {:.4} %; what it measures is unknown \
                 from here on; to have it, raise --budget",
                unit.probes.join(", "),
                100.0 * unit.cost
            );
            kernel.shed(&unit.probes, why)?;
            self.shed.extend(&unit.probes);
        }
        if chosen.is_empty() && !self.helpless {
            tracing::warn!("{why}, and no probe is left that zc can do without");
            self.helpless = true;
        }
        Ok(!chosen.is_empty())
    }

    /// What was taken so far, if the kernel tells.
    pub(super) fn tax(&self, kernel: &Kernel) -> Result<Option<Tax>> {
        let Some(meter) = &self.meter else { return Ok(None) };
        let links = kernel.link_misses()?;
        let programs = kernel.infos()?.into_iter().map(|(name, info)| {
            let (ran, runs) = meter.of(&name);
            let link_misses = links.get(&info.id).copied();
            Program { name, ran, runs, recursion_misses: info.recursion_misses, link_misses }
        });
        let programs = programs.collect();
        Ok(Some(Tax { programs, timed: meter.timed(), share: meter.found().map(share) }))
    }
}

fn share(taken: &Taken) -> Share {
    Share { programs: taken.programs.values().sum(), daemon: taken.daemon }
}

fn past(taken: f64, most: f64) -> String {
    format!("zc takes {:.4} % of a core, past its budget of {:.4} %", 100.0 * taken, 100.0 * most)
}

/// The probes that are up, by programs that they share.
fn units(kernel: &Kernel, taken: &Taken) -> Vec<Unit> {
    let mut units: Vec<(Vec<_>, Unit)> = Vec::new();
    let up = kernel.attachments.iter().filter_map(|a| Some((a.probe, a.hook?)));
    for (probe, rung) in up {
        let names: Vec<_> = rung.programs().into_iter().map(|program| program.name).collect();
        if let Some((_, unit)) = units.iter_mut().find(|(of, _)| *of == names) {
            unit.probes.push(probe.name);
            unit.needs.extend(probe.needs());
            unit.optional &= probe.is_optional();
        } else {
            let cost = names.iter().filter_map(|name| taken.programs.get(&**name)).sum();
            let (probes, needs) = (vec![probe.name], probe.needs().collect());
            let unit = Unit { probes, needs, cost, optional: probe.is_optional() };
            units.push((names, unit));
        }
    }
    units.into_iter().map(|(_, unit)| unit).collect()
}
