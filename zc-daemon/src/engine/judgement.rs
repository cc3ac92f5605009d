//! The verdict: what was moved and copied, held to a policy. Never "within it" when what
//! would break it may have gone unseen.

use zc_common::flow::Route;

use super::{
    bytes::Bytes,
    coverage::Coverage,
    policy::{Policy, RouteName},
    traffic::Traffic,
};

/// All that is known.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What went by each route.
    pub traffic: Vec<Traffic>,
    /// How well each route is measured here.
    pub coverage: Vec<(Route, Coverage)>,
    /// Events known to be missed meanwhile, of whatever process.
    pub lost: u64,
    /// Bytes that were copied within the kernel meanwhile on nobody's account.
    pub nobody: u64,
    /// What of the target may have gone unseen: sentences.
    pub doubts: Vec<String>,
    /// Why it says nothing of the target at all: sentences.
    pub blind: Vec<String>,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Within the policy.
    Pass,
    /// Not within it.
    Broken,
    /// It may be either.
    CannotTell,
}

impl Outcome {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Broken => "broken",
            Self::CannotTell => "cannot_tell",
        }
    }
}

/// The verdict, and what it is on.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The verdict.
    pub outcome: Outcome,
    /// Bytes moved on the routes that are judged.
    pub bytes: u64,
    /// Bytes of them that were copied, at least: what is measured, and what is inferred if
    /// that is allowed.
    pub least: u64,
    /// And at most.
    pub most: u64,
    /// What is not within the policy: sentences.
    pub broken: Vec<String>,
    /// What cannot be told: sentences.
    pub unsure: Vec<String>,
}

/// Holds what is known to a policy.
#[must_use]
pub fn judge(evidence: &Evidence, policy: &Policy) -> Judgement {
    let floor = policy.ignore_below.map_or(1, |bytes| bytes.0.max(1));
    let large: Vec<_> = evidence.traffic.iter().filter(|row| row.size() >= floor).collect();
    let named =
        |row: &Traffic| policy.routes.is_empty() || policy.routes.contains(&RouteName(row.route));
    let judged: Vec<_> = large.iter().copied().filter(|row| named(row)).collect();
    let (mut broken, mut unsure) = (Vec::new(), Vec::new());
    let (mut bytes, mut least, mut most) = (0, 0, 0);
    for row in &judged {
        let coverage = evidence.of(row.route);
        bytes += row.bytes;
        least += at_least(row, coverage, policy.allow_inferred);
        most += row.measured + row.inferred + row.unknown;
        unsure.extend(doubt(row.route, coverage, policy.allow_inferred));
    }
    let missing = policy.routes.iter().filter(|name| judged.iter().all(|r| r.route != name.0));
    let unused = missing.map(|name| unused(name.0, &large));
    let target = if evidence.lost > 0 { &mut unsure } else { &mut broken };
    target.extend(unused);
    for limit in limits(policy, bytes) {
        if least > limit.bytes {
            broken.push(limit.exceeded(least));
        } else if most > limit.bytes {
            unsure.push(limit.perhaps(least, most));
        } else if most + evidence.nobody > limit.bytes {
            unsure.push(limit.somebodys(evidence.nobody));
        }
    }
    if evidence.lost > 0 {
        unsure.push(format!(
            "zc missed {} events meanwhile (of any process: zc_lost_total says which): what they \
             copied is in no number; try again with less load, or with more --threads",
            evidence.lost
        ));
    }
    if bytes == 0 && broken.is_empty() {
        unsure.push("it moved nothing that is judged: there is nothing to hold to it".to_owned());
    }
    unsure.extend(evidence.doubts.iter().chain(&evidence.blind).cloned());
    let outcome = match (evidence.blind.is_empty(), broken.is_empty(), unsure.is_empty()) {
        (true, false, _) => Outcome::Broken,
        (true, true, true) => Outcome::Pass,
        (false, ..) | (true, true, false) => Outcome::CannotTell,
    };
    Judgement { outcome, bytes, least, most, broken, unsure }
}

impl Evidence {
    fn of(&self, route: Route) -> Coverage {
        let found = self.coverage.iter().find(|(of, _)| *of == route);
        found.map_or(Coverage::Unverified, |(_, coverage)| *coverage)
    }
}

/// Bytes of a route that were copied for certain.
fn at_least(row: &Traffic, coverage: Coverage, allow_inferred: bool) -> u64 {
    match coverage {
        Coverage::Differs => 0,
        Coverage::Exact | Coverage::Bounded | Coverage::Unverified | Coverage::Inferred => {
            row.measured + if allow_inferred { row.inferred } else { 0 }
        }
    }
}

