//! What both halves agree on of call sites: stacks that copies were made on.

use crate::flow::{Direction, Route};

names! {
    /// How the bytes of a call site are known.
    Known {
        /// By the textbook, from what the system call moved.
        Inferred = "inferred",
        /// Seen as they were copied.
        Measured = "measured",
    }
}

/// One call site of one process: the key of the `SITES` map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct CallSite {
    /// The process id in the initial pid namespace, 0 for nobody's.
    pub tgid: u64,
    /// The numbers of two stacks in the maps `STACKS` and `MORE_STACKS`: the kernel's in the
    /// upper half, the user's in the lower half.
    pub stacks: u64,
    /// Positions in [`Route::ALL`], [`Direction::ALL`] and [`Known::ALL`], from the lowest
    /// byte on.
    pub kind: u64,
}

/// What was copied there: the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Weight {
    /// Bytes.
    pub bytes: u64,
    /// Copies.
    pub copies: u64,
}

/// What of so many units is charged, of which one in `mask + 1` is drawn by a random number that
/// is equally likely to be any: as many whole periods as there are, and one for the rest as
/// often as that is worth it. So what is charged is on average what there was, whatever its
/// size, and what went before makes no difference.
#[must_use]
#[inline(always)]
pub const fn sample(units: u64, mask: u32, random: u32) -> u64 {
    let (whole, rest) = (units & !(mask as u64), units & mask as u64);
    let drawn = rest > (random & mask) as u64;
    whole + if drawn { mask as u64 + 1 } else { 0 }
}

/// A kind, taken apart.
pub type Kind = (Route, Direction, Known);

impl CallSite {
    /// How many words a key has.
    pub const WORDS: usize = 3;
    /// A stack that was not asked for: the kernel's where a system call returns, the
    /// user's where a copy is made for another process than the one that runs.
    pub const NO_STACK: u32 = u32::MAX;
    /// A stack that could not be taken.
    pub const LOST_STACK: u32 = u32::MAX - 1;
    /// Set in the number of a stack that lies in `MORE_STACKS`; no map is as large.
    pub const IN_MORE_STACKS: u32 = 1 << 31;
    /// The site of bytes for whose own there was no room; made by the user half.
    pub const OVERFLOW: Self = Self { tgid: u64::MAX, stacks: u64::MAX, kind: 0 };

    /// The kind of what is no copy, such as a context switch: a map that has sites of these has
    /// no others, so that it tells nothing.
    pub const EVENT: u64 =
        Self::kind(Route::Other as u8, Direction::InKernel as u8, Known::Measured);

    /// Two stacks as one word.
    #[must_use]
    #[inline(always)]
    pub const fn stacks(kernel: u32, user: u32) -> u64 {
        (kernel as u64) << 32 | user as u64
    }

    /// A route (by position), a direction (by position) and how it is known as one word.
    #[must_use]
    #[inline(always)]
    pub const fn kind(route: u8, direction: u8, known: Known) -> u64 {
        route as u64 | (direction as u64) << 8 | (known as u64) << 16
    }

    /// The words of the key.
    #[must_use]
    pub const fn words(self) -> [u64; Self::WORDS] {
        [self.tgid, self.stacks, self.kind]
    }

    /// A key from its words.
    #[must_use]
    pub const fn from_words([tgid, stacks, kind]: [u64; Self::WORDS]) -> Self {
        Self { tgid, stacks, kind }
    }

    /// The numbers of the kernel's stack and the user's.
    #[must_use]
    pub const fn numbers(self) -> (u32, u32) {
        (half(self.stacks >> 32), half(self.stacks))
    }

    /// The kind, taken apart; none of what no program writes.
    #[must_use]
    pub fn decode(self) -> Option<Kind> {
        let [route, direction, known, ..] = self.kind.to_le_bytes().map(usize::from);
        Some((*Route::ALL.get(route)?, *Direction::ALL.get(direction)?, *Known::ALL.get(known)?))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
const fn half(word: u64) -> u32 {
    word as u32
}

const _: () = assert!(size_of::<CallSite>() == 8 * CallSite::WORDS && size_of::<Weight>() == 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_on_average_what_there_was() {
        for units in [0, 1, 3, 7, 8, 13, 16, 1 << 40] {
            let sum: u64 = (0..8).map(|random| sample(units, 7, random)).sum();
            assert_eq!(sum, 8 * units);
            assert_eq!(sample(units, 0, 5), units);
        }
        assert_eq!((sample(13, 7, 4), sample(13, 7, 5)), (16, 8));
    }

    #[test]
    fn a_key_is_taken_apart_as_it_was_put_together() {
        let kind = CallSite::kind(Route::Splice as u8, Direction::InKernel as u8, Known::Measured);
        let stacks = CallSite::stacks(7, CallSite::NO_STACK);
        let site = CallSite::from_words(CallSite { tgid: 9, stacks, kind }.words());
        assert_eq!(site.numbers(), (7, CallSite::NO_STACK));
        assert_eq!(site.decode(), Some((Route::Splice, Direction::InKernel, Known::Measured)));
        assert_eq!(CallSite { kind: 0xff, ..site }.decode(), None);
    }
}
