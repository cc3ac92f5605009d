//! What is compared: a table of figures, each an amount for each second or each byte.

use zc_common::{counter::Tally, flow::Route};

use crate::engine::{summary, traffic};

/// What somebody did in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amounts {
    /// How long it was.
    pub seconds: f64,
    /// Bytes that went somewhere.
    pub bytes: u64,
    /// Bytes copied, measured or inferred.
    pub copied: u64,
    /// Bytes of which zc cannot tell whether they were copied.
    pub unknown: u64,
    /// Bytes passed on by reference.
    pub moved: u64,
    /// Context switches.
    pub switches: u64,
    /// Page faults.
    pub faults: u64,
    /// Switches to the kernel and back.
    pub modes: u64,
}

impl Amounts {
    /// What a tally says was done; of one route alone, if it is given.
    #[must_use]
    pub fn of(tally: &Tally, route: Option<Route>, seconds: f64) -> Self {
        let asked = |other: Route| route.is_none_or(|route| route == other);
        let rows = traffic::of(tally).into_iter().filter(|row| asked(row.route));
        let moved = summary::moved(tally).filter(|(route, _)| asked(*route));
        let mut amounts =
            Self { seconds, moved: moved.map(|(_, bytes)| bytes).sum(), ..Self::default() };
        for row in rows {
            amounts.bytes += row.size();
            amounts.copied += row.measured + row.inferred;
            amounts.unknown += row.unknown;
        }
        if route.is_none() {
            amounts.switches = summary::context_switches(tally);
            amounts.faults = summary::page_faults(tally);
            amounts.modes = summary::mode_switches(tally);
        }
        amounts
    }

    /// Takes in what was done in another time.
    pub fn add(&mut self, other: &Self) {
        self.seconds += other.seconds;
        self.bytes += other.bytes;
        self.copied += other.copied;
        self.unknown += other.unknown;
        self.moved += other.moved;
        self.switches += other.switches;
        self.faults += other.faults;
        self.modes += other.modes;
    }
}

/// What an amount is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// The time it took.
    Second,
    /// The bytes that went somewhere meanwhile, whatever the load.
    Byte,
    /// The same, in MiB.
    Mebibyte,
}

/// One figure.
#[derive(Debug)]
pub struct Figure {
    /// Its name in JSON, with its unit.
    pub name: &'static str,
    /// What it is called in text.
    pub label: &'static str,
    /// The probe without which it is unknown.
    pub probe: Option<&'static str>,
    /// Whether it rests on what zc knows of copies.
    pub is_of_copies: bool,
    /// Whether each route has its own.
    pub is_of_routes: bool,
    /// What it is divided by.
    pub per: Per,
    amount: fn(&Amounts) -> u64,
}

/// Every figure.
pub const FIGURES: &[Figure] = &[
    Figure {
        name: "copies_per_byte",
        label: "copies per byte",
        probe: Some("transfers"),
        is_of_copies: true,
        is_of_routes: true,
        per: Per::Byte,
        amount: |of| of.copied,
    },
    Figure {
        name: "copied_bytes_per_second",
        label: "copied/s",
        probe: Some("transfers"),
        is_of_copies: true,
        is_of_routes: true,
        per: Per::Second,
        amount: |of| of.copied,
    },
    Figure {
        name: "transferred_bytes_per_second",
        label: "transferred/s",
        probe: Some("transfers"),
        is_of_copies: false,
        is_of_routes: true,
        per: Per::Second,
        amount: |of| of.bytes,
    },
    Figure {
        name: "moved_bytes_per_second",
        label: "by reference/s",
        probe: Some("transfers"),
        is_of_copies: true,
        is_of_routes: true,
        per: Per::Second,
        amount: |of| of.moved,
    },
    Figure {
        name: "context_switches_per_mebibyte",
        label: "switches per MiB",
        probe: Some("transfers"),
        is_of_copies: false,
        is_of_routes: false,
        per: Per::Mebibyte,
        amount: |of| of.switches,
    },
    Figure {
        name: "context_switches_per_second",
        label: "context switches/s",
        probe: None,
        is_of_copies: false,
        is_of_routes: false,
        per: Per::Second,
        amount: |of| of.switches,
    },
    Figure {
        name: "page_faults_per_second",
        label: "page faults/s",
        probe: None,
        is_of_copies: false,
        is_of_routes: false,
        per: Per::Second,
        amount: |of| of.faults,
    },
    Figure {
        name: "mode_switches_per_second",
        label: "mode switches/s",
        probe: Some("syscalls"),
        is_of_copies: false,
        is_of_routes: false,
        per: Per::Second,
        amount: |of| of.modes,
    },
];

impl Figure {
    /// Its value; none where there is nothing to divide by.
    #[must_use]
    pub fn of(&self, amounts: &Amounts) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a ratio to compare")]
        let number = |count: u64| count as f64;
        let divisor = match self.per {
            Per::Second => amounts.seconds,
            Per::Byte => number(amounts.bytes),
            Per::Mebibyte => number(amounts.bytes) / f64::from(1 << 20),
        };
        (divisor > 0.0).then(|| number((self.amount)(amounts)) / divisor)
    }
}

#[cfg(test)]
mod tests {
    use zc_common::{
        counter::{Counter, Switch},
        flow::Flow,
    };

    use super::*;

    #[test]
    fn amounts_are_of_all_or_of_a_route() {
        let mut tally = Tally::default();
        tally[Counter::bytes(Flow::ReadFile)] = 1000;
        tally[Counter::calls(Flow::ReadFile)] = 1;
        tally[Counter::bytes(Flow::SendfileSocket)] = 3000;
        tally[Counter::calls(Flow::SendfileSocket)] = 1;
        tally[Counter::references(Route::Sendfile)] = 3000;
        tally[Counter::switches(Switch::Voluntary)] = 8;
        let all = Amounts::of(&tally, None, 2.0);
        let known = (all.bytes, all.copied, all.moved, all.switches);
        assert_eq!(known, (4000, 1000, 3000, 8));
        let read = Amounts::of(&tally, Some(Route::Read), 2.0);
        let known = (read.bytes, read.copied, read.moved, read.switches);
        assert_eq!(known, (1000, 1000, 0, 0));
        let values: Vec<_> = FIGURES.iter().map(|figure| figure.of(&all)).collect();
        let per_mebibyte = 8.0 / (4000.0 / f64::from(1 << 20));
        let known = [0.25, 500.0, 2000.0, 1500.0, per_mebibyte, 4.0, 0.0, 0.0];
        assert_eq!(values, known.map(Some));
        let idle = Amounts::of(&Tally::default(), None, 1.0);
        assert_eq!((FIGURES[0].of(&idle), FIGURES[1].of(&idle)), (None, Some(0.0)));
    }
}
