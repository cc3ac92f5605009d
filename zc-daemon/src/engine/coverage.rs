//! How far the copies on a route can be relied on, on this machine.

use super::audit::Verdict;

/// Which of the hooks that see copies on a route are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hooked {
    /// None of them.
    Not,
    /// Some: of what the others see, the copies are inferred.
    Partly,
    /// Every one that this kernel has a place for.
    Fully,
}

/// The `quality` of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coverage {
    /// A self-test found its copies measured to the byte.
    Exact,
    /// A self-test found the truth between what is measured, and that with what is inferred.
    Bounded,
    /// Copies are measured, but no self-test has said how well.
    Unverified,
    /// A self-test found them measured wrongly.
    Differs,
    /// No hook is attached: copies are inferred.
    Inferred,
}

impl Coverage {
    /// Every one, best first.
    pub const ALL: &'static [Self] =
        &[Self::Exact, Self::Bounded, Self::Unverified, Self::Differs, Self::Inferred];

    /// The label value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Bounded => "bounded",
            Self::Unverified => "unverified",
            Self::Differs => "differs",
            Self::Inferred => "inferred",
        }
    }

    /// What it says of a route's copies.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Exact => "measured; those of the self-test to the byte",
            Self::Bounded => "measured; the truth lies within what is inferred besides",
            Self::Unverified => "measured; no self-test says how well",
            Self::Differs => "measured, but not as the self-test has it; please report it",
            Self::Inferred => {
                "not measured: inferred from system calls where they tell, else unknown"
            }
        }
    }

    /// Of a route, by its hooks and by what self-tests on it found: the worst counts.
    #[must_use]
    pub fn of(hooked: Hooked, found: impl Iterator<Item = Verdict>) -> Self {
        match (hooked, found.max()) {
            (Hooked::Not, _) => Self::Inferred,
            (Hooked::Fully, Some(Verdict::Exact)) => Self::Exact,
            (Hooked::Partly, Some(Verdict::Exact)) | (_, Some(Verdict::Bounded)) => Self::Bounded,
            (_, None | Some(Verdict::Unverified)) => Self::Unverified,
            (_, Some(Verdict::Differs)) => Self::Differs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_no_better_than_its_worst_test_and_its_hooks() {
        use Verdict::{Bounded, Differs, Exact, Unverified};
        let of = |hooked, found: &[Verdict]| Coverage::of(hooked, found.iter().copied());
        assert_eq!(of(Hooked::Fully, &[]), Coverage::Unverified);
        assert_eq!(of(Hooked::Fully, &[Exact, Exact]), Coverage::Exact);
        assert_eq!(of(Hooked::Partly, &[Exact]), Coverage::Bounded);
        assert_eq!(of(Hooked::Fully, &[Exact, Bounded]), Coverage::Bounded);
        assert_eq!(of(Hooked::Fully, &[Unverified, Exact]), Coverage::Unverified);
        assert_eq!(of(Hooked::Partly, &[Exact, Differs, Unverified]), Coverage::Differs);
        assert_eq!(of(Hooked::Not, &[Exact]), Coverage::Inferred);
    }
}
