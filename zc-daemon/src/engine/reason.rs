//! Why bytes were copied, told from a tally: one row a reason.

use zc_common::{
    counter::Tally,
    fallback::Reason as Broken,
    flow::{Endpoint, Route},
};

use super::summary::{self, Amount};

/// Why bytes were copied, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Its name, which never changes.
    pub code: &'static str,
    /// Bytes that it accounts for.
    pub bytes: u64,
    /// What happened: the end of a sentence that begins with the bytes.
    pub text: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// What a tally is searched for.
#[derive(Clone, Copy)]
enum Sign {
    /// A promise not kept.
    Broken(Broken),
    /// Bytes read and written through user memory.
    Relay(fn(Relay) -> u64),
    /// Zero-copy sends by calls too small to be worth it.
    Small,
    /// Bytes that came in only, or went out only.
    OneWay(fn(Relay) -> u64),
}

/// One row of [`ROWS`].
struct Row {
    code: &'static str,
    sign: Sign,
    text: &'static str,
    remedy: &'static str,
}

/// THE table of reasons.
static ROWS: &[Row] = &[
    Row {
        code: "receiver",
        sign: Sign::Broken(Broken::Receiver),
        text: "sent with MSG_ZEROCOPY were copied after all (the completion says COPIED): the \
               receiver is on this machine (loopback, veth, a tap), and may hold them for long",
        remedy: "measure against another machine; for local peers use splice, sendfile or shared \
                 memory",
    },
    Row {
        code: "not_taken",
        sign: Sign::Broken(Broken::NotTaken),
        text: "sent with MSG_ZEROCOPY were copied at once: SO_ZEROCOPY is not set, or the socket \
               or its device cannot (no scatter-gather)",
        remedy: "set SO_ZEROCOPY on the socket; switch scatter-gather on (ethtool -K DEV sg on)",
    },
    Row {
        code: "socket_sink",
        sign: Sign::Broken(Broken::SocketSink),
        text: "of a file were copied into the socket, which does not take pages: no \
               scatter-gather, a datagram, TLS in software",
        remedy: "switch scatter-gather on (ethtool -K DEV sg on); let the device do TLS",
    },
    Row {
        code: "gathered",
        sign: Sign::Broken(Broken::Gathered),
        text: "were gathered into one piece for a device without scatter-gather, or to be sent \
               again",
        remedy: "switch scatter-gather on (ethtool -K DEV sg on)",
    },
    Row {
        code: "file_sink",
        sign: Sign::Broken(Broken::FileSink),
        text: "were spliced into a buffered file, which always copies them into its page cache",
        remedy: "reflink (cp --reflink, FICLONE, copy_file_range on xfs or btrfs), or write with \
                 O_DIRECT",
    },
    Row {
        code: "source",
        sign: Sign::Broken(Broken::Source),
        text: "were copied because their source does not link its pages (procfs, a device, \
               O_DIRECT)",
        remedy: "splice from a file system that links its pages (ext4, xfs, btrfs, tmpfs)",
    },
    Row {
        code: "buffered",
        sign: Sign::Broken(Broken::Buffered),
        text: "went through the page cache although the file is open with O_DIRECT",
        remedy: "align offset, length and memory to the file system's blocks (statx STATX_DIOALIGN)",
    },
    Row {
        code: "small_sends",
        sign: Sign::Small,
        text: "went by sends of less than 10 KiB on average, below which pinning pages costs more \
               than copying (Documentation/networking/msg_zerocopy.rst)",
        remedy: "send more at a time, or do without MSG_ZEROCOPY",
    },
    Row {
        code: "relayed",
        sign: Sign::Relay(Relay::unchanged),
        text: "were read into user memory and written out again, as many as came in",
        remedy: "if nobody looks at them, sendfile, splice or copy_file_range moves them by \
                 reference",
    },
    Row {
        code: "transformed",
        sign: Sign::Relay(Relay::changed),
        text: "were read into user memory, and others written out: they were changed on the way, \
               as by compression or TLS in user space",
        remedy: "serve files compressed beforehand; let the kernel do TLS (kTLS), so that sendfile \
                 can be used",
    },
    Row {
        code: "consumed",
        sign: Sign::OneWay(Relay::consumed),
        text: "were read into user memory, and not passed on",
        remedy: "mmap the file, or read it with O_DIRECT; from a socket, TCP_ZEROCOPY_RECEIVE",
    },
    Row {
        code: "produced",
        sign: Sign::OneWay(Relay::produced),
        text: "were written from user memory, and came from no read",
        remedy: "send with MSG_ZEROCOPY or io_uring's SEND_ZC; write files with O_DIRECT; vmsplice \
                 into a pipe",
    },
];

/// Bytes below which none is named, and calls below this average are small.
const SMALL: u64 = 10 << 10;

/// What a promise that was not kept means: the end of a sentence that begins with bytes.
#[must_use]
pub fn broken(promise: Broken) -> &'static str {
    let row = ROWS.iter().find(|row| matches!(row.sign, Sign::Broken(of) if of == promise));
    row.map_or("were copied", |row| row.text)
}

/// The reasons that the tally of a process shows, the weightiest first.
#[must_use]
pub fn of(tally: &Tally) -> Vec<Reason> {
    let mut reasons: Vec<_> = ROWS
        .iter()
        .map(|row| Reason {
            code: row.code,
            bytes: row.sign.bytes(tally),
            text: row.text,
            remedy: row.remedy,
        })
        .filter(|reason| reason.bytes >= SMALL)
        .collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.bytes));
    reasons
}

/// Adds the reasons of one process to those of others.
pub fn add(sum: &mut Vec<Reason>, more: Vec<Reason>) {
    for reason in more {
        match sum.iter_mut().find(|known| known.code == reason.code) {
            Some(known) => known.bytes += reason.bytes,
            None => sum.push(reason),
        }
    }
}