/// Why a route's copies are not known to the byte, unless that is allowed.
fn doubt(route: Route, coverage: Coverage, allow_inferred: bool) -> Option<String> {
    let name = route.name();
    match coverage {
        Coverage::Exact => None,
        Coverage::Differs => Some(format!(
            "on {name} the self-test was measured wrongly here; please report it with the output \
             of zc doctor --self-test"
        )),
        Coverage::Bounded | Coverage::Unverified | Coverage::Inferred if allow_inferred => None,
        Coverage::Inferred => Some(format!(
            "copies on {name} are inferred here, not measured (zc doctor says why); \
             --allow-inferred takes them so"
        )),
        Coverage::Bounded | Coverage::Unverified => Some(format!(
            "that copies on {name} are measured to the byte is not shown here (their coverage is \
             {}; see zc doctor --self-test); --allow-inferred takes them so",
            coverage.name()
        )),
    }
}

/// A route that is to be used and was not.
fn unused(route: Route, others: &[&Traffic]) -> String {
    let mut by: Vec<_> = others.iter().filter(|row| row.bytes > 0).collect();
    by.sort_by_key(|row| std::cmp::Reverse(row.bytes));
    let by: Vec<_> = by
        .iter()
        .take(3)
        .map(|row| format!("{} by {}", Bytes(row.bytes), row.route.name()))
        .collect();
    let instead = if by.is_empty() { String::new() } else { format!(" (but {})", by.join(", ")) };
    format!("nothing went by {}{instead}", route.name())
}

/// The most that may be copied.
struct Limit {
    bytes: u64,
    text: String,
}

fn limits(policy: &Policy, moved: u64) -> Vec<Limit> {
    let share = policy.max_copies_per_byte.map(|share| Limit {
        bytes: share_of(share, moved),
        text: format!("{share} for each of {} moved", Bytes(moved)),
    });
    let sum = policy.max_copied.map(|most| Limit { bytes: most.0, text: most.to_string() });
    share.into_iter().chain(sum).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a limit in bytes: positive, and rounded down"
)]
fn share_of(share: f64, bytes: u64) -> u64 {
    (share * bytes as f64) as u64
}

impl Limit {
    fn exceeded(&self, copied: u64) -> String {
        format!("{} ({copied} bytes) were copied, more than {}", Bytes(copied), self.text)
    }

    fn somebodys(&self, bytes: u64) -> String {
        format!(
            "{} were copied within the kernel on nobody's account (packets on their way, bounce \
             buffers of devices): if they are its own, that is more than {}",
            Bytes(bytes),
            self.text
        )
    }

