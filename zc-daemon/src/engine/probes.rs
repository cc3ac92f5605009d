//! What the probes see now: which are attached, and so which totals still count.

use zc_common::flow::Route;

use super::{coverage::Coverage, summary::Quality};

/// The probes by whose standing it is known whether a total is known.
pub const ASKED: &[&str] = &["transfers", "syscalls", "io_uring", "page_fault_backing"];

/// Every probe as it stands at one instant.
#[derive(Clone, Debug, Default)]
pub struct Probes {
    /// Every probe: its name, and the hook it is attached to.
    pub states: Vec<(&'static str, Option<String>)>,
    /// How well copies are measured, by route.
    pub routes: Vec<(Route, Coverage)>,
}

impl Probes {
    /// Those that are attached nowhere: what they measure is unknown, not zero.
    pub fn down(&self) -> impl Iterator<Item = &'static str> {
        self.states.iter().filter(|(_, hook)| hook.is_none()).map(|(name, _)| *name)
    }

    /// Whether a probe counts.
    #[must_use]
    pub fn has(&self, probe: &str) -> bool {
        debug_assert!(ASKED.contains(&probe), "{probe} is not in ASKED");
        self.down().all(|down| down != probe)
    }

    /// Whether what moves by a route is counted, and so what is inferred from it.
    #[must_use]
    pub fn sees_moves(&self, route: Route) -> bool {
        self.has("transfers") && (route != Route::IoUring || self.has("io_uring"))
    }

    /// Whether copies of a quality are told on a route.
    #[must_use]
    pub fn sees(&self, route: Route, quality: Quality) -> bool {
        match quality {
            Quality::Measured => self.sees_copies(route),
            Quality::Inferred => self.sees_moves(route),
        }
    }

    /// Whether copies on a route are measured at all.
    #[must_use]
    pub fn sees_copies(&self, route: Route) -> bool {
        let found = self.routes.iter().find(|(of, _)| *of == route);
        found.is_none_or(|(_, coverage)| *coverage != Coverage::Inferred)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_probe_counts_any_more_is_not_seen() {
        let up = |name| (name, Some("tp_btf/it".to_owned()));
        let mut probes = Probes {
            states: vec![up("transfers"), up("io_uring")],
            routes: vec![(Route::Read, Coverage::Unverified), (Route::Send, Coverage::Inferred)],
        };
        assert!(probes.sees_copies(Route::Read) && !probes.sees_copies(Route::Send));
        assert!(probes.sees_moves(Route::IoUring));
        probes.states[1].1 = None;
        assert!(probes.sees_moves(Route::Read) && !probes.sees_moves(Route::IoUring));
        probes.states[0].1 = None;
        assert!(!probes.sees_moves(Route::Read) && probes.has("syscalls"));
        assert_eq!(probes.down().collect::<Vec<_>>(), ["transfers", "io_uring"]);
    }
}
