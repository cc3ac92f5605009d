//! What processes send of their own: bytes that are put out to TCP sockets and were not taken in
//! as they are. No call passes those on; but the kernel can send them from where they lie.

use std::collections::{BTreeMap, BTreeSet};

use zc_common::{file::Kind, relay::Sums};

use super::{Confidence, Counted, FEW, Least, Process, Verdict, real, remedy};

/// All that a process sent by TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sends {
    /// Whose.
    pub process: Process,
    /// Bytes.
    pub bytes: u64,
    /// Calls that sent them.
    pub calls: u64,
    /// Bytes that went by large calls.
    pub large: u64,
    /// Bytes that had been taken in, changed or not.
    pub relayed: u64,
    /// Which of what was counted has the stack of the most of the large ones, by position.
    pub most_at: usize,
}

/// How many connections of a process lead where, the most that were seen at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// To other machines, as far as can be told.
    pub remote: usize,
    /// To this machine.
    pub local: usize,
    /// It cannot be told.
    pub unknown: usize,
}

/// What these processes sent, the most bytes first.
#[must_use]
pub fn sends(counted: &[Counted], of: &BTreeSet<u32>) -> Vec<Sends> {
    let mut sends: BTreeMap<Process, (Sends, u64)> = BTreeMap::new();
    let rows = || counted.iter().enumerate().filter(|(_, row)| of.contains(&row.process.0));
    for (at, row) in rows().filter(|(_, row)| row.ends == (None, Some(Kind::TcpSocket))) {
        let new = (Sends::none(row.process, at), 0);
        let (sends, most) = sends.entry(row.process).or_insert(new);
        sends.add(row);
        if row.large && row.sums.bytes > *most {
            (sends.most_at, *most) = (at, row.sums.bytes);
        }
    }
    for (_, row) in rows() {
        let is_relay = matches!(row.ends, (Some(_), Some(Kind::TcpSocket)));
        if let Some((sends, _)) = sends.get_mut(&row.process).filter(|_| is_relay) {
            sends.relayed += row.sums.bytes + row.sums.changed_bytes;
        }
    }
    let mut sends: Vec<_> = sends.into_values().map(|(sends, _)| sends).collect();
    sends.sort_by_key(|send| std::cmp::Reverse(send.own()));
    sends
}

impl Sends {
    const fn none(process: Process, most_at: usize) -> Self {
        Self { process, bytes: 0, calls: 0, large: 0, relayed: 0, most_at }
    }

    const fn add(&mut self, row: &Counted) {
        let Sums { bytes, calls, .. } = row.sums;
        self.bytes += bytes;
        self.calls += calls;
        self.large += if row.large { bytes } else { 0 };
    }

    /// Bytes that had not been taken in.
    #[must_use]
    pub const fn own(&self) -> u64 {
        self.bytes.saturating_sub(self.relayed)
    }

    /// Bytes of its own a second.
    #[must_use]
    pub fn rate(&self, seconds: f64) -> f64 {
        real(self.own()) / seconds.max(f64::MIN_POSITIVE)
    }

    /// Whether there is anything to say: who rather relays is told of that.
    const fn matter(&self) -> bool {
        self.calls >= FEW && self.own() > self.bytes / 2
    }

    /// Whether most bytes go by large calls.
    const fn are_large(&self) -> bool {
        self.large >= self.bytes / 2
    }

    /// Whether it is, if its peers are on other machines.
    #[must_use]
    pub const fn may_be_advised(&self) -> bool {
        self.matter() && self.are_large()
    }

    /// What there is to say of it; none of what is too little to speak of.
    #[must_use]
    pub fn verdict(&self, peers: Peers, least: Least) -> Option<Verdict> {
        if !self.matter() || self.rate(least.seconds) < real(least.bytes_per_second) {
            return None;
        }
        Some(match peers {
            _ if !self.are_large() => Verdict::Not(
                "it sends too little at once: below some 10 KB a call MSG_ZEROCOPY costs more than \
                 the copy",
            ),
            Peers { local: 1.., .. } => Verdict::Not(
                "it has a peer on this machine: over loopback, and between its networks, the kernel \
                 copies what is sent with MSG_ZEROCOPY",
            ),
            Peers { unknown: 1.., .. } => {
                Verdict::Not("it has a TCP socket of which zc cannot tell where it leads")
            }
            Peers { remote: 0, .. } => {
                Verdict::Not("no connection of it was seen that would tell where its peer is")
            }
            Peers { .. } => Verdict::Advised(remedy::by_reference(), Confidence::Medium),
        })
    }
}

