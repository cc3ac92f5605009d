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
    /// All that the process put out to there.
    pub bytes_out: u64,
    /// By how many calls.
    pub calls_out: u64,
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
    /// Pieces in which they were put out: a call may have several, as may a buffer that was
    /// filled by several calls.
    pub pieces: u64,
    /// Those of them that are all that a call had taken in.
    pub whole_pieces: u64,
    /// Pieces that had been changed, and their bytes.
    pub changed_pieces: u64,
    /// See there.
    pub changed_bytes: u64,
    /// Pieces so short, or so late a part of what was taken in, that none of it was looked at.
    pub unsampled_pieces: u64,
    /// All bytes that the process took in from there.
    pub bytes_in: u64,
    /// Had one byte been changed in each piece, the chance that none of them was seen: 0 to 1.
    pub chance_missed: f64,
}

/// Of bytes of its own.
#[derive(Debug, Serialize)]
pub struct Sent {
    /// How many of all went out by calls of 10 KiB and more.
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
        let Way { process: (pid, _), from, to, sums, bytes_in, out, .. } = *way;
        let relayed = Relayed {
            pieces: sums.calls,
            whole_pieces: sums.whole,
            changed_pieces: sums.changed,
            changed_bytes: sums.changed_bytes,
            unsampled_pieces: sums.unsampled,
            bytes_in,
            chance_missed: way.chance_missed(),
        };
        Self {
            pid,
            process,
            from: name(from),
            to: name(to),
            bytes: sums.bytes,
            bytes_out: out.bytes,
            calls_out: out.calls,
            evidence: Evidence::Relayed(relayed),
        }
    }

    /// What this process sent of its own.
    #[must_use]
    pub fn sent(sends: &Sends, peers: Peers, process: String) -> Self {
        let sent = Sent {
            large_bytes: sends.large,
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
            bytes_out: sends.bytes,
            calls_out: sends.calls,
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
        let Self { bytes, calls_out, .. } = self;
        match &self.evidence {
            Evidence::Relayed(Relayed { pieces, changed_pieces, .. }) => {
                format!("{bytes} bytes in {pieces} pieces unchanged, {changed_pieces} changed")
            }
            Evidence::Sent(sent) => {
                format!("{bytes} bytes of its own, by {calls_out} calls; {}", sent.connections())
            }
        }
    }
}

impl Relayed {
    fn lines(&self, of: &Moved) -> Vec<String> {
        let Moved { bytes, from, to, bytes_out, calls_out, .. } = of;
        let Self { pieces, whole_pieces, bytes_in, .. } = self;
        vec![
            format!(
                "{bytes} bytes went out as they had come in, in {pieces} pieces, {whole_pieces} of \
                 them all that was taken in at once"
            ),
            format!(
                "{bytes_in} bytes were taken in from there ({from}) in all, {bytes_out} put out to \
                 there ({to}) by {calls_out} calls"
            ),
            self.unchanged(),
        ]
    }

    /// What speaks for nothing being changed.
    fn unchanged(&self) -> String {
        let mut text = match self.changed_pieces {
            0 => "none was seen changed".to_owned(),
            pieces => format!("{pieces} pieces of {} bytes were changed", self.changed_bytes),
        };
        let _ = write!(
            text,
            "; were one byte of each piece changed, the chance to have seen none is {}",
            text::percent(self.chance_missed)
        );
        if self.unsampled_pieces > 0 {
            let _ = write!(text, "; of {} pieces nothing was looked at", self.unsampled_pieces);
        }
        text
    }
}

impl Sent {
    fn lines(&self, of: &Moved) -> Vec<String> {
        let Moved { bytes, bytes_out, calls_out, .. } = of;
        let large_bytes = self.large_bytes;
        vec![
            format!(
                "{bytes} bytes were sent that had not been taken in, of {bytes_out} by {calls_out} \
                 calls, {large_bytes} of them by calls of 10 KiB and more"
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
