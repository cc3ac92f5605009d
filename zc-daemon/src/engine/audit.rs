//! An audit: what breakpoints counted in the kernel's copy functions, held against what
//! the ledger booked for the same process.

use zc_common::{
    counter::{Checked, Counter, Tally},
    fallback::Fallback,
    flow::{Direction, Route},
};

use super::summary::{self, Copied, Copies, Quality};

/// How two counts of the same bytes stand to each other, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Equal, to the byte.
    Exact,
    /// The breakpoints' lies between what the ledger measured, and that with what it
    /// inferred besides.
    Bounded,
    /// Nothing can be said: what was not watched, or events known to be missed, may account
    /// for the difference.
    Unverified,
    /// They contradict each other.
    Differs,
}

impl Verdict {
    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Bounded => "bounded",
            Self::Unverified => "unverified",
            Self::Differs => "differs",
        }
    }
}

/// What the ledger booked of copies that functions of the kernel's `lib/` make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Booked {
    /// Bytes measured.
    pub measured: u64,
    /// Bytes that may have been copied by these functions: inferred where no copy was
    /// seen, known by the check of their size alone, or copied within the kernel for an
    /// io_uring or by no known route.
    pub possible: u64,
}

impl Booked {
    /// Sums what a process' tally gained.
    #[must_use]
    pub fn of(delta: &Tally) -> Self {
        let mut booked = Self::default();
        for row in summary::copied(delta, Copies::Best) {
            match row.quality {
                _ if made_elsewhere(&row) => {}
                Quality::Measured if may_be_made_elsewhere(&row) => {
                    booked.possible += row.amount.bytes;
                }
                Quality::Measured => booked.measured += row.amount.bytes,
                Quality::Inferred => booked.possible += row.amount.bytes,
            }
        }
        let checked: u64 =
            Checked::ALL.iter().map(|checked| delta[Counter::checked(*checked)]).sum();
        booked.possible += checked;
        let gathered: u64 = GATHERED.iter().map(|row| delta[Counter::fallback(*row)]).sum();
        booked.measured = booked.measured.saturating_sub(checked + gathered);
        booked
    }
}

/// What was gathered for a device, on routes on which functions of `lib/` copy within the
/// kernel too.
const GATHERED: [Fallback; 2] = [Fallback::SendfileGathered, Fallback::SpliceGathered];

/// What is known to become of bytes on one route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Bytes copied.
    pub copied: u64,
    /// Bytes that changed hands by reference.
    pub moved: u64,
}

fn in_kernel(row: &Copied) -> bool {
    row.direction == Direction::InKernel
}

/// Whether copies are made without a function of `lib/`: pages that are written while
/// shared, and socket buffers copied within the kernel.
fn made_elsewhere(row: &Copied) -> bool {
    const OF_SOCKETS: [Route; 5] =
        [Route::Read, Route::Write, Route::Recv, Route::Send, Route::MsgZerocopy];
    row.route == Route::Fault || (in_kernel(row) && OF_SOCKETS.contains(&row.route))
}

/// Whether copies may be made by such a function, or not.
fn may_be_made_elsewhere(row: &Copied) -> bool {
    in_kernel(row) && (row.route == Route::IoUring || row.route == Route::Other)
}

/// Compares the sum of the breakpoints with the ledger's; `complete` if every function
/// of payload that the kernel has was watched.
#[must_use]
pub fn compare(counted: u64, booked: Booked, complete: bool) -> Verdict {
    let Booked { measured, possible } = booked;
    if counted == measured {
        Verdict::Exact
    } else if counted > measured && counted <= measured + possible {
        Verdict::Bounded
    } else if counted < measured && !complete {
        Verdict::Unverified
    } else {
        Verdict::Differs
    }
}

/// Judges the ledger by what is known to have been copied, and by the breakpoints, if
/// there were any; `complete` as above.
#[must_use]
pub fn judge(known: u64, booked: Booked, counted: Option<u64>, complete: bool) -> Verdict {
    let contradicted = |counted| counted > known || (complete && counted < known);
    let verdict = compare(known, booked, true);
    let refuted = verdict == Verdict::Exact && counted.is_some_and(contradicted);
    if refuted { Verdict::Differs } else { verdict }
}

