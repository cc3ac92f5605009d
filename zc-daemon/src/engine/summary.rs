//! From a tally to the rows that views show: sums over the table of flows.

use zc_common::{
    counter::{Backing, Counter, Fault, Switch, Tally},
    fallback::{Fallback, Reason},
    flow::{self, Direction, Endpoint, Flow, Route},
    syscall::Class,
};

/// How a number came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quality {
    /// By the textbook, from what system calls moved.
    Inferred,
    /// Seen as they were made, by the functions that make them.
    Measured,
}

impl Quality {
    /// The label value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inferred => "inferred",
            Self::Measured => "measured",
        }
    }
}

/// Bytes and the calls that moved or copied them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Bytes.
    pub bytes: u64,
    /// Calls.
    pub calls: u64,
}

/// What was moved by one route to one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// The interface.
    pub route: Route,
    /// The far end.
    pub endpoint: Endpoint,
    /// How much.
    pub amount: Amount,
}

/// What the CPU copied by one route in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The interface.
    pub route: Route,
    /// Across which boundary.
    pub direction: Direction,
    /// How it is known.
    pub quality: Quality,
    /// How much; one call is one copy.
    pub amount: Amount,
}

/// What was moved, by route and endpoint; rows without a call are left out.
#[must_use]
pub fn transferred(tally: &Tally) -> Vec<Transferred> {
    sums(tally, |flow| Some((flow.row().route, flow.row().endpoint)))
        .map(|((route, endpoint), amount)| Transferred { route, endpoint, amount })
        .collect()
}

/// Which copies are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Copies {
    /// What was measured; inferred where nothing was.
    #[default]
    Best,
    /// Also what is inferred where something was measured, to compare the two.
    Both,
}

/// What was copied, by route, direction and quality: each byte once, unless both
/// qualities are wanted.
#[must_use]
pub fn copied(tally: &Tally, copies: Copies) -> Vec<Copied> {
    let inferred = sums(tally, |flow| match flow.row().copies {
        flow::Copies::Once(direction) if copies == Copies::Both || !flow.row().seen => {
            Some((flow.row().route, direction))
        }
        flow::Copies::Once(_)
        | flow::Copies::None
        | flow::Copies::Moved
        | flow::Copies::Unknown => None,
    });
    let row =
        |quality| move |((route, direction), amount)| Copied { route, direction, quality, amount };
    measured(tally)
        .map(row(Quality::Measured))
        .chain(inferred.map(row(Quality::Inferred)))
        .collect()
}

/// What probes saw copied, by route and direction.
fn measured(tally: &Tally) -> impl Iterator<Item = ((Route, Direction), Amount)> {
    let keys = Route::ALL.iter().flat_map(|route| Direction::ALL.iter().map(|way| (*route, *way)));
    keys.filter_map(|(route, direction)| {
        let (bytes, copies) = Counter::measured(route, direction);
        let amount = Amount { bytes: tally[bytes], calls: tally[copies] };
        (amount.calls > 0).then_some(((route, direction), amount))
    })
}

/// What was moved without zc knowing what was copied, by route and endpoint.
#[must_use]
pub fn unknown(tally: &Tally) -> Vec<Transferred> {
    sums(tally, |flow| {
        let row = flow.row();
        let unknown = row.copies == flow::Copies::Unknown && !row.seen;
        unknown.then_some((row.route, row.endpoint))
    })
    .map(|((route, endpoint), amount)| Transferred { route, endpoint, amount })
    .collect()
}

/// What changed hands by reference, by route.
pub fn moved(tally: &Tally) -> impl Iterator<Item = (Route, u64)> {
    let rows = Route::ALL.iter().map(|route| (*route, tally[Counter::references(*route)]));
    rows.filter(|(_, bytes)| *bytes > 0)
}

/// What was copied although the interface can do without, by route and reason.
pub fn fallbacks(tally: &Tally) -> impl Iterator<Item = (Route, Reason, u64)> {
    let rows = Fallback::ALL.iter().map(|fallback| {
        let (route, reason) = fallback.row();
        (route, reason, tally[Counter::fallback(*fallback)])
    });
    rows.filter(|(_, _, bytes)| *bytes > 0)
}

/// Page faults, by type and what backs the page.
pub fn backed_faults(tally: &Tally) -> impl Iterator<Item = (Fault, Backing, u64)> {
    let keys = Fault::ALL.iter().flat_map(|fault| Backing::ALL.iter().map(|b| (*fault, *b)));
    keys.map(|(fault, backing)| (fault, backing, tally[Counter::backed(fault, backing)]))
}