    fn perhaps(&self, least: u64, most: u64) -> String {
        format!(
            "between {} and {} were copied, which may be more than {}: of the rest zc cannot tell \
             by measurement",
            Bytes(least),
            Bytes(most),
            self.text
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn row(route: Route, bytes: u64, copied: [u64; 3]) -> Traffic {
        let [measured, inferred, unknown] = copied;
        Traffic { route, bytes, measured, inferred, unknown }
    }

    fn evidence(traffic: &[Traffic], coverage: Coverage) -> Evidence {
        let coverage = Route::ALL.iter().map(|route| (*route, coverage)).collect();
        Evidence { traffic: traffic.to_vec(), coverage, ..Evidence::default() }
    }

    /// The truth table: how well copies are known, what was copied of a MiB, whether
    /// inferred will do, whether events were missed or the target says nothing; the verdict.
    #[test]
    fn the_truth_table() {
        use Coverage::{Bounded, Differs, Exact, Inferred, Unverified};
        use Outcome::{Broken, CannotTell, Pass};
        const NONE: [u64; 3] = [0, 0, 0];
        const FEW: [u64; 3] = [52_428, 0, 0];
        const MORE: [u64; 3] = [52_429, 0, 0];
        const INFERRED: [u64; 3] = [0, MIB, 0];
        const UNKNOWN: [u64; 3] = [0, 0, MIB];
        let rows = [
            (Exact, NONE, false, 0, false, Pass),
            (Exact, FEW, false, 0, false, Pass),
            (Exact, MORE, false, 0, false, Broken),
            (Exact, INFERRED, false, 0, false, CannotTell),
            (Exact, UNKNOWN, false, 0, false, CannotTell),
            (Exact, NONE, true, 0, false, Pass),
            (Exact, INFERRED, true, 0, false, Broken),
            (Exact, UNKNOWN, true, 0, false, CannotTell),
            (Bounded, NONE, false, 0, false, CannotTell),
            (Bounded, NONE, true, 0, false, Pass),
            (Unverified, NONE, false, 0, false, CannotTell),
            (Unverified, MORE, false, 0, false, Broken),
            (Unverified, NONE, true, 0, false, Pass),
            (Inferred, NONE, false, 0, false, CannotTell),
            (Inferred, INFERRED, false, 0, false, CannotTell),
            (Inferred, NONE, true, 0, false, Pass),
            (Inferred, INFERRED, true, 0, false, Broken),
            (Inferred, UNKNOWN, true, 0, false, CannotTell),
            (Differs, NONE, false, 0, false, CannotTell),
            (Differs, NONE, true, 0, false, CannotTell),
            (Differs, MORE, true, 0, false, CannotTell),
            // Missed events may have copied, but not have uncopied.
            (Exact, NONE, false, 1, false, CannotTell),
            (Exact, NONE, true, 1, false, CannotTell),
            (Exact, MORE, false, 1, false, Broken),
            // A target that failed says nothing either way.
            (Exact, NONE, false, 0, true, CannotTell),
            (Exact, MORE, false, 0, true, CannotTell),
        ];
        for (coverage, copied, allow_inferred, lost, blind, outcome) in rows {
            let case = format!("{coverage:?} {copied:?} {allow_inferred} {lost} {blind}");
            let mut evidence = evidence(&[row(Route::Sendfile, MIB, copied)], coverage);
            evidence.lost = lost;
            evidence.blind.extend(blind.then(|| "the command failed".to_owned()));
            let policy = Policy { allow_inferred, ..Policy::default() }.limited();
            let judgement = judge(&evidence, &policy);
            assert_eq!(judgement.outcome, outcome, "{case}: {judgement:?}");
            // Nothing is decided without a reason.
            assert_eq!(outcome == Pass, judgement.broken.len() + judgement.unsure.len() == 0);
            assert!(outcome != Broken || !judgement.broken.is_empty(), "{case}");
        }
    }

    #[test]
    fn nothing_moved_is_no_pass() {
        let none = judge(&evidence(&[], Coverage::Exact), &Policy::default().limited());
        assert_eq!(none.outcome, Outcome::CannotTell);
        assert!(none.unsure[0].contains("moved nothing"), "{none:?}");
    }

    #[test]
    fn a_named_route_must_be_used_and_is_judged_alone() {
        let policy = |route| Policy { routes: vec![RouteName(route)], ..Policy::default() };
        let traffic =
            [row(Route::Sendfile, MIB, [0; 3]), row(Route::Write, 4 * MIB, [4 * MIB, 0, 0])];
        let evidence = evidence(&traffic, Coverage::Exact);
        let of = |route| judge(&evidence, &policy(route).limited());
        assert_eq!(of(Route::Sendfile).outcome, Outcome::Pass);
        assert_eq!(of(Route::Write).outcome, Outcome::Broken);
        let splice = of(Route::Splice);
        assert_eq!(splice.outcome, Outcome::Broken);
        let said = "nothing went by splice (but 4.0 MiB by write, 1.0 MiB by sendfile)";
        assert_eq!(splice.broken, [said]);
        // Events that were missed may be its use.
        let lossy = Evidence { lost: 1, ..evidence.clone() };
        assert_eq!(judge(&lossy, &policy(Route::Splice).limited()).outcome, Outcome::CannotTell);
    }

    /// What may be its own is no pass, and no breach.
    #[test]
    fn what_is_nobodys_may_be_its_own() {
        let mut evidence = evidence(&[row(Route::Sendfile, MIB, [0; 3])], Coverage::Exact);
        evidence.nobody = 52_428;
        assert_eq!(judge(&evidence, &Policy::default().limited()).outcome, Outcome::Pass);
        evidence.nobody += 1;
        let unsure = judge(&evidence, &Policy::default().limited());
        assert_eq!(unsure.outcome, Outcome::CannotTell);
        assert!(unsure.unsure[0].contains("on nobody's account"), "{unsure:?}");
        evidence = Evidence { nobody: 0, doubts: vec!["some run on".to_owned()], ..evidence };
        assert_eq!(judge(&evidence, &Policy::default().limited()).outcome, Outcome::CannotTell);
    }

    #[test]
    fn small_routes_can_be_left_out() {
        let traffic = [row(Route::Sendfile, MIB, [0; 3]), row(Route::Read, 70_000, [70_000, 0, 0])];
        let evidence = evidence(&traffic, Coverage::Exact);
        let whole = judge(&evidence, &Policy::default().limited());
        assert_eq!((whole.outcome, whole.least), (Outcome::Broken, 70_000));
        let ignore_below = Some(Bytes(70_001));
        let large = judge(&evidence, &Policy { ignore_below, ..Policy::default() }.limited());
        assert_eq!((large.outcome, large.bytes), (Outcome::Pass, MIB));
    }

    #[test]
    fn a_sum_can_be_the_limit() {
        let evidence = evidence(&[row(Route::Read, MIB, [100, 0, 0])], Coverage::Exact);
        let at_most = |bytes| Policy { max_copied: Some(Bytes(bytes)), ..Policy::default() };
        assert_eq!(judge(&evidence, &at_most(100).limited()).outcome, Outcome::Pass);
        let broken = judge(&evidence, &at_most(99).limited());
        assert_eq!(broken.broken, ["100 B (100 bytes) were copied, more than 99 B"]);
    }
}
