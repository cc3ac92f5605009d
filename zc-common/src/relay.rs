//! What both halves agree on of relays: bytes that a process took out of one descriptor and
//! put into another one from the same memory.

use crate::file::Kind;

/// Bytes of one window: what is held against itself later.
pub const WINDOW: u64 = 128;
/// How many windows of a buffer are looked at.
pub const WINDOWS: usize = 16;
/// Bytes of a send from which on it pays to pin its pages and to be told when they are free
/// again, about ("writes over around 10 KB", Documentation/networking/msg_zerocopy.rst in Linux
/// 6.18).
pub const LARGE: u64 = 10 * 1024;
/// What certainty is counted in: this much for a piece of which every byte was looked at.
pub const CERTAIN: u64 = 1024;

names! {
    /// Why a call, or a part of one, was not held against anything.
    Unseen {
        /// Fewer bytes than a window.
        Short = "short",
        /// In more pieces of memory than are looked at.
        Pieces = "pieces",
        /// Memory that could not be looked at.
        Memory = "memory",
        /// Put out too long after it was taken in.
        Late = "late",
        /// Several messages, or with flags that make its result no count of bytes taken in.
        Messages = "messages",
        /// By an io_uring: calls that handed requests to it.
        IoUring = "io_uring",
        /// By a descriptor that could not be resolved.
        Descriptor = "descriptor",
        /// By a 32-bit program.
        Compat = "compat",
    }
}

names! {
    /// What became of bytes that were put out from where they had been taken in.
    Fate {
        /// A part of what was taken in, unchanged as far as was looked.
        Part = "part",
        /// All of it.
        Whole = "whole",
        /// Changed in between.
        Changed = "changed",
        /// No window lay within.
        Unsampled = "unsampled",
    }
}

/// A place where bytes were taken in: the key of the map `BROUGHT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Place {
    /// The process.
    pub tgid: u64,
    /// The number of the page that they begin on.
    pub page: u64,
}

/// What was taken in there: the value.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Brought {
    /// Where it begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// Where that begins which has not been put out yet.
    pub from: u64,
    /// When, by the monotonic clock, in nanoseconds.
    pub when: u64,
    /// From where: a [`Kind`].
    pub kind: u64,
    /// Where the windows lie.
    pub phase: u64,
    /// The fingerprint of each window, 0 of one that could not be read.
    pub prints: [u64; WINDOWS],
}

/// Where one window of `length` bytes begins. No byte is less likely than others to lie in
/// one, those at the ends either: hence windows may begin before the start and end after the end,
/// and are moved within.
#[must_use]
#[inline(always)]
pub const fn window(index: u64, length: u64, phase: u64) -> u64 {
    let places = length + WINDOW - 1;
    let place = phase + index * (places / WINDOWS as u64 + 1);
    // No length is so long that there are none; a panic would be no program.
    let place = match place.checked_rem(places) {
        Some(place) => place,
        None => 0,
    };
    let start = place.saturating_sub(WINDOW - 1);
    if start + WINDOW > length { length.saturating_sub(WINDOW) } else { start }
}

/// Whose bytes went which way: the key of the map `RELAYS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Relay {
    /// The process id in the initial pid namespace.
    pub tgid: u64,
    /// When its leader started.
    pub start: u64,
    /// From where and to where, as [`Relay::kinds`] has them.
    pub kinds: u64,
    /// The number of the user's stack, as call sites have it: of relays, and of sends by TCP of
    /// [`LARGE`] bytes and more.
    pub stack: u64,
}

/// What went there: the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Sums {
    /// Bytes unchanged; in a row of what was not seen, calls by [`Unseen`] from here on.
    pub bytes: u64,
    /// Calls that moved them; of bytes that were relayed, pieces, of which a call may put out
    /// several.
    pub calls: u64,
    /// Those of them that put out all that had been taken in.
    pub whole: u64,
    /// How likely a changed byte would have been seen, summed over pieces, in [`CERTAIN`].
    pub certainty: u64,
    /// Pieces that had been changed.
    pub changed: u64,
    /// Their bytes.
    pub changed_bytes: u64,
    /// Pieces in which no window lay.
    pub unsampled: u64,
    /// No use but in a row of what was not seen.
    pub last: u64,
    /// The process that made this one.
    pub parent: u64,
    /// The name of the thread that was first.
    pub comm: [u64; 2],
}

/// From where and to where; none stands for wherever.
pub type Ends = (Option<Kind>, Option<Kind>);

