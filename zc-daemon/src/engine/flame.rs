//! Flame graphs: call sites as lists of names, and how sure a share of samples is.

use std::{collections::BTreeMap, fmt};

use zc_common::counter::{Counter, Fault, Switch, Tally};

use super::{
    site::{Frame, Site, Whole},
    summary::{self, Amount, Copies, Quality},
};

/// What a stack weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The bytes that were copied on it.
    Bytes,
    /// How often.
    Copies,
    /// Context switches.
    Switches,
    /// Page faults.
    Faults,
}

/// What the ledger has of what is drawn: exact, whatever was sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booked {
    /// Bytes copied, and copies.
    Copied(Amount),
    /// Context switches.
    Switches {
        /// Those that a thread asked for, to wait.
        voluntary: u64,
        /// Those that it did not.
        involuntary: u64,
    },
    /// Page faults.
    Faults {
        /// Those without a disk.
        minor: u64,
        /// Those with one.
        major: u64,
    },
}

/// Stacks of names, the outermost first, each with its weight.
pub type Stacks = BTreeMap<Vec<String>, u64>;

/// What a flame graph is drawn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The stacks.
    pub stacks: Stacks,
    /// What they weigh.
    pub weight: Weight,
    /// Of how much of that one sample was taken, on average; 1 if every one was.
    pub period: u32,
    /// What the ledger says of it.
    pub booked: Booked,
    /// Bytes that were moved without zc knowing what was copied of them; none if it does not
    /// know what was moved.
    pub unknown: Option<u64>,
    /// What part of the weight is of copies that were inferred, not measured.
    pub inferred: u64,
    /// The weight of what, of whatever process, had no room for its site, if it is not among the
    /// stacks.
    pub unplaced: u64,
    /// Events that were missed.
    pub lost: u64,
    /// Who was watched.
    pub target: String,
    /// How long.
    pub seconds: f64,
}

/// The frame of a stack, or of a part of one, that could not be taken.
pub const NO_STACK: &str = "[no stack]";
/// The frame of copies for whose site there was no room.
pub const NO_ROOM: &str = "[no room]";

impl Weight {
    /// What is counted.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Copies => "copies",
            Self::Switches => "context switches",
            Self::Faults => "page faults",
        }
    }

    /// What has a stack.
    #[must_use]
    pub const fn one(self) -> &'static str {
        match self {
            Self::Bytes | Self::Copies => "copy",
            Self::Switches => "context switch",
            Self::Faults => "page fault",
        }
    }

    /// What a target did of it.
    #[must_use]
    pub const fn done(self) -> &'static str {
        match self {
            Self::Bytes | Self::Copies => "copied by",
            Self::Switches | Self::Faults => "of",
        }
    }

    /// Of an amount.
    #[must_use]
    pub const fn of(self, amount: Amount) -> u64 {
        match self {
            Self::Bytes => amount.bytes,
            Self::Copies | Self::Switches | Self::Faults => amount.calls,
        }
    }

    /// What the ledger has of it.
    #[must_use]
    pub fn booked(self, total: &Tally) -> Booked {
        let copied = || summary::copied(total, Copies::Best).into_iter().map(|row| row.amount);
        let add = |sum: Amount, more: Amount| Amount {
            bytes: sum.bytes + more.bytes,
            calls: sum.calls + more.calls,
        };
        match self {
            Self::Bytes | Self::Copies => Booked::Copied(copied().fold(Amount::default(), add)),
            Self::Switches => Booked::Switches {
                voluntary: total[Counter::switches(Switch::Voluntary)],
                involuntary: total[Counter::switches(Switch::Involuntary)],
            },
            Self::Faults => Booked::Faults {
                minor: total[Counter::faults(Fault::Minor)],
                major: total[Counter::faults(Fault::Major)],
            },
        }
    }
}

impl Booked {
    /// How many events; none of copies.
    #[must_use]
    pub const fn events(self) -> Option<u64> {
        match self {
            Self::Copied(_) => None,
            Self::Switches { voluntary, involuntary } => Some(voluntary + involuntary),
            Self::Faults { minor, major } => Some(minor + major),
        }
    }
}

impl fmt::Display for Booked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Copied(Amount { bytes, calls }) => write!(f, "{bytes} bytes in {calls} copies"),
            Self::Switches { voluntary, involuntary } => {
                let all = voluntary + involuntary;
                write!(f, "{all} context switches, {voluntary} of them voluntary")
            }
            Self::Faults { minor, major } => {
                write!(f, "{} page faults, {major} of them major", minor + major)
            }
        }
    }
}

impl Recording {
    /// The weight of all stacks.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.stacks.values().sum()
    }

    /// Events in the ledger that are not drawn although every one was to be.
    #[must_use]
    pub fn undrawn(&self) -> u64 {
        let events = self.booked.events().filter(|_| self.period == 1);
        events.map_or(0, |events| events.saturating_sub(self.sum() + self.unplaced))
    }

    /// How many samples they stand for; none if every stack was taken.
    #[must_use]
    pub fn samples(&self) -> Option<u64> {
        (self.period > 1).then(|| self.sum() / u64::from(self.period))
    }
}

