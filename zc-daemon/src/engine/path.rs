//! A path's account held against the textbook: copies and transfers of each byte, mode
//! switches of each request.

use zc_common::{
    counter::{Counter, Fault, Switch, Tally},
    fallback::Reason,
    flow::Direction,
    syscall::Class,
    textbook::Textbook,
};

use super::{
    reason::broken,
    summary::{self, Copies, Quality},
};

/// Which probes and devices there are to see a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// System calls are counted.
    pub calls: bool,
    /// What they transfer is.
    pub transfers: bool,
    /// Every hook that sees copies on the path's routes is attached.
    pub copies: bool,
    /// What is copied within the kernel is seen by hooks alone: nothing tells it besides.
    pub hidden: bool,
    /// There is a disk.
    pub disk: bool,
    /// There is a network card, or what stands for one.
    pub net: bool,
}

/// What was counted while a path ran.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The tally's gain from the first request to the last.
    pub requests_only: Tally,
    /// The same until all bytes had arrived: packets are copied until they have left.
    pub whole: Tally,
    /// The gain of a path that does nothing.
    pub nothing: Tally,
    /// Requests made.
    pub requests: u64,
    /// Bytes that went by it.
    pub payload: u64,
    /// Bytes that the disk transferred.
    pub disk: Option<u64>,
    /// Bytes that went over the network.
    pub net: Option<u64>,
    /// Events that were missed meanwhile, of whatever process.
    pub lost: u64,
}

/// What it comes to; what is not known is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cost {
    /// CPU copies of each byte from or to user memory.
    pub user: Option<f64>,
    /// Those within the kernel.
    pub in_kernel: Option<f64>,
    /// Transfers of each byte by the disk.
    pub disk: Option<f64>,
    /// By the network card.
    pub net: Option<f64>,
    /// Mode switches of each request.
    pub switches: Option<f64>,
    /// The same of a million bytes.
    pub switches_per_mb: Option<f64>,
    /// Context switches in all: voluntary, involuntary.
    pub context_switches: Option<[u64; 2]>,
    /// Page faults in all: minor, major.
    pub faults: Option<[u64; 2]>,
    /// How the copies are known.
    pub quality: Option<Quality>,
    /// Why bytes were copied that need not be.
    pub reasons: Vec<Reason>,
    /// What stands in the way of knowing more.
    pub blind: Option<String>,
}

impl Cost {
    /// CPU copies of each byte.
    #[must_use]
    pub fn cpu(&self) -> Option<f64> {
        Some(self.user? + self.in_kernel?)
    }

    /// Copies and transfers of each byte, as the textbook counts.
    #[must_use]
    pub fn copies(&self) -> Option<f64> {
        Some(self.cpu()? + self.disk? + self.net?)
    }

    /// What was counted comes to so much.
    #[must_use]
    pub fn of(counted: &Counted, sight: Sight) -> Self {
        let mut cost = Self { blind: blind(counted, sight), ..Self::default() };
        let sure = counted.lost == 0;
        if counted.payload > 0 {
            let per_byte = |bytes| ratio(bytes, counted.payload);
            cost.disk = if sight.disk { counted.disk.map(per_byte) } else { Some(0.0) };
            cost.net = if sight.net { counted.net.map(per_byte) } else { Some(0.0) };
            if sure && sight.transfers {
                cost.copy(counted, sight);
            }
        }
        let gained =
            |counter| counted.requests_only[counter].saturating_sub(counted.nothing[counter]);
        if sure {
            cost.context_switches = Some(
                [Switch::Voluntary, Switch::Involuntary]
                    .map(|switch| gained(Counter::switches(switch))),
            );
            cost.faults =
                Some([Fault::Minor, Fault::Major].map(|fault| gained(Counter::faults(fault))));
        }
        if sure && sight.calls {
            let calls: u64 = Class::ALL.iter().map(|class| gained(Counter::syscalls(*class))).sum();
            cost.switches = Some(ratio(2 * calls, counted.requests));
            cost.switches_per_mb =
                (counted.payload > 0).then(|| ratio(2 * calls, counted.payload) * 1e6);
        }
        cost
    }