impl Sign {
    fn bytes(self, tally: &Tally) -> u64 {
        match self {
            Self::Broken(reason) => {
                let of_it = summary::fallbacks(tally).filter(|(_, by, _)| *by == reason);
                of_it.map(|(_, _, bytes)| bytes).sum()
            }
            Self::Relay(bytes) | Self::OneWay(bytes) => bytes(Relay::of(tally)),
            Self::Small => {
                let Amount { bytes, calls } = moved(tally, |row| row.route == Route::MsgZerocopy);
                if bytes < SMALL * calls { bytes } else { 0 }
            }
        }
    }
}

/// What was copied into user memory and out of it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Relay {
    into: u64,
    out: u64,
}

impl Relay {
    fn of(tally: &Tally) -> Self {
        let somewhere = |row: &summary::Transferred| row.endpoint != Endpoint::Other;
        let by = |routes: [Route; 2]| {
            moved(tally, |row| routes.contains(&row.route) && somewhere(row)).bytes
        };
        Self { into: by([Route::Read, Route::Recv]), out: by([Route::Write, Route::Send]) }
    }

    /// How far the two may differ: headers, and what a program reads to start.
    fn is_even(self) -> bool {
        self.into.abs_diff(self.out) <= self.into.max(self.out) / 10
    }

    /// Whether one is next to nothing beside the other.
    fn is_one_way(self) -> bool {
        self.into.min(self.out) <= self.into.max(self.out) / 20
    }

    fn unchanged(self) -> u64 {
        if self.is_even() { self.into.min(self.out) } else { 0 }
    }

    fn changed(self) -> u64 {
        if self.is_even() || self.is_one_way() { 0 } else { self.into }
    }

    fn consumed(self) -> u64 {
        if self.is_one_way() && self.into > self.out { self.into } else { 0 }
    }

    fn produced(self) -> u64 {
        if self.is_one_way() && self.out > self.into { self.out } else { 0 }
    }
}

fn moved(tally: &Tally, wanted: impl Fn(&summary::Transferred) -> bool) -> Amount {
    let mut sum = Amount::default();
    for row in summary::transferred(tally).iter().filter(|row| wanted(row)) {
        sum.bytes += row.amount.bytes;
        sum.calls += row.amount.calls;
    }
    sum
}

/// Whether there is a reason of this code.
#[cfg(test)]
pub(super) fn is_code(code: &str) -> bool {
    ROWS.iter().any(|row| row.code == code)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use zc_common::{counter::Counter, fallback::Fallback, flow::Flow};

    use super::*;

    const MIB: u64 = 1 << 20;

    fn codes(charges: &[(Flow, u64, u64)]) -> Vec<&'static str> {
        let mut tally = Tally::default();
        for (flow, bytes, calls) in charges {
            tally[Counter::bytes(*flow)] = *bytes;
            tally[Counter::calls(*flow)] = *calls;
        }
        of(&tally).iter().map(|reason| reason.code).collect()
    }

    #[test]
    fn every_broken_promise_has_its_row() {
        let codes: BTreeSet<_> = ROWS.iter().map(|row| row.code).collect();
        assert_eq!(codes.len(), ROWS.len());
        for fallback in Fallback::ALL.iter().copied() {
            let mut tally = Tally::default();
            tally[Counter::fallback(fallback)] = MIB;
            let (_, reason) = fallback.row();
            let found = of(&tally);
            assert_eq!((found.len(), found[0].code, found[0].bytes), (1, reason.name(), MIB));
        }
    }

    /// The table in the page is written anew with `UPDATE=1`.
    #[test]
    fn the_table_in_docs_is_current() {
        const BEGIN: &str = "<!-- reasons -->\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/verify.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (before, rest) = page.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once("<!-- /reasons -->").unwrap();
        let rows = ROWS
            .iter()
            .map(|row| format!("| `{}` | bytes {} | {} |\n", row.code, row.text, row.remedy));
        let head = "| code | what happened | what to try |\n|---|---|---|\n";
        let table: String = std::iter::once(head.to_owned()).chain(rows).collect();
        let current = format!("{before}{BEGIN}{table}<!-- /reasons -->{after}");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap();
        assert!(page == current, "docs/verify.md is stale: run UPDATE=1 cargo test");
    }

    #[test]
    fn a_relay_is_told_from_a_filter_a_reader_and_a_writer() {
        use Flow::{ReadFile, ReadPipe, WritePipe, WriteSocket};
        let read = (ReadFile, 8 * MIB, 8);
        assert_eq!(codes(&[read, (WriteSocket, 8 * MIB + 400, 9)]), ["relayed"]);
        assert_eq!(codes(&[read, (WriteSocket, 2 * MIB, 9)]), ["transformed"]);
        assert_eq!(codes(&[read, (WriteSocket, 400, 1)]), ["consumed"]);
        assert_eq!(codes(&[(ReadFile, 832, 1), (WritePipe, 8 * MIB, 9)]), ["produced"]);
        assert_eq!(
            codes(&[read, (WritePipe, 8 * MIB, 8), (ReadPipe, 8 * MIB, 8)]),
            ["transformed"]
        );
        assert!(codes(&[(ReadFile, 832, 1)]).is_empty());
        assert!(codes(&[(Flow::SendfileSocket, MIB, 1)]).is_empty());
    }

    #[test]
    fn small_zero_copy_sends_are_named() {
        assert_eq!(codes(&[(Flow::MsgZerocopy, MIB, 1024)]), ["small_sends"]);
        assert!(codes(&[(Flow::MsgZerocopy, MIB, 16)]).is_empty());
    }
}
