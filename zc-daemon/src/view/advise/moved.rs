//! What a report speaks of: bytes of one process, and what is known of them.

use std::fmt::Write as _;

use serde::Serialize;
use zc_common::file::Kind;

use super::text;
use crate::engine::advice::{Peers, Sends, Way};

/// Bytes of one process.
#[derive(Debug, Serialize)]
pub struct Moved {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub process: String,
    /// From where.
    pub from: &'static str,
    /// To where.
    pub to: &'static str,
    /// Bytes that went out unchanged, as far as was looked; of sends, those that had not been
    /// taken in.
    pub bytes: u64,
    /// Calls that put them out; of sends, all of them.
    pub calls: u64,
    /// What is known of them.
    #[serde(flatten)]
    pub evidence: Evidence,
}

/// What is known of bytes.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Evidence {
    /// They had been taken in.
    Relayed(Relayed),
    /// They are the process' own.
    Sent(Sent),
}

/// Of bytes that had been taken in.
#[derive(Debug, Serialize)]
pub struct Relayed {
    /// Calls that put out at once all that a call had taken in.
    pub whole_calls: u64,
    /// Calls that put out what had been changed, and their bytes.
    pub changed_calls: u64,
    /// See there.
    pub changed_bytes: u64,
    /// Calls so short, or so late a part of what was taken in, that none of it was looked at.
    pub unsampled_calls: u64,
    /// All bytes that the process took in from there.
    pub bytes_in: u64,
    /// All that it put out to there.
    pub bytes_out: u64,
    /// Had one byte been changed in each call, the chance that none of them was seen: 0 to 1.
    pub chance_missed: f64,
}

/// Of bytes of its own.
#[derive(Debug, Serialize)]
pub struct Sent {
    /// All that it put out to there.
    pub bytes_out: u64,
    /// How many of these at least went out by calls of more than 10 KiB.
    pub large_bytes: u64,
    /// Connections that were seen at one time, at most: to other machines, as far as is known.
    pub remote_connections: usize,
    /// To this one.
    pub local_connections: usize,
    /// Of which it is not known.
    pub unknown_connections: usize,
}

impl Moved {
    /// What went one way through this process.
    #[must_use]
    pub fn new(way: &Way, process: String) -> Self {
        let Way { process: (pid, _), from, to, sums, bytes_in, bytes_out, .. } = *way;
        let relayed = Relayed {
            whole_calls: sums.whole,
            changed_calls: sums.changed,
            changed_bytes: sums.changed_bytes,
            unsampled_calls: sums.unsampled,
            bytes_in,
            bytes_out,
            chance_missed: way.chance_missed(),
        };
        Self {
            pid,
            process,
            from: name(from),
            to: name(to),
            bytes: sums.bytes,
            calls: sums.calls,
            evidence: Evidence::Relayed(relayed),
        }
    }

    /// What this process sent of its own.
    #[must_use]
    pub fn sent(sends: &Sends, peers: Peers, process: String) -> Self {
        let sent = Sent {
            bytes_out: sends.bytes,
            large_bytes: sends.large(),
            remote_connections: peers.remote,
            local_connections: peers.local,
            unknown_connections: peers.unknown,
        };
        Self {
            pid: sends.process.0,
            process,
            from: "own memory",
            to: name(Kind::TcpSocket),
            bytes: sends.own(),
            calls: sends.calls,
            evidence: Evidence::Sent(sent),
        }
    }

    /// What speaks for an advice, by lines.
    pub(super) fn evidence(&self) -> Vec<String> {
        match &self.evidence {
            Evidence::Relayed(relayed) => relayed.lines(self),
            Evidence::Sent(sent) => sent.lines(self),
        }
    }

    /// The same in short, of what is not advised.
    pub(super) fn counts(&self) -> String {
        let Self { bytes, calls, .. } = self;
        match &self.evidence {
            Evidence::Relayed(Relayed { changed_calls, .. }) => {
                format!("{bytes} bytes by {calls} calls unchanged, {changed_calls} calls changed")
            }
            Evidence::Sent(sent) => {
                format!("{bytes} bytes of its own, by {calls} calls; {}", sent.connections())
            }
        }
    }
}

impl Relayed {
    fn lines(&self, of: &Moved) -> Vec<String> {
        let Moved { bytes, calls, from, to, .. } = of;
        let Self { whole_calls, bytes_in, bytes_out, .. } = self;
        vec![
            format!(
                "{bytes} bytes went out by {calls} calls as they had come in, by {whole_calls} of \
                 them all that was taken in at once"
            ),
            format!(
                "{bytes_in} bytes were taken in from there ({from}) in all, {bytes_out} put out to \
                 there ({to})"
            ),
            self.unchanged(),
        ]
    }

    /// What speaks for nothing being changed.
    fn unchanged(&self) -> String {
        let mut text = match self.changed_calls {
            0 => "none was seen changed".to_owned(),
            calls => format!("{calls} calls put out {} changed bytes", self.changed_bytes),
        };
        let _ = write!(
            text,
            "; were one byte of each call changed, the chance to have seen none is {}",
            text::percent(self.chance_missed)
        );
        if self.unsampled_calls > 0 {
            let _ = write!(text, "; of {} calls nothing was looked at", self.unsampled_calls);
        }
        text
    }
}

impl Sent {
    fn lines(&self, of: &Moved) -> Vec<String> {
        let Moved { bytes, calls, .. } = of;
        let Self { bytes_out, large_bytes, .. } = self;
        vec![
            format!(
                "{bytes} bytes were sent that had not been taken in, of {bytes_out} by {calls} \
                 calls, at least {large_bytes} of them by calls of more than 10 KiB"
            ),
            self.connections(),
        ]
    }

    fn connections(&self) -> String {
        let Self { remote_connections, local_connections, unknown_connections, .. } = self;
        format!(
            "connections by TCP at one time: {remote_connections} to other machines as far as is \
             known here, {local_connections} to this one, {unknown_connections} unknown"
        )
    }
}

/// What an end is called.
const fn name(end: Kind) -> &'static str {
    match end {
        Kind::File | Kind::PlainFile => "file",
        Kind::DirectFile | Kind::DirectOpaque => "direct file",
        Kind::Opaque => "other file",
        Kind::Socket => "other socket",
        Kind::TcpSocket => "TCP socket",
        Kind::UnixStream => "unix stream",
        Kind::Pipe => "pipe",
        Kind::Null | Kind::Other => "device",
        Kind::Unknown => "unknown",
    }
}
