//! What processes send of their own: bytes that are put out to TCP sockets and were not taken in
//! as they are. No call passes those on; but the kernel can send them from where they lie.

use std::collections::{BTreeMap, BTreeSet};

use zc_common::file::Kind;

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
    /// Bytes that had been taken in, changed or not.
    pub relayed: u64,
    /// Which of what was counted has them, by position.
    pub at: usize,
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

/// Bytes of a call from which on it pays to pin pages and to be told when they are free again,
/// about ("writes over around 10 KB", Documentation/networking/msg_zerocopy.rst).
const LARGE: u64 = 10 * 1024;

/// What these processes sent, the most bytes first.
#[must_use]
pub fn sends(counted: &[Counted], of: &BTreeSet<u32>) -> Vec<Sends> {
    let mut sends: BTreeMap<Process, Sends> = BTreeMap::new();
    let own = |row: &&Counted| of.contains(&row.process.0);
    for (at, Counted { process, ends, sums }) in counted.iter().enumerate() {
        if *ends == (None, Some(Kind::TcpSocket)) && of.contains(&process.0) {
            let (bytes, calls) = (sums.bytes, sums.calls);
            sends.insert(*process, Sends { process: *process, bytes, calls, relayed: 0, at });
        }
    }
    for Counted { process, ends, sums } in counted.iter().filter(own) {
        let send = sends.get_mut(process).filter(|_| *ends != (None, Some(Kind::TcpSocket)));
        if let (Some(send), Some(Kind::TcpSocket)) = (send, ends.1) {
            send.relayed += sums.bytes + sums.changed_bytes;
        }
    }
    let mut sends: Vec<_> = sends.into_values().collect();
    sends.sort_by_key(|send| std::cmp::Reverse(send.own()));
    sends
}

impl Sends {
    /// Bytes that had not been taken in.
    #[must_use]
    pub const fn own(&self) -> u64 {
        self.bytes.saturating_sub(self.relayed)
    }

    /// How many bytes were sent by large calls at least: by all but what all calls together can
    /// have sent, had each sent just too little to be large.
    #[must_use]
    pub const fn large(&self) -> u64 {
        self.bytes.saturating_sub(self.calls.saturating_mul(LARGE))
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

    /// Whether most bytes surely go by large calls.
    const fn are_large(&self) -> bool {
        self.large() >= self.bytes / 2
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
    use zc_common::relay::{Ends, Sums};

    use super::*;

    const KIB: u64 = 1024;
    const LEAST: Least = Least { bytes_per_second: 1024 * KIB, seconds: 1.0, skipped: 0 };
    const REMOTE: Peers = Peers { remote: 2, local: 0, unknown: 0 };
    const OUT: Ends = (None, Some(Kind::TcpSocket));

    fn row(pid: u32, ends: Ends, bytes: u64, calls: u64) -> Counted {
        let sums = Sums { bytes, calls, ..Sums::default() };
        Counted { process: (pid, 1), ends, sums }
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

    /// A mean of 20 KB may be of calls of 10 KB and of 30 KB.
    #[test]
    fn small_sends_are_not_advised() {
        assert!(why(each(20 * KIB - 1), REMOTE).contains("too little at once"));
        assert_eq!((each(20 * KIB).are_large(), each(20 * KIB).large()), (true, 10_240_000));
        assert_eq!(each(KIB).large(), 0);
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
        assert_eq!((send.own(), send.at, send.matter()), (33_000 * KIB, 1, true));
        let more = [&rows[..], &[row(7, relay, 1000 * KIB, 100)]].concat();
        assert!(!of(&more).matter() && of(&more).verdict(REMOTE, LEAST).is_none());
    }
}