/// Judges what was booked on one route, wherever the copies were made, by what is known
/// of it; bytes of which the ledger cannot tell may have gone either way.
#[must_use]
pub fn judge_route(known: Known, delta: &Tally, route: Route) -> Verdict {
    let unknown = summary::unknown(delta);
    let unknown = unknown.iter().filter(|row| row.route == route).map(|row| row.amount.bytes);
    let unknown = unknown.sum();
    let mut copied = Booked { measured: 0, possible: unknown };
    for row in summary::copied(delta, Copies::Best).iter().filter(|row| row.route == route) {
        match row.quality {
            Quality::Measured => copied.measured += row.amount.bytes,
            Quality::Inferred => copied.possible += row.amount.bytes,
        }
    }
    let moved = Booked { measured: delta[Counter::references(route)], possible: unknown };
    compare(known.copied, copied, true).max(compare(known.moved, moved, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lib_copies_is_compared() {
        let mut tally = Tally::default();
        let mut charge = |route, direction, bytes| {
            let (sum, copies) = Counter::measured(route, direction);
            tally[sum] = bytes;
            tally[copies] = 1;
        };
        charge(Route::Read, Direction::ToUser, 1);
        charge(Route::Sendfile, Direction::InKernel, 2);
        charge(Route::Fault, Direction::InKernel, 4);
        charge(Route::MsgZerocopy, Direction::InKernel, 8);
        charge(Route::MsgZerocopy, Direction::FromUser, 16);
        charge(Route::IoUring, Direction::InKernel, 32);
        charge(Route::Send, Direction::InKernel, 64);
        charge(Route::Splice, Direction::InKernel, 128 + 256);
        charge(Route::Other, Direction::ToUser, 512);
        tally[Counter::fallback(Fallback::SpliceGathered)] = 256;
        tally[Counter::checked(Checked::ToUser)] = 512;
        assert_eq!(Booked::of(&tally), Booked { measured: 19 + 128, possible: 32 + 512 });
    }

    #[test]
    fn a_verdict_claims_no_more_than_was_seen() {
        let booked = Booked { measured: 10, possible: 5 };
        let verdict = |counted, complete| compare(counted, booked, complete);
        assert_eq!(verdict(10, false), Verdict::Exact);
        assert_eq!(verdict(9, true), Verdict::Differs);
        assert_eq!(verdict(9, false), Verdict::Unverified);
        assert_eq!((verdict(11, true), verdict(15, true)), (Verdict::Bounded, Verdict::Bounded));
        assert_eq!(verdict(16, false), Verdict::Differs);
    }

    #[test]
    fn a_route_is_exact_if_nothing_speaks_against_it() {
        let booked = Booked { measured: 10, possible: 5 };
        assert_eq!(judge(10, booked, None, true), Verdict::Exact);
        assert_eq!(judge(10, booked, Some(10), true), Verdict::Exact);
        assert_eq!(judge(10, booked, Some(4), false), Verdict::Exact);
        assert_eq!(judge(10, booked, Some(4), true), Verdict::Differs);
        assert_eq!(judge(12, booked, None, true), Verdict::Bounded);
        assert_eq!(judge(9, booked, None, false), Verdict::Differs);
    }

    /// A byte on the wrong route is no byte of this one, copied or passed on.
    #[test]
    fn a_route_is_judged_by_its_own_bytes() {
        let mut tally = Tally::default();
        let (sum, copies) = Counter::measured(Route::Splice, Direction::InKernel);
        (tally[sum], tally[copies], tally[Counter::references(Route::Splice)]) = (10, 1, 4);
        let judged = |copied, moved| judge_route(Known { copied, moved }, &tally, Route::Splice);
        assert_eq!(judged(10, 4), Verdict::Exact);
        assert_eq!((judged(9, 4), judged(10, 0)), (Verdict::Differs, Verdict::Differs));
        let none = Known { copied: 0, moved: 0 };
        assert_eq!(judge_route(none, &tally, Route::Tee), Verdict::Exact);
    }
}
