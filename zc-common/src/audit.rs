//! What the audit agrees on: a function of the kernel's that a breakpoint watches, how
//! the bytes of a call are told from its arguments, and what was counted.

names! {
    /// How many bytes a call copies, told from its length and its iterator.
    Rule {
        /// As many as it is asked for.
        Asked = "asked",
        /// As many as it is asked for, or what the iterator has left; none where it
        /// throws them away.
        Clamped = "clamped",
        /// As many as it is asked for, or none if the iterator has fewer.
        Whole = "whole",
        /// As [`Rule::Clamped`] from or to user memory; for any other the call is
        /// passed on to a function that is watched itself, or copies nothing.
        User = "user",
    }
}

/// One function watched in one process: the key of the `WATCHED` map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Site {
    /// The process id in the initial pid namespace.
    pub tgid: u64,
    /// The address of the function.
    pub address: u64,
}

/// What is to be counted there, and what was: the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Watch {
    /// Which argument is the length in bytes, from 1.
    pub length: u64,
    /// Which argument is the iterator, from 1.
    pub iterator: u64,
    /// A [`Rule`].
    pub rule: u64,
    /// Calls seen.
    pub calls: u64,
    /// The bytes they were to copy.
    pub bytes: u64,
}

impl Site {
    /// The words of the key.
    #[must_use]
    pub const fn words(self) -> [u64; 2] {
        [self.tgid, self.address]
    }
}

impl Watch {
    /// How many words it has.
    pub const WORDS: usize = 5;

    /// The words of the value.
    #[must_use]
    pub const fn words(self) -> [u64; Self::WORDS] {
        [self.length, self.iterator, self.rule, self.calls, self.bytes]
    }

    /// Calls and bytes of a value read back.
    #[must_use]
    pub const fn counted(words: &[u64; Self::WORDS]) -> (u64, u64) {
        (words[3], words[4])
    }
}

const _: () = assert!(size_of::<Watch>() == 8 * Watch::WORDS && size_of::<Site>() == 16);
