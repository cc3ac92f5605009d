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
}

impl Quality {
    /// The label value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inferred => "inferred",
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

/// What must have been copied, by route and direction.
#[must_use]
pub fn copied(tally: &Tally) -> Vec<Copied> {
    sums(tally, |flow| match flow.row().copies {
        Copies::Once(direction) => Some((flow.row().route, direction)),
        Copies::None | Copies::Unknown => None,
    })
    .map(|((route, direction), amount)| Copied {
        route,
        direction,
        quality: Quality::Inferred,
        amount,
    })
    .collect()
}

/// What was moved without zc knowing what was copied, by route and endpoint.
#[must_use]
pub fn unknown(tally: &Tally) -> Vec<Moved> {
    sums(tally, |flow| {
        let row = flow.row();
        (row.copies == Copies::Unknown).then_some((row.route, row.endpoint))
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

    #[test]
    fn zero_filled_reads_move_but_copy_nothing() {
        let tally = tally(&[(Flow::ReadZero, 10), (Flow::ReadOther, 3)]);
        let moved = moved(&tally);
        assert_eq!(moved.len(), 1);
        assert_eq!(moved[0].amount, Amount { bytes: 13, calls: 2 });
        let copied = copied(&tally);
        assert_eq!(copied.len(), 1);
        assert_eq!(copied[0].amount, Amount { bytes: 3, calls: 1 });
    }

    #[test]
    fn each_byte_is_copied_uncopied_or_unknown() {
        for flow in Flow::ALL.iter().copied() {
            let tally = tally(&[(flow, 5)]);
            let bytes = |rows: &[Moved]| rows.iter().map(|row| row.amount.bytes).sum::<u64>();
            assert_eq!(bytes(&moved(&tally)), 5, "{flow:?}");
            let copied: u64 = copied(&tally).iter().map(|row| row.amount.bytes).sum();
            let unknown = bytes(&unknown(&tally));
            let expected = match flow.row().copies {
                Copies::None => (0, 0),
                Copies::Once(_) => (5, 0),
                Copies::Unknown => (0, 5),
            };
            assert_eq!((copied, unknown), expected, "{flow:?}");
        }
    }
}
