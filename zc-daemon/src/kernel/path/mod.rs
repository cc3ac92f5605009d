//! Paths: every classic route of bytes, and those beyond the classics, as real traffic, with
//! what the textbook says of each.
//!
//! A path runs in a process of its own, so that the ledger has its account. It is ready, and
//! done, when it stops itself ([`run`]): between two stops nothing but its requests is done.

mod child;
mod data;
mod files;
mod lazy;
mod pages;
mod rings;
mod sends;
mod tcp;
mod tls;

pub use child::{Setting, run};
pub use data::Data;
use zc_common::{flow::Route, textbook::Textbook};

use super::network::PIECE;

/// Bytes of a request.
pub const CHUNK: u64 = 64 << 10;

/// One path.
pub struct Path {
    /// What it is asked for by.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// What the textbook says.
    pub textbook: Textbook,
    /// The ways its bytes go: quality and coverage are theirs.
    pub routes: &'static [Route],
    /// What its requests read.
    pub source: Source,
    /// Whether its bytes go to another place of the disk.
    pub writes: bool,
    /// What takes them over the network, if anything does.
    pub peer: Peer,
    /// How much a request is.
    pub request: Request,
    set_up: fn(&Setting) -> anyhow::Result<child::Prepared>,
}

/// What a path's requests read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file on a disk, none of it in the page cache.
    File,
    /// The same, past the page cache.
    Direct,
    /// A file of holes, as large as ten disks.
    Holes,
    /// Memory of the process.
    Memory,
    /// A connection.
    Peer,
}

/// What takes or sends a path's bytes at the far end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// There is none.
    None,
    /// It reads, by a device that takes packets in pieces.
    Sink,
    /// It reads, by a device that does not.
    SinkWithoutScatterGather,
    /// It sends when asked to, on this machine.
    Source,
}

/// How much a request is, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// So many bytes of all.
    Bytes(u64),
    /// So many bytes, so often at most: both ends take turns, and events are missed where a
    /// probe can be preempted (from 7.0).
    Turns(u64, u64),
    /// All bytes.
    Whole,
    /// No bytes: so many requests.
    None(u64),
}

/// A row of [`PATHS`] whose bytes go to a socket that reads.
const fn send(
    name: &'static str,
    title: &'static str,
    textbook: Textbook,
    routes: &'static [Route],
    source: Source,
    set_up: fn(&Setting) -> anyhow::Result<child::Prepared>,
) -> Path {
    let (peer, request) = (Peer::Sink, Request::Bytes(CHUNK));
    Path { name, title, textbook, routes, source, writes: false, peer, request, set_up }
}

/// Copies by the CPU, transfers by disk and network card, and mode switches.
const fn says(cpu: u64, disk: u64, net: u64, switches: Option<u64>) -> Textbook {
    Textbook { cpu, disk, net, switches, faults: None }
}

const READ_WRITE: &[Route] = &[Route::Read, Route::Write];
const RING: &[Route] = &[Route::IoUring];

/// THE table of paths, in the order that they are shown.
pub static PATHS: &[Path] = &[
    send(
        "read+write",
        "read + write",
        says(2, 1, 1, Some(4)),
        READ_WRITE,
        Source::File,
        sends::read_write,
    ),
    send(
        "mmap+write",
        "mmap + write",
        says(1, 1, 1, Some(4)),
        &[Route::Write],
        Source::File,
        sends::mmap_write,
    ),
    Path {
        peer: Peer::SinkWithoutScatterGather,
        ..send(
            "sendfile",
            "sendfile",
            says(1, 1, 1, Some(2)),
            &[Route::Sendfile],
            Source::File,
            sends::sendfile,
        )
    },
    send(
        "sendfile+sg",
        "sendfile + scatter-gather",
        says(0, 1, 1, Some(2)),
        &[Route::Sendfile],
        Source::File,
        sends::sendfile,
    ),
    Path {
        peer: Peer::None,
        ..send(
            "direct-io",
            "direct I/O (read)",
            says(0, 1, 0, Some(2)),
            &[Route::DirectIo],
            Source::Direct,
            files::direct_read,
        )
    },
    send(
        "splice",
        "splice through a pipe",
        says(0, 1, 1, Some(4)),
        &[Route::Splice],
        Source::File,
        sends::splice,
    ),
    send(
        "vmsplice",
        "vmsplice + splice",
        says(0, 0, 1, Some(4)),
        &[Route::Vmsplice, Route::Splice],
        Source::Memory,
        pages::vmsplice,
    ),
    send(
        "msg-zerocopy",
        "send, MSG_ZEROCOPY",
        says(0, 0, 1, None),
        &[Route::MsgZerocopy],
        Source::Memory,
        pages::msg_zerocopy,
    ),
    Path {
        peer: Peer::None,
        writes: true,
        ..send(
            "copy-file-range",
            "copy_file_range",
            says(1, 2, 0, Some(2)),
            &[Route::CopyFileRange],
            Source::File,
            files::copy_file_range,
        )
    },
    Path {
        peer: Peer::None,
        writes: true,
        request: Request::Whole,
        ..send(
            "reflink",
            "reflink (FICLONE)",
            says(0, 0, 0, Some(2)),
            &[Route::CopyFileRange],
            Source::File,
            files::reflink,
        )
    },
    send(
        "io_uring",
        "io_uring, READ + SEND",
        says(2, 1, 1, Some(2)),
        RING,
        Source::File,
        rings::plain,
    ),
    send(
        "io_uring-fixed",
        "io_uring, fixed buffers",
        // A write that is short takes one more call.
        says(2, 1, 1, None),
        RING,
        Source::File,
        rings::fixed,
    ),
    send(
        "io_uring-send-zc",
        "io_uring, SEND_ZC",
        says(0, 0, 1, None),
        RING,
        Source::Memory,
        rings::send_zc,
    ),
    send(
        "ktls-sendfile",
        "sendfile, kernel TLS",
        says(0, 1, 1, Some(2)),
        &[Route::Sendfile],
        Source::File,
        tls::sendfile,
    ),
    Path {
        peer: Peer::Source,
        request: Request::Turns(PIECE as u64, 64),
        ..send(
            "tcp-zerocopy-receive",
            "TCP_ZEROCOPY_RECEIVE",
            says(0, 0, 1, None),
            &[Route::Recv],
            Source::Peer,
            pages::receive,
        )
    },
    lazy("mmap-lazy", "mmap of 1000 GB, lazy", 1, Some(2), 0, lazy::map),
    lazy("mmap-touched", "1000 GB mapped, touched", 256, Some(0), 1, lazy::touch),
];