/// The standard error of a share of so many samples, at most: each copy or event is drawn by
/// itself, so they spread no more than if each were of another one.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "an error is shown to a few digits")]
pub fn error(share: f64, samples: u64) -> f64 {
    (share * (1.0 - share) / samples.max(1) as f64).sqrt()
}

/// Sums sites by their stacks, under the name of their process; what part of the weight was
/// inferred.
#[must_use]
pub fn fold(sites: &[Site], weight: Weight, name_of: impl Fn(u32) -> String) -> (Stacks, u64) {
    let (mut stacks, mut inferred) = (Stacks::new(), 0);
    for site in sites {
        let amount = weight.of(site.amount);
        let mut frames = vec![escaped(&name_of(site.tgid))];
        if site.whole == Whole::No || site.frames.is_empty() {
            frames.push(NO_STACK.to_owned());
        }
        frames.extend(outermost_first(&site.frames).map(text));
        *stacks.entry(frames).or_default() += amount;
        if site.quality == Quality::Inferred {
            inferred += amount;
        }
    }
    (stacks, inferred)
}

/// Both parts of a stack are taken the innermost frame first, the kernel's before the process'.
fn outermost_first(frames: &[Frame]) -> impl Iterator<Item = &Frame> {
    frames.iter().rev()
}

/// What a frame is called; the kernel's are marked as other tools mark them.
fn text(frame: &Frame) -> String {
    let file = frame.module.as_deref().map(|path| path.rsplit('/').next().unwrap_or(path));
    let name = match (&frame.function, file) {
        (Some(function), _) => function.clone(),
        (None, Some(file)) => format!("{file}+{:#x}", frame.offset),
        (None, None) => format!("{:#x}", frame.offset),
    };
    escaped(&name) + if frame.kernel { "_[k]" } else { "" }
}

/// A name as a frame: what separates frames, lines and numbers is replaced, and what would make
/// the line a comment.
#[must_use]
pub fn escaped(name: &str) -> String {
    let replaced = |c: char| match c {
        ';' => ':',
        c if c.is_whitespace() || is_hostile(c) => '_',
        c => c,
    };
    let text: String = name.chars().map(replaced).collect();
    match text.strip_prefix('#') {
        Some(rest) => format!("_{rest}"),
        None if text.is_empty() => "_".to_owned(),
        None => text,
    }
}

/// A text of whatever origin on one line.
#[must_use]
pub fn legible(text: &str) -> String {
    text.chars().map(|c| if is_hostile(c) { '_' } else { c }).collect()
}

/// Whether it does something to what stands around it, or may be in no XML.
fn is_hostile(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}');
    c.is_control() || turns || breaks
}

#[cfg(test)]
mod tests {
    use zc_common::flow::{Direction, Route};

    use super::*;

    fn frame(kernel: bool, function: Option<&str>, module: Option<&str>) -> Frame {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Frame { kernel, function: owned(function), module: owned(module), offset: 0x1f }
    }

    fn site(frames: Vec<Frame>, whole: Whole, quality: Quality) -> Site {
        Site {
            tgid: 7,
            route: Route::Read,
            direction: Direction::ToUser,
            quality,
            amount: Amount { bytes: 100, calls: 3 },
            frames,
            whole,
        }
    }

    #[test]
    fn stacks_begin_with_the_process_and_end_in_the_kernel() {
        let frames = vec![
            frame(true, Some("filemap_read"), None),
            frame(false, Some("read"), Some("/usr/lib/libc.so.6")),
            frame(false, None, Some("/bin/cat")),
            frame(false, None, None),
        ];
        let measured = site(frames.clone(), Whole::Yes, Quality::Measured);
        let cut = site(frames[..1].to_vec(), Whole::No, Quality::Measured);
        let none = site(vec![], Whole::Yes, Quality::Inferred);
        let sites = [measured.clone(), measured, cut, none];
        let (stacks, inferred) = fold(&sites, Weight::Bytes, |pid| format!("cat {pid}"));
        let lines: Vec<_> = stacks.iter().map(|(f, n)| format!("{} {n}", f.join(";"))).collect();
        let expected = [
            "cat_7;0x1f;cat+0x1f;read;filemap_read_[k] 200",
            "cat_7;[no stack] 100",
            "cat_7;[no stack];filemap_read_[k] 100",
        ];
        assert_eq!((lines.as_slice(), inferred), (&expected.map(str::to_owned)[..], 100));
        let (copies, _) = fold(&sites, Weight::Copies, |_| String::new());
        assert_eq!(copies.values().sum::<u64>(), 12);
    }

    #[test]
    fn names_separate_nothing() {
        for (name, expected) in [
            ("<T as F>::f", "<T_as_F>::f"),
            ("[u8; 8]", "[u8:_8]"),
            ("a\nb;c 12", "a_b:c_12"),
            ("# x", "__x"),
            ("\u{202e}gpj\u{1b}[2J", "_gpj_[2J"),
            ("", "_"),
        ] {
            assert_eq!(escaped(name), expected);
        }
        assert_eq!(legible("a b\r\n\u{2028}c"), "a b___c");
    }

    #[test]
    fn the_error_is_a_binomials() {
        assert!((error(0.5, 100) - 0.05).abs() < 1e-12);
        assert!((error(0.1, 900) - 0.01).abs() < 1e-12);
        assert!(error(1.0, 7).abs() < 1e-12);
    }
}