impl Relay {
    /// How many words a key has.
    pub const WORDS: usize = 4;
    /// Stands for no end: then the row counts all that was taken in from the other one, or put
    /// out to it; with neither, what was not seen.
    pub const NO_END: u64 = 0xff;
    /// What has no room of its own, of whatever process; made by the user half.
    pub const OVERFLOW: Self = Self { tgid: u64::MAX, start: 0, kinds: u64::MAX, stack: 0 };

    /// Two ends as one word: each a [`Kind`], or [`Relay::NO_END`].
    #[must_use]
    #[inline(always)]
    pub const fn kinds(from: u64, to: u64) -> u64 {
        from | to << 8
    }

    /// The words of the key.
    #[must_use]
    pub const fn words(self) -> [u64; Self::WORDS] {
        [self.tgid, self.start, self.kinds, self.stack]
    }

    /// A key from its words.
    #[must_use]
    pub const fn from_words([tgid, start, kinds, stack]: [u64; Self::WORDS]) -> Self {
        Self { tgid, start, kinds, stack }
    }

    /// The ends; none of what no program writes.
    #[must_use]
    pub fn ends(self) -> Option<Ends> {
        let [from, to, ..] = self.kinds.to_le_bytes();
        let end = |position: u8| match u64::from(position) {
            Self::NO_END => Some(None),
            _ => Kind::ALL.get(usize::from(position)).map(|kind| Some(*kind)),
        };
        Some((end(from)?, end(to)?))
    }
}

impl Sums {
    /// How many words a value has.
    pub const WORDS: usize = 11;

    /// A value from its words.
    #[must_use]
    pub const fn from_words(words: [u64; Self::WORDS]) -> Self {
        let [bytes, calls, whole, certainty, changed, changed_bytes, unsampled, last, ..] = words;
        let (parent, comm) = (words[8], [words[9], words[10]]);
        Self {
            bytes,
            calls,
            whole,
            certainty,
            changed,
            changed_bytes,
            unsampled,
            last,
            parent,
            comm,
        }
    }

    /// The words of one that has counted nothing.
    #[must_use]
    pub const fn nothing() -> [u64; Self::WORDS] {
        [0; Self::WORDS]
    }

    /// What a row of what was not seen has counted, by [`Unseen`].
    #[must_use]
    pub const fn unseen(&self) -> [u64; Unseen::COUNT] {
        [
            self.bytes,
            self.calls,
            self.whole,
            self.certainty,
            self.changed,
            self.changed_bytes,
            self.unsampled,
            self.last,
        ]
    }
}

const _: () = assert!(size_of::<Relay>() == 8 * Relay::WORDS);
const _: () = assert!(size_of::<Sums>() == 8 * Sums::WORDS && Unseen::COUNT == 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_apart_as_it_was_put_together() {
        let kinds = Relay::kinds(Kind::Pipe as u64, Relay::NO_END);
        let relay = Relay { tgid: 1, start: 2, kinds, stack: 3 };
        assert_eq!(Relay::from_words(relay.words()), relay);
        assert_eq!(relay.ends(), Some((Some(Kind::Pipe), None)));
        assert_eq!(Relay { kinds: 0x00fe, ..relay }.ends(), None);
        for (position, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(position, *kind as usize);
        }
    }

    /// Over all phases, how often a byte lies in a window.
    fn sightings(length: u64, byte: u64) -> u64 {
        let phases = 0..length + WINDOW - 1;
        let hit = |phase: &u64| {
            (0..WINDOWS as u64).any(|index| {
                let start = window(index, length, *phase);
                assert!(start + WINDOW <= length);
                (start..start + WINDOW).contains(&byte)
            })
        };
        phases.filter(hit).count() as u64
    }

    #[test]
    fn no_byte_is_out_of_sight() {
        for length in [WINDOW, WINDOW + 1, 1000, WINDOW * (WINDOWS as u64 - 1)] {
            for byte in [0, 1, length / 2, length - 1] {
                assert_eq!(sightings(length, byte), length + WINDOW - 1, "{byte} of {length}");
            }
        }
        const MOST: u64 = WINDOW * WINDOWS as u64;
        let length = 16 * 1024;
        for byte in [0, 1, length / 2, length / 2 - 1, length / 3, length - 1] {
            // Moved within, more windows hold what is near the ends.
            let seen = sightings(length, byte);
            assert!((MOST * 9 / 10..=2 * MOST).contains(&seen), "{byte}: {seen}");
        }
    }
}
