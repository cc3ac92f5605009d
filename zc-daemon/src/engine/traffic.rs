//! What moved, and what was copied of it, by route: what a verdict is on.

use zc_common::{
    counter::{Counter, Tally},
    flow::{self, Flow, Route},
};

use super::summary::{self, Copies, Quality};

/// What went by one route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// The interface.
    pub route: Route,
    /// Bytes that it moved, somewhere: not those that were mapped, filled or thrown away.
    pub bytes: u64,
    /// Bytes seen copied.
    pub measured: u64,
    /// Bytes of which no copy was seen, and that the textbook has copied.
    pub inferred: u64,
    /// Bytes of which neither tells.
    pub unknown: u64,
}

/// What is nobody's input or output: pages that are copied as they are written while they
/// are shared, and what a device's driver copies.
const NOT_IO: [Route; 2] = [Route::Fault, Route::Bounce];

/// What a tally says of each route that moved or copied anything.
#[must_use]
pub fn of(tally: &Tally) -> Vec<Traffic> {
    let mut rows: Vec<_> = Route::ALL
        .iter()
        .filter(|route| !NOT_IO.contains(route))
        .map(|route| Traffic { route: *route, bytes: 0, measured: 0, inferred: 0, unknown: 0 })
        .collect();
    let mut add = |route, count: &dyn Fn(&mut Traffic)| {
        if let Some(row) = rows.iter_mut().find(|row| row.route == route) {
            count(row);
        }
    };
    for flow in Flow::ALL.iter().copied().filter(|f| f.row().copies != flow::Copies::None) {
        add(flow.row().route, &|row| row.bytes += tally[Counter::bytes(flow)]);
    }
    // What is passed on by a call that tells of no bytes, as a reflink does.
    for (route, bytes) in summary::moved(tally) {
        if Flow::ALL.iter().all(|flow| flow.row().route != route) {
            add(route, &|row| row.bytes += bytes);
        }
    }
    for copied in summary::copied(tally, Copies::Best) {
        add(copied.route, &|row| match copied.quality {
            Quality::Measured => row.measured += copied.amount.bytes,
            Quality::Inferred => row.inferred += copied.amount.bytes,
        });
    }
    for unknown in summary::unknown(tally) {
        add(unknown.route, &|row| row.unknown += unknown.amount.bytes);
    }
    rows.retain(|row| row.size() > 0);
    rows
}

impl Traffic {
    /// How much it is, whether copied or not.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.bytes.max(self.measured + self.inferred)
    }
}

#[cfg(test)]
mod tests {
    use zc_common::flow::Direction;

    use super::*;

    #[test]
    fn what_goes_nowhere_counts_for_nothing() {
        let mut tally = Tally::default();
        let flows = [
            (Flow::MmapFile, 1 << 40),
            (Flow::ReadZero, 1 << 20),
            (Flow::WriteNull, 1 << 20),
            (Flow::SendfileSocket, 100),
            (Flow::ReadFile, 10),
            (Flow::ReadFileSeen, 7),
            (Flow::DirectIoUnsure, 3),
        ];
        for (flow, bytes) in flows {
            tally[Counter::bytes(flow)] = bytes;
            tally[Counter::calls(flow)] = 1;
        }
        for (route, direction, bytes) in
            [(Route::Read, Direction::ToUser, 7), (Route::Fault, Direction::InKernel, 4096)]
        {
            let (counted, calls) = Counter::measured(route, direction);
            tally[counted] = bytes;
            tally[calls] = 1;
        }
        // A reflink, and what the flow of sendfile tells already.
        tally[Counter::references(Route::Other)] = 1 << 16;
        tally[Counter::references(Route::Sendfile)] = 100;
        let row = |route, [bytes, measured, inferred, unknown]: [u64; 4]| Traffic {
            route,
            bytes,
            measured,
            inferred,
            unknown,
        };
        let rows = [
            row(Route::Read, [17, 7, 10, 0]),
            row(Route::Sendfile, [100, 0, 0, 0]),
            row(Route::DirectIo, [3, 0, 0, 3]),
            row(Route::Other, [1 << 16, 0, 0, 0]),
        ];
        assert_eq!(of(&tally), rows);
    }
}
