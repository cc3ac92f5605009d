//! From a tally to the rows that views show: sums over the table of flows.

use zc_common::{
    counter::{Counter, Tally},
    flow::{Copies, Direction, Endpoint, Flow, Route},
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
pub struct Moved {
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
pub fn moved(tally: &Tally) -> Vec<Moved> {
    sums(tally, |flow| Some((flow.row().route, flow.row().endpoint)))
        .map(|((route, endpoint), amount)| Moved { route, endpoint, amount })
        .collect()
}

/// Which copies are measured, and which are shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observed {
    /// By [`Route::index`]: whether every probe that sees its copies is up.
    pub routes: [bool; Route::COUNT],
    /// Whether what is measured is inferred as well, to compare the two.
    pub both: bool,
}

impl Observed {
    /// Whether measured copies take the place of what would be inferred from a flow.
    fn covers(&self, flow: Flow) -> bool {
        flow.row().hooked && self.routes[flow.row().route.index()]
    }
}

/// What was copied, by route, direction and quality: each byte once, unless both
/// qualities are wanted.
#[must_use]
pub fn copied(tally: &Tally, observed: &Observed) -> Vec<Copied> {
    let inferred = sums(tally, |flow| match flow.row().copies {
        Copies::Once(direction) if observed.both || !observed.covers(flow) => {
            Some((flow.row().route, direction))
        }
        Copies::Once(_) | Copies::None | Copies::Unknown => None,
    });
    let row =
        |quality| move |((route, direction), amount)| Copied { route, direction, quality, amount };
    measured(tally)
        .filter(|((route, _), _)| observed.routes[route.index()])
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
pub fn unknown(tally: &Tally, observed: &Observed) -> Vec<Moved> {
    sums(tally, |flow| {
        let row = flow.row();
        let unknown = row.copies == Copies::Unknown && !observed.covers(flow);
        unknown.then_some((row.route, row.endpoint))
    })
    .map(|((route, endpoint), amount)| Moved { route, endpoint, amount })
    .collect()
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

    const MEASURED: Observed = Observed { routes: [true; Route::COUNT], both: false };

    #[test]
    fn zero_filled_reads_move_but_copy_nothing() {
        let tally = tally(&[(Flow::ReadZero, 10), (Flow::ReadOther, 3)]);
        let moved = moved(&tally);
        assert_eq!(moved.len(), 1);
        assert_eq!(moved[0].amount, Amount { bytes: 13, calls: 2 });
        let copied = copied(&tally, &Observed::default());
        assert_eq!(copied.len(), 1);
        assert_eq!(copied[0].amount, Amount { bytes: 3, calls: 1 });
    }

    #[test]
    fn each_byte_is_copied_uncopied_or_unknown() {
        for flow in Flow::ALL.iter().copied() {
            let tally = tally(&[(flow, 5)]);
            let bytes = |rows: &[Moved]| rows.iter().map(|row| row.amount.bytes).sum::<u64>();
            assert_eq!(bytes(&moved(&tally)), 5, "{flow:?}");
            let observed = Observed::default();
            let copied: u64 = copied(&tally, &observed).iter().map(|row| row.amount.bytes).sum();
            let unknown = bytes(&unknown(&tally, &observed));
            let expected = match flow.row().copies {
                Copies::None => (0, 0),
                Copies::Once(_) => (5, 0),
                Copies::Unknown => (0, 5),
            };
            assert_eq!((copied, unknown), expected, "{flow:?}");
        }
    }

    /// Where probes are up, a call during which a copy was seen infers nothing, and
    /// one during which none was seen still does.
    #[test]
    fn what_is_measured_takes_the_place_of_what_is_inferred() {
        for flow in Flow::ALL.iter().copied().filter(|flow| flow.seen() != *flow) {
            let Copies::Once(direction) = flow.row().copies else { panic!("{flow:?} copies") };
            assert_eq!(flow.row().route, flow.seen().row().route, "{flow:?}");
            assert_eq!(flow.row().copies, flow.seen().row().copies, "{flow:?}");
            assert_eq!(flow.row().endpoint, flow.seen().row().endpoint, "{flow:?}");
            let mut tally = tally(&[(flow, 5), (flow.seen(), 7)]);
            let (bytes, copies) = Counter::measured(flow.row().route, direction);
            tally[bytes] = 8;
            tally[copies] = 1;
            let shown = |observed: &Observed| {
                let rows = copied(&tally, observed);
                rows.iter().map(|row| (row.quality, row.amount.bytes)).collect::<Vec<_>>()
            };
            assert_eq!(shown(&MEASURED), [(Quality::Measured, 8), (Quality::Inferred, 5)]);
            assert_eq!(shown(&Observed::default()), [(Quality::Inferred, 12)]);
            let both = Observed { both: true, ..MEASURED };
            assert_eq!(shown(&both), [(Quality::Measured, 8), (Quality::Inferred, 12)]);
        }
    }

    #[test]
    fn what_the_textbook_leaves_open_is_known_where_it_is_measured() {
        let tally = tally(&[(Flow::MsgZerocopy, 5), (Flow::SpliceOther, 3)]);
        let unknown = unknown(&tally, &MEASURED);
        assert_eq!(unknown.len(), 1);
        assert_eq!(unknown[0].route, Route::Splice);
    }
}