impl Peers {
    /// The most of both, each.
    #[must_use]
    pub fn most(self, other: Self) -> Self {
        Self {
            remote: self.remote.max(other.remote),
            local: self.local.max(other.local),
            unknown: self.unknown.max(other.unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use zc_common::relay::{Ends, LARGE, Sums};

    use super::*;

    const KIB: u64 = 1024;
    const LEAST: Least = Least { bytes_per_second: 1024 * KIB, seconds: 1.0, skipped: 0 };
    const REMOTE: Peers = Peers { remote: 2, local: 0, unknown: 0 };
    const OUT: Ends = (None, Some(Kind::TcpSocket));

    fn row(pid: u32, ends: Ends, bytes: u64, calls: u64) -> Counted {
        let sums = Sums { bytes, calls, ..Sums::default() };
        Counted { process: (pid, 1), ends, sums, large: bytes >= LARGE * calls }
    }

    fn of(rows: &[Counted]) -> Sends {
        let sends = sends(rows, &[7].into());
        let [send] = sends[..] else { panic!("{sends:?}") };
        send
    }

    /// A thousand calls of so many bytes.
    fn each(bytes: u64) -> Sends {
        of(&[row(7, OUT, 1000 * bytes, 1000)])
    }

    fn why(send: Sends, peers: Peers) -> &'static str {
        match send.verdict(peers, LEAST) {
            Some(Verdict::Not(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn large_sends_to_another_machine_are_advised() {
        let Some(Verdict::Advised(remedy, confidence)) = each(64 * KIB).verdict(REMOTE, LEAST)
        else {
            panic!()
        };
        assert_eq!((remedy.call, confidence), ("MSG_ZEROCOPY", Confidence::Medium));
        assert_eq!((remedy.now, remedy.then), ((1, 1), (0, 1)));
    }

    #[test]
    fn who_has_a_peer_here_or_nowhere_is_not_advised() {
        let send = each(64 * KIB);
        assert!(why(send, Peers { local: 1, ..REMOTE }).contains("over loopback"));
        assert!(why(send, Peers { unknown: 1, ..REMOTE }).contains("cannot tell"));
        assert!(why(send, Peers::default()).contains("no connection"));
        let most = Peers { local: 3, ..Peers::default() }.most(REMOTE);
        assert_eq!(most, Peers { local: 3, ..REMOTE });
    }

    #[test]
    fn small_sends_are_not_advised() {
        assert!(why(each(LARGE - 1), REMOTE).contains("too little at once"));
        assert!(each(LARGE).may_be_advised());
        let mixed = |small| {
            let large = [400, 600].map(|calls| row(7, OUT, calls * 64 * KIB, calls));
            let rows = [row(7, OUT, small, 100_000), large[0], large[1]];
            let sends = of(&rows);
            assert_eq!((sends.large, sends.calls, sends.most_at), (64_000 * KIB, 101_000, 2));
            sends.may_be_advised()
        };
        assert!(mixed(64_000 * KIB) && !mixed(64_001 * KIB));
    }

    #[test]
    fn what_is_little_is_not_spoken_of() {
        let few = of(&[row(7, OUT, 15 << 20, 15)]);
        assert_eq!(few.verdict(REMOTE, LEAST), None);
        assert_eq!(each(KIB).verdict(REMOTE, Least { seconds: 2.0, ..LEAST }), None);
    }

    #[test]
    fn what_was_taken_in_is_not_its_own() {
        let relay = (Some(Kind::PlainFile), Some(Kind::TcpSocket));
        let changed = Sums { changed: 9, changed_bytes: 20_000 * KIB, ..Sums::default() };
        let rows = [
            row(8, OUT, 1 << 40, 1000),
            row(7, OUT, 64_000 * KIB, 1000),
            row(7, (None, Some(Kind::Pipe)), 1 << 40, 1000),
            row(7, (Some(Kind::TcpSocket), None), 1 << 40, 1000),
            row(7, relay, 11_000 * KIB, 100),
            Counted { sums: changed, ..row(7, relay, 0, 0) },
        ];
        let send = of(&rows);
        assert_eq!((send.own(), send.most_at, send.matter()), (33_000 * KIB, 1, true));
        let more = [&rows[..], &[row(7, relay, 1000 * KIB, 100)]].concat();
        assert!(!of(&more).matter() && of(&more).verdict(REMOTE, LEAST).is_none());
    }
}