    /// Adds what was copied, if it is known.
    fn copy(&mut self, counted: &Counted, sight: Sight) {
        if !summary::unknown(&counted.requests_only).is_empty() {
            return;
        }
        let mut quality = if sight.copies { Quality::Measured } else { Quality::Inferred };
        let mut sum = |tally, within_kernel| -> u64 {
            let rows = summary::copied(tally, Copies::Best).into_iter();
            let rows = rows.filter(|row| (row.direction == Direction::InKernel) == within_kernel);
            rows.map(|row| {
                if row.quality == Quality::Inferred {
                    quality = Quality::Inferred;
                }
                row.amount.bytes
            })
            .sum()
        };
        // No call is left open once the requests are done.
        let user = sum(&counted.requests_only, false);
        let in_kernel = sum(&counted.whole, true);
        self.user = Some(ratio(user, counted.payload));
        let seen = quality == Quality::Measured || !sight.hidden;
        self.in_kernel = seen.then(|| ratio(in_kernel, counted.payload));
        self.quality = Some(quality);
        self.reasons = summary::fallbacks(&counted.whole).map(|(_, reason, _)| reason).collect();
    }
}

/// Why something is not known.
fn blind(counted: &Counted, sight: Sight) -> Option<String> {
    let moves = counted.payload > 0;
    if counted.lost > 0 {
        Some(format!("{} events were missed meanwhile; run it again", counted.lost))
    } else if !sight.calls || (moves && !sight.transfers) {
        Some("a probe is down; zc doctor says which".to_owned())
    } else if moves && !summary::unknown(&counted.requests_only).is_empty() {
        Some(
            "what this interface copies is only seen by hooks on functions, which this kernel \
             refuses or lacks (zc doctor)"
                .to_owned(),
        )
    } else if moves && sight.hidden && !sight.copies {
        Some(
            "what is copied within the kernel is only seen by hooks on functions, which this \
             kernel refuses (zc doctor)"
                .to_owned(),
        )
    } else if moves && sight.disk && counted.disk.is_none() {
        Some("this kernel does not account for what its disks transfer".to_owned())
    } else if moves && sight.net && counted.net.is_none() {
        Some("this kernel does not tell what a connection transferred".to_owned())
    } else {
        None
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn ratio(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

/// How a path's cost stands to the textbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it says, but for what there is no device for.
    AsTextbook(Option<String>),
    /// Otherwise: in what.
    Differs(String),
    /// Too little is known: why.
    CannotTell(String),
}

impl Verdict {
    /// The name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AsTextbook(_) => "as_textbook",
            Self::Differs(_) => "differs",
            Self::CannotTell(_) => "cannot_tell",
        }
    }
}

/// How far a number may be from the textbook's: a hundredth of a byte, or of a request.
pub const NEAR: f64 = 0.01;

/// Judges a cost; transfers by devices that are not there are not compared.
#[must_use]
pub fn judge(textbook: &Textbook, cost: &Cost, requests: u64, sight: Sight) -> Verdict {
    if let Some(blind) = &cost.blind {
        return Verdict::CannotTell(blind.clone());
    }
    let faults = cost.faults.map(|[minor, major]| ratio(minor + major, requests));
    let compared = [
        ("CPU copies of each byte", cost.cpu(), Some(textbook.cpu)),
        ("transfers by the disk", cost.disk, sight.disk.then_some(textbook.disk)),
        ("transfers by the network card", cost.net, sight.net.then_some(textbook.net)),
        ("mode switches a request", cost.switches, textbook.switches),
        ("page faults a request", faults, textbook.faults),
    ];
    let mut differs: Vec<_> = compared
        .iter()
        .filter_map(|(what, is, says)| {
            let (is, says) = ((*is)?, (*says)?);
            let far = (is - ratio(says, 1)).abs() > NEAR * ratio(says.max(1), 1);
            far.then(|| format!("{is:.2} {what} instead of {says}"))
        })
        .collect();
    if differs.is_empty() {
        return Verdict::AsTextbook(missing(textbook, sight));
    }
    differs.extend(cost.reasons.iter().map(|reason| format!("bytes {}", broken(*reason))));
    Verdict::Differs(differs.join("; "))
}

