//! The observer's own tax: what its programs and its daemon take of the CPUs.

use std::time::Duration;

/// What was taken so far, and at last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tax {
    /// Every program that is attached.
    pub programs: Vec<Program>,
    /// For how long their runs were timed.
    pub timed: Duration,
    /// What was taken when it was last looked at.
    pub share: Option<Share>,
}

/// A program that is attached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Its name in the object.
    pub name: String,
    /// How long it ran, of the time that it was timed.
    pub ran: Duration,
    /// How often, likewise.
    pub runs: u64,
    /// How often the kernel skipped it, as it was under way on that CPU.
    pub recursion_misses: u64,
    /// How often its hook was not followed, where the kernel tells.
    pub link_misses: Option<u64>,
}

/// Shares of a core.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// Of the programs, on whichever CPU.
    pub programs: f64,
    /// Of the daemon.
    pub daemon: f64,
}

impl Share {
    /// Both.
    #[must_use]
    pub fn sum(self) -> f64 {
        self.programs + self.daemon
    }
}

/// Programs that are attached or not together, and the probes that are up with them.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// The probes.
    pub probes: Vec<&'static str>,
    /// Probes without which they see too much or too little.
    pub needs: Vec<&'static str>,
    /// What they take of a core.
    pub cost: f64,
    /// Whether what others count stays right without it; if not, it goes with what it needs.
    pub optional: bool,
}

impl Unit {
    fn needs(&self, other: &Self) -> bool {
        other.probes.iter().any(|probe| self.needs.contains(probe))
    }
}

/// What an observer may take of a core.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    share: f64,
    exceeded: u32,
}

impl Budget {
    /// Looks in a row that must be past it: what happens once is nobody's habit.
    pub const PATIENCE: u32 = 3;

    /// So much of a core.
    #[must_use]
    pub const fn new(share: f64) -> Self {
        Self { share, exceeded: 0 }
    }

    /// So much of a core.
    #[must_use]
    pub const fn share(&self) -> f64 {
        self.share
    }

    /// By how much it has been exceeded, if it has been for long enough.
    pub fn exceeded_by(&mut self, taken: f64) -> Option<f64> {
        self.exceeded = if taken > self.share { self.exceeded + 1 } else { 0 };
        (self.exceeded >= Self::PATIENCE).then_some(taken - self.share)
    }
}

/// Which of the units to give up to take so much less, by position: the most expensive of
/// those that no other one needs; if even all of these would not do, the most expensive of
/// all, with those that need it.
#[must_use]
pub fn to_shed(units: &[Unit], excess: f64) -> Vec<usize> {
    let needed = |unit: &Unit| units.iter().any(|other| other.needs(unit));
    let all: Vec<_> = (0..units.len()).filter(|place| units[*place].optional).collect();
    let free: Vec<_> = all.iter().copied().filter(|place| !needed(&units[*place])).collect();
    let enough = free.iter().map(|place| units[*place].cost).sum::<f64>() >= excess;
    let candidates = if enough { free } else { all };
    let dearest = |one: &usize, other: &usize| units[*one].cost.total_cmp(&units[*other].cost);
    let mut shed: Vec<_> = candidates.into_iter().max_by(dearest).into_iter().collect();
    // Whoever needs what goes, goes.
    let mut known = 0;
    while known < shed.len() {
        let gone = &units[shed[known]];
        let more = (0..units.len()).filter(|place| units[*place].needs(gone));
        let more: Vec<_> = more.filter(|place| !shed.contains(place)).collect();
        shed.extend(more);
        known += 1;
    }
    shed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(probe: &'static str, needs: &[&'static str], cost: f64) -> Unit {
        Unit { probes: vec![probe], needs: needs.to_vec(), cost, optional: true }
    }

    #[test]
    fn a_budget_is_exceeded_by_what_lasts() {
        let mut budget = Budget::new(0.01);
        let mut asked = |taken| budget.exceeded_by(taken).is_some();
        assert_eq!([0.02, 0.02, 0.005, 0.02, 0.02].map(&mut asked), [false; 5]);
        assert!(asked(0.02) && asked(0.011));
        assert!(!asked(0.01) && !asked(0.02));
    }

    #[test]
    fn what_others_need_is_shed_last_and_with_them() {
        let units = [
            unit("transfers", &[], 0.05),
            unit("page_cache", &["transfers"], 0.02),
            unit("pipes", &["transfers"], 0.01),
            unit("datagrams", &["transfers", "pipes"], 0.001),
            unit("io_uring", &[], 0.0),
        ];
        assert_eq!(to_shed(&units, 0.005), [1]);
        assert_eq!(to_shed(&units, 0.03), [0, 1, 2, 3]);
        assert_eq!(to_shed(&units[2..4], 0.0001), [1]);
        assert_eq!(to_shed(&units[2..4], 0.005), [0, 1]);
        assert!(to_shed(&[], 1.0).is_empty());
        let helper = Unit { optional: false, ..unit("socket_owner", &["transfers"], 0.9) };
        assert_eq!(to_shed(&[helper.clone(), units[0].clone()], 0.03), [1, 0]);
        assert!(to_shed(&[helper], 0.03).is_empty());
    }
}