/// A row of [`PATHS`] that moves nothing: so many requests, and page faults of each.
const fn lazy(
    name: &'static str,
    title: &'static str,
    requests: u64,
    switches: Option<u64>,
    faults: u64,
    set_up: fn(&Setting) -> anyhow::Result<child::Prepared>,
) -> Path {
    Path {
        name,
        title,
        textbook: Textbook { faults: Some(faults), ..says(0, 0, 0, switches) },
        routes: &[],
        source: Source::Holes,
        writes: false,
        peer: Peer::None,
        request: Request::None(requests),
        set_up,
    }
}

/// What the stops of a path cost: it does nothing.
pub static NOTHING: Path = lazy("nothing", "nothing", 1, Some(0), 0, lazy::nothing);

impl Path {
    /// How many requests it makes of so many bytes.
    #[must_use]
    pub const fn requests(&self, bytes: u64) -> u64 {
        match self.request {
            Request::Bytes(chunk) => bytes / chunk,
            Request::Turns(chunk, most) => {
                let all = bytes / chunk;
                if all < most { all } else { most }
            }
            Request::Whole => 1,
            Request::None(requests) => requests,
        }
    }

    /// How many bytes go by it, of so many.
    #[must_use]
    pub const fn payload(&self, bytes: u64) -> u64 {
        self.requests(bytes) * self.chunk(bytes)
    }

    /// Bytes of a request, of so many bytes in all.
    #[must_use]
    pub const fn chunk(&self, bytes: u64) -> u64 {
        match self.request {
            Request::Bytes(chunk) | Request::Turns(chunk, _) => chunk,
            Request::Whole => bytes,
            Request::None(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_the_classics_are_the_textbooks() {
        let names: BTreeSet<_> = PATHS.iter().map(|path| path.name).collect();
        assert_eq!(names.len(), PATHS.len());
        let classics = PATHS.iter().take(4).map(|path| {
            let Textbook { cpu, disk, net, switches, .. } = path.textbook;
            (cpu + disk + net, switches)
        });
        let says = [(4, Some(4)), (3, Some(4)), (3, Some(2)), (2, Some(2))];
        assert!(classics.eq(says));
    }

    #[test]
    fn every_path_is_documented() {
        let page = include_str!("../../../../docs/paths.md");
        for path in PATHS {
            assert!(page.contains(&format!("\n| {} | ", path.name)), "{} in a table", path.name);
            assert!(page.contains(&format!("\n| {} | ", path.title)), "{} in a table", path.title);
        }
    }

    #[test]
    fn requests_are_of_all_bytes_but_those_that_take_turns() {
        for path in PATHS {
            let payload = path.payload(10 * CHUNK);
            match path.request {
                Request::Bytes(_) | Request::Whole => assert_eq!(payload, 10 * CHUNK),
                Request::Turns(chunk, most) => {
                    assert_eq!((payload, path.payload(chunk)), (chunk * 40, chunk));
                    assert_eq!(path.requests(1 << 40), most);
                }
                Request::None(_) => assert_eq!(payload, 0),
            }
        }
    }
}