/// The devices that the textbook's transfers would take.
fn missing(textbook: &Textbook, sight: Sight) -> Option<String> {
    let devices = [(textbook.disk, sight.disk, "disk"), (textbook.net, sight.net, "network card")];
    let missing = devices.iter().filter(|(says, there, _)| *says > 0 && !there);
    let missing: Vec<_> = missing.map(|(_, _, device)| format!("no {device}")).collect();
    (!missing.is_empty()).then(|| format!("there is {}", missing.join(" and ")))
}

#[cfg(test)]
mod tests {
    use zc_common::{fallback::Fallback, flow::Route};

    use super::*;

    const SIGHT: Sight =
        Sight { calls: true, transfers: true, copies: true, hidden: false, disk: true, net: true };
    const READ_WRITE: Textbook =
        Textbook { cpu: 2, disk: 1, net: 1, switches: Some(4), faults: None };

    /// Ten requests of 100 bytes, read and written.
    fn read_and_written() -> Counted {
        let mut whole = Tally::default();
        for (route, direction) in
            [(Route::Read, Direction::ToUser), (Route::Write, Direction::FromUser)]
        {
            let (bytes, copies) = Counter::measured(route, direction);
            (whole[bytes], whole[copies]) = (1000, 10);
        }
        let mut requests_only = whole.clone();
        requests_only[Counter::syscalls(Class::ALL[0])] = 21;
        let mut nothing = Tally::default();
        nothing[Counter::syscalls(Class::ALL[0])] = 1;
        let (disk, net) = (Some(1000), Some(1000));
        Counted { requests_only, whole, nothing, requests: 10, payload: 1000, disk, net, lost: 0 }
    }

    fn judged(counted: &Counted, sight: Sight) -> (Cost, Verdict) {
        let cost = Cost::of(counted, sight);
        let verdict = judge(&READ_WRITE, &cost, counted.requests, sight);
        (cost, verdict)
    }

    #[test]
    fn read_and_write_is_four_copies_and_four_switches() {
        let (cost, verdict) = judged(&read_and_written(), SIGHT);
        assert_eq!((cost.copies(), cost.switches), (Some(4.0), Some(4.0)));
        assert_eq!((cost.user, cost.in_kernel), (Some(2.0), Some(0.0)));
        assert_eq!(cost.switches_per_mb, Some(40_000.0));
        assert_eq!((cost.quality, verdict), (Some(Quality::Measured), Verdict::AsTextbook(None)));
    }

    #[test]
    fn what_was_missed_is_unknown_and_not_zero() {
        let (cost, verdict) = judged(&Counted { lost: 2, ..read_and_written() }, SIGHT);
        assert_eq!((cost.cpu(), cost.switches, cost.faults), (None, None, None));
        assert_eq!((cost.disk, cost.copies()), (Some(1.0), None));
        assert!(matches!(verdict, Verdict::CannotTell(why) if why.contains("2 events")));
        for sight in [Sight { calls: false, ..SIGHT }, Sight { transfers: false, ..SIGHT }] {
            let (cost, verdict) = judged(&read_and_written(), sight);
            assert_eq!(cost.switches.is_some(), sight.calls);
            assert_eq!(cost.cpu().is_some(), sight.transfers);
            assert!(matches!(verdict, Verdict::CannotTell(why) if why.contains("zc doctor")));
        }
    }

