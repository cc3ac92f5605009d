//! What each group did since the snapshot before.

use std::{collections::HashMap, sync::Arc};

use zc_common::counter::Tally;

use super::{group::OTHER, snapshot::Group, sparse::Sparse};

/// Every group's total as it was last seen.
#[derive(Debug, Default)]
pub struct Deltas {
    before: HashMap<Arc<str>, Seen>,
    look: u64,
}

#[derive(Debug, Default)]
struct Seen {
    total: Sparse,
    look: u64,
}

impl Deltas {
    /// Tells what each group did since the look before; who did nothing is not told of.
    ///
    /// The total of a group that has expired is in that of `other` from then on: it is taken
    /// off, as it was not done now.
    pub fn look(&mut self, groups: &[Group], told: &mut dyn FnMut(&Arc<str>, &Sparse)) {
        self.look += 1;
        let (others, named): (Vec<_>, Vec<_>) =
            groups.iter().partition(|group| group.name == OTHER);
        let mut delta = Sparse::default();
        for group in named {
            let name = self.advance(group, &mut delta);
            if !delta.is_zero() {
                told(&name, &delta);
            }
        }
        let mut expired = Tally::default();
        let look = self.look;
        self.before.retain(|name, seen| {
            let stays = seen.look == look || **name == *OTHER;
            if !stays {
                seen.total.add_to(&mut expired);
            }
            stays
        });
        for group in others {
            let name = self.advance(group, &mut delta);
            if !expired.is_zero() {
                delta = less(&delta, &expired);
            }
            if !delta.is_zero() {
                told(&name, &delta);
            }
        }
    }

    fn advance(&mut self, group: &Group, delta: &mut Sparse) -> Arc<str> {
        let known = self.before.get_key_value(&*group.name).map(|(name, _)| Arc::clone(name));
        let name = known.unwrap_or_else(|| Arc::from(&*group.name));
        let seen = self.before.entry(Arc::clone(&name)).or_default();
        seen.look = self.look;
        seen.total.advance(&group.tally, delta);
        name
    }
}

fn less(delta: &Sparse, expired: &Tally) -> Sparse {
    let mut rest = delta.whole();
    for (word, gone) in rest.words_mut().iter_mut().zip(expired.words()) {
        *word = word.saturating_sub(*gone);
    }
    Sparse::of(&rest)
}

#[cfg(test)]
mod tests {
    use zc_common::{counter::Counter, flow::Flow};

    use super::*;

    const BYTES: Counter = Counter::bytes(Flow::ReadFile);

    fn look(deltas: &mut Deltas, groups: &[(&str, u64)]) -> Vec<(String, u64)> {
        let groups: Vec<_> = groups
            .iter()
            .map(|(name, bytes)| {
                let mut tally = Tally::default();
                tally[BYTES] = *bytes;
                Group { name: (*name).to_owned(), tally, identity: None }
            })
            .collect();
        let mut told = Vec::new();
        deltas
            .look(&groups, &mut |name, delta| told.push((name.to_string(), delta.whole()[BYTES])));
        told
    }

    #[test]
    fn a_group_that_expires_did_nothing_then() {
        let mut deltas = Deltas::default();
        let row = |name: &str, bytes| (name.to_owned(), bytes);
        let all = look(&mut deltas, &[("other", 5), ("a", 10), ("b", 1)]);
        assert_eq!(all, [row("a", 10), row("b", 1), row("other", 5)]);
        assert_eq!(look(&mut deltas, &[("other", 5), ("a", 17), ("b", 1)]), [row("a", 7)]);
        // It expires with 17, and 2 are booked to other besides.
        assert_eq!(look(&mut deltas, &[("other", 24), ("b", 1)]), [row("other", 2)]);
        // Another one of its name starts from nothing.
        assert_eq!(look(&mut deltas, &[("other", 24), ("a", 3), ("b", 1)]), [row("a", 3)]);
    }
}
