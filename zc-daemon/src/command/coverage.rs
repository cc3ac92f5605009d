//! Which routes are measured here, and how well.

use zc_common::flow::Route;

use super::hook_of;
use crate::{
    engine::{
        audit::Verdict,
        coverage::{Coverage, Hooked},
        probes::Probes,
    },
    kernel::{loader::Attachment, reference::REFERENCES},
};

/// What self-tests found, by route.
pub(super) type Found = Vec<(Route, Verdict)>;

/// What the probes see.
pub(super) fn probes(attachments: &[Attachment], found: &Found) -> Probes {
    let states = attachments.iter().map(|a| (a.probe.name, hook_of(a))).collect();
    Probes { states, routes: coverage(attachments, found) }
}

/// Every route on which copies can be measured or tested for, and how well they are.
pub(super) fn coverage(attachments: &[Attachment], found: &Found) -> Vec<(Route, Coverage)> {
    let of = |route: Route| {
        let verdicts = found.iter().filter(|(tested, _)| *tested == route);
        Coverage::of(hooked(attachments, route), verdicts.map(|(_, verdict)| *verdict))
    };
    routes(attachments).map(|route| (route, of(route))).collect()
}

/// The routes on which copies are measured: every hook of theirs is attached.
pub(super) fn measured(attachments: &[Attachment]) -> impl Iterator<Item = Route> {
    let fed = |route| probes_of(attachments, route).next().is_some();
    routes(attachments).filter(move |route| fed(*route) && is_full(attachments, *route))
}

fn is_full(attachments: &[Attachment], route: Route) -> bool {
    hooked(attachments, route) == Hooked::Fully
}

fn routes(attachments: &[Attachment]) -> impl Iterator<Item = Route> {
    let parts = || REFERENCES.iter().flat_map(|reference| reference.parts);
    Route::ALL.iter().copied().filter(move |route| {
        let fed = attachments.iter().any(|a| a.probe.routes.contains(route));
        fed || parts().any(|part| part.route == *route)
    })
}

/// The probes that see copies on a route, without those that this kernel has no need of.
fn probes_of(attachments: &[Attachment], route: Route) -> impl Iterator<Item = &Attachment> {
    attachments.iter().filter(move |a| a.probe.routes.contains(&route) && !a.is_missing())
}

/// A route that no probe is for (nothing is copied by a tee) is hooked if anything is:
/// what would be copied there would be seen.
fn hooked(attachments: &[Attachment], route: Route) -> Hooked {
    let counts = |a: &Attachment| a.hook.is_some() && a.probe.is_optional();
    if probes_of(attachments, route).next().is_none() {
        let any = attachments.iter().any(|a| a.probe.sees_copies() && counts(a));
        return if any { Hooked::Fully } else { Hooked::Not };
    }
    let up = probes_of(attachments, route).any(counts);
    let down = probes_of(attachments, route).any(|a| a.hook.is_none());
    match (up, down) {
        (true, false) => Hooked::Fully,
        (true, true) => Hooked::Partly,
        (false, _) => Hooked::Not,
    }
}