    #[test]
    fn without_hooks_copies_are_inferred_or_hidden() {
        let (cost, verdict) = judged(&read_and_written(), Sight { copies: false, ..SIGHT });
        assert_eq!((cost.quality, verdict), (Some(Quality::Inferred), Verdict::AsTextbook(None)));
        let hidden = Sight { copies: false, hidden: true, ..SIGHT };
        let (cost, verdict) = judged(&read_and_written(), hidden);
        assert_eq!((cost.user, cost.in_kernel, cost.copies()), (Some(2.0), None, None));
        assert_eq!(verdict.name(), "cannot_tell");
    }

    #[test]
    fn transfers_without_a_device_are_none_and_not_compared() {
        let (cost, verdict) = judged(&read_and_written(), Sight { net: false, ..SIGHT });
        let missing = Verdict::AsTextbook(Some("there is no network card".to_owned()));
        assert_eq!((cost.net, verdict), (Some(0.0), missing));
        let counted = Counted { disk: None, ..read_and_written() };
        let (cost, verdict) = judged(&counted, SIGHT);
        assert_eq!((cost.disk, verdict.name()), (None, "cannot_tell"));
    }

    /// What was asked about the connection in the end is no copy of the path's.
    #[test]
    fn packets_are_copied_after_the_last_request_and_user_memory_is_not() {
        let mut counted = read_and_written();
        for (direction, sum) in [(Direction::ToUser, 1100), (Direction::InKernel, 1000)] {
            let (bytes, copies) = Counter::measured(Route::Read, direction);
            (counted.whole[bytes], counted.whole[copies]) = (sum, 11);
        }
        let (cost, _) = judged(&counted, SIGHT);
        assert_eq!((cost.user, cost.in_kernel), (Some(2.0), Some(1.0)));
    }

    #[test]
    fn a_difference_names_the_numbers_and_the_reason() {
        let mut counted = read_and_written();
        let (bytes, copies) = Counter::measured(Route::Sendfile, Direction::InKernel);
        (counted.whole[bytes], counted.whole[copies]) = (1000, 10);
        counted.whole[Counter::fallback(Fallback::SendfileGathered)] = 1000;
        let (cost, verdict) = judged(&counted, SIGHT);
        assert_eq!(cost.in_kernel, Some(1.0));
        let Verdict::Differs(why) = verdict else { panic!("{verdict:?}") };
        assert!(
            why.starts_with("3.00 CPU copies of each byte instead of 2; bytes were gathered"),
            "{why}"
        );
    }

    #[test]
    fn bytes_that_may_have_been_copied_are_not_taken_for_none() {
        use zc_common::flow::Flow;
        let mut counted = read_and_written();
        counted.requests_only[Counter::bytes(Flow::MsgZerocopy)] = 1000;
        counted.requests_only[Counter::calls(Flow::MsgZerocopy)] = 10;
        let (cost, verdict) = judged(&counted, Sight { copies: false, ..SIGHT });
        assert_eq!((cost.cpu(), verdict.name()), (None, "cannot_tell"));
    }

    #[test]
    fn a_path_that_moves_nothing_is_judged_by_its_calls_and_faults() {
        let mut counted = Counted { payload: 0, ..read_and_written() };
        counted.whole = Tally::default();
        counted.requests_only = Tally::default();
        counted.requests_only[Counter::faults(Fault::Major)] = 10;
        let textbook = Textbook { cpu: 0, disk: 0, net: 0, switches: Some(0), faults: Some(1) };
        let cost = Cost::of(&counted, SIGHT);
        assert_eq!((cost.copies(), cost.faults), (None, Some([0, 10])));
        assert_eq!(judge(&textbook, &cost, 10, SIGHT), Verdict::AsTextbook(None));
        let lazy = Textbook { faults: Some(0), ..textbook };
        assert_eq!(judge(&lazy, &cost, 10, SIGHT).name(), "differs");
    }
}