/// All context switches.
#[must_use]
pub fn context_switches(tally: &Tally) -> u64 {
    Switch::ALL.iter().map(|switch| tally[Counter::switches(*switch)]).sum()
}

/// All page faults.
#[must_use]
pub fn page_faults(tally: &Tally) -> u64 {
    Fault::ALL.iter().map(|fault| tally[Counter::faults(*fault)]).sum()
}

/// Switches to the kernel and back: two a system call, where those are counted.
#[must_use]
pub fn mode_switches(tally: &Tally) -> u64 {
    2 * Class::ALL.iter().map(|class| tally[Counter::syscalls(*class)]).sum::<u64>()
}

/// Sums the flows of each key, keys in the order they first stand in the table.
fn sums<K: PartialEq>(
    tally: &Tally,
    key: impl Fn(Flow) -> Option<K>,
) -> impl Iterator<Item = (K, Amount)> {
    let mut sums: Vec<(K, Amount)> = Vec::new();
    for flow in Flow::ALL.iter().copied() {
        let calls = tally[Counter::calls(flow)];
        let Some(key) = key(flow).filter(|_| calls > 0) else { continue };
        let bytes = tally[Counter::bytes(flow)];
        match sums.iter_mut().find(|(known, _)| *known == key) {
            Some((_, sum)) => {
                sum.bytes += bytes;
                sum.calls += calls;
            }
            None => sums.push((key, Amount { bytes, calls })),
        }
    }
    sums.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(charges: &[(Flow, u64)]) -> Tally {
        let mut tally = Tally::default();
        for (flow, bytes) in charges {
            tally[Counter::bytes(*flow)] += bytes;
            tally[Counter::calls(*flow)] += 1;
        }
        tally
    }

    #[test]
    fn zero_filled_reads_move_but_copy_nothing() {
        let tally = tally(&[(Flow::ReadZero, 10), (Flow::ReadOther, 3)]);
        let rows = transferred(&tally);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].amount, Amount { bytes: 13, calls: 2 });
        let copied = copied(&tally, Copies::Best);
        assert_eq!(copied.len(), 1);
        assert_eq!(copied[0].amount, Amount { bytes: 3, calls: 1 });
    }

    #[test]
    fn each_byte_is_copied_uncopied_or_unknown() {
        for flow in Flow::ALL.iter().copied() {
            let tally = tally(&[(flow, 5)]);
            let bytes = |rows: &[Transferred]| rows.iter().map(|row| row.amount.bytes).sum::<u64>();
            assert_eq!(bytes(&transferred(&tally)), 5, "{flow:?}");
            let inferred =
                |copies| copied(&tally, copies).iter().map(|row| row.amount.bytes).sum::<u64>();
            let row = flow.row();
            let (best, both, unknown) = match row.copies {
                flow::Copies::None | flow::Copies::Moved => (0, 0, 0),
                flow::Copies::Once(_) => (if row.seen { 0 } else { 5 }, 5, 0),
                flow::Copies::Unknown => (0, 0, if row.seen { 0 } else { 5 }),
            };
            assert_eq!(inferred(Copies::Best), best, "{flow:?}");
            assert_eq!(inferred(Copies::Both), both, "{flow:?}");
            assert_eq!(bytes(&super::unknown(&tally)), unknown, "{flow:?}");
        }
    }

    /// A call of which something was seen infers nothing, one of which nothing was seen
    /// still does; the two never share a series.
    #[test]
    fn what_is_measured_takes_the_place_of_what_is_inferred() {
        for flow in Flow::ALL.iter().copied().filter(|flow| flow.seen() != *flow) {
            let (row, twin) = (flow.row(), flow.seen().row());
            assert!(!row.seen && twin.seen, "{flow:?}");
            assert_eq!((row.route, row.endpoint), (twin.route, twin.endpoint), "{flow:?}");
            assert_eq!(row.copies, twin.copies, "{flow:?}");
            let flow::Copies::Once(direction) = row.copies else { continue };
            let mut tally = tally(&[(flow, 5), (flow.seen(), 7)]);
            let (bytes, copies) = Counter::measured(row.route, direction);
            tally[bytes] = 8;
            tally[copies] = 1;
            let shown = copied(&tally, Copies::Best);
            let shown: Vec<_> = shown.iter().map(|row| (row.quality, row.amount.bytes)).collect();
            assert_eq!(shown, [(Quality::Measured, 8), (Quality::Inferred, 5)]);
        }
    }
}
