//! The exact workload: I/O by one route at a time, with bytes and calls known
//! beforehand. It is the independent truth the daemon's counters are compared to.
//!
//! Each [`Case`] is three functions. [`prepare`](Case::prepare) makes the files,
//! in a process of its own; [`run`](Case::run) does the I/O and nothing else
//! that moves bytes; [`expected`](Case::expected) says which rows the daemon
//! must then show, and that it must show no other for the process beyond those
//! of its start-up. The `workload` binary runs them:
//!
//! ```text
//! workload CASE prepare --bytes 1048576 --chunk 65536 --dir DIR
//! workload CASE run     --bytes 1048576 --chunk 65536 --dir DIR [--repeat K]
//! ```
//!
//! With `--wait` the run begins when the standard input ends, so that somebody can
//! look at the process before. `--repeat 0` is the null twin of a run: the same start-up without the case.
//! What it shows (the loader reads and maps libraries) is to be subtracted.
//!
//! Expectations hold for one run, whatever the chunk size: the last chunk is
//! what remains. Every call of a case moves exactly what it asks for, or the run
//! fails; no case needs a second thread to make progress.
//!
//! Rings: setting one up maps its descriptor, an anonymous inode; that is not a
//! file mapping, so no case of a ring expects a row of the route `mmap`.

mod account;
mod checked;
mod copies;
mod crowd;
mod descriptors;
mod direct;
mod expected;
mod files;
mod filesystems;
mod fuse;
mod fuse_server;
mod gathered;
mod huge;
mod memory;
mod netlink;
mod networks;
mod nothing;
mod page_faults;
mod pipes;
mod processes;
mod reflinks;
mod relays;
mod rings;
mod site;
mod sockets;
mod splices;
mod step;
mod storm;
mod stress;
mod sys;
mod team;
mod tls;
mod waits;
mod xdp;
mod zerocopy;

use std::path::PathBuf;

use anyhow::{Context as _, Result};

pub use self::crowd::{Crowd, crowd};
pub use self::descriptors::{EXEC_TWICE_SECOND_CASE, EXEC_TWICE_SECOND_PROGRAM};
pub use self::expected::{Copied, Expected, Fallback, Moved, Reference, Unknown};
pub use self::networks::listener_beyond;
pub use self::processes::{
    Change, Executor, Pages, change, execs, faults, hold, ignore_broken_pipes, rename, spawn,
    switches,
};
pub use self::relays::{Relay, Treatment, made_up};
pub use self::site::{KNOWN_COMPILED, KNOWN_SITE, known_site};
pub use self::step::Unsupported;
pub use self::storm::{Storm, storm};
pub use self::stress::stress;
use self::sys::mem::Buffer;
pub use self::team::{Leader, team};
pub use self::waits::{halve, hand_over, interleave, owe};

/// How much a case moves, and where its files are.
#[derive(Debug, Clone)]
pub struct Params {
    /// Bytes to move by each route of the case. At least 1.
    pub bytes: u64,
    /// Bytes to move by each call. At least 1.
    pub chunk: u64,
    /// Where the files `data` (input) and `out` (output) are.
    pub dir: PathBuf,
}

/// What one call moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chunk {
    /// Where it starts.
    at: u64,
    /// Its bytes.
    len: usize,
}

impl Params {
    /// The input: a file of [`bytes`](Self::bytes) bytes.
    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// The output.
    fn out(&self) -> PathBuf {
        self.dir.join("out")
    }

    /// The calls it takes to move all bytes once.
    fn calls(&self) -> u64 {
        self.bytes.div_ceil(self.chunk)
    }

    /// What each of these calls moves.
    fn chunks(&self) -> impl Iterator<Item = Chunk> + use<> {
        let Self { bytes, chunk, .. } = *self;
        (0..self.calls()).map(move |call| {
            let at = call * chunk;
            Chunk { at, len: size(chunk.min(bytes - at)) }
        })
    }

    /// The most bytes one call moves, or 1 if there is no call.
    fn largest(&self) -> usize {
        size(self.chunk.min(self.bytes)).max(1)
    }

    /// Memory for one chunk.
    fn buffer(&self) -> Result<Buffer> {
        Buffer::new(self.largest()).context("no memory for a chunk")
    }

    /// The same bytes in chunks of `most` at most.
    fn in_chunks_of_at_most(&self, most: u64) -> Self {
        Self { chunk: self.chunk.min(most), ..self.clone() }
    }

    /// The whole units of `unit` bytes, in chunks of whole units, at least one each.
    fn in_units_of(&self, unit: u64) -> Self {
        let whole = |bytes: u64| bytes / unit * unit;
        Self { bytes: whole(self.bytes), chunk: whole(self.chunk).max(unit), ..self.clone() }
    }
}

/// A number of bytes as memory is measured. What does not fit is refused by the
/// first mapping of that size.
fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// One exactly known piece of I/O.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Its name: the route, then the variant.
    pub name: &'static str,
    /// What it needs of the kernel or of the file system, beyond Linux 5.4.
    pub needs: Option<&'static str>,
    /// Makes the files. To be done in another process than the run.
    pub prepare: fn(&Params) -> Result<()>,
    /// Does the I/O once.
    pub run: fn(&Params) -> Result<()>,
    /// The rows of one run.
    pub expected: fn(&Params) -> Expected,
}

impl Case {
    /// A case that works wherever the project does.
    const fn new(
        name: &'static str,
        prepare: fn(&Params) -> Result<()>,
        run: fn(&Params) -> Result<()>,
        expected: fn(&Params) -> Expected,
    ) -> Self {
        Self { name, needs: None, prepare, run, expected }
    }

    /// The same case, with what it needs.
    const fn needs(self, needs: &'static str) -> Self {
        Self { needs: Some(needs), ..self }
    }
}

/// The case of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.name == name)
}

/// All cases.
pub static CASES: &[Case] = &[
    files::READ,
    files::READ_OVERSIZE,
    files::PREAD,
    files::READV,
    files::PREADV2,
    files::WRITE,
    files::PWRITEV,
    files::MEMFD,
    files::READ_ZERO,
    files::WRITE_NULL,
    files::READ_URANDOM,
    huge::READ,
    filesystems::READ_XFS,
    filesystems::WRITE_XFS,
    filesystems::READ_BTRFS,
    filesystems::WRITE_BTRFS,
    filesystems::READ_DAX,
    filesystems::READ_HOLES_DAX,
    filesystems::WRITE_DAX,
    filesystems::SENDFILE_DAX,
    fuse::READ,
    fuse::READ_DIRECT,
    fuse::WRITE,
    checked::PROCESS_MEMORY,
    checked::MESSAGES,
    pipes::PIPE,
    pipes::PIPE_PACKET,
    pipes::EVENTFD,
    sockets::READ_WRITE,
    sockets::TCP,
    sockets::TCP_TRUNC,
    sockets::UDP,
    sockets::UDP_SHORT,
    sockets::UNIX_MESSAGES,
    sockets::UNIX_DATAGRAMS,
    sockets::UDP_BATCHES,
    sockets::UDP6,
    netlink::UNICAST,
    sockets::PEEK,
    copies::SENDFILE_SOCKET,
    copies::SENDFILE_FILE,
    copies::SENDFILE_PIPE,
    copies::COPY_FILE_RANGE,
    reflinks::COPY_FILE_RANGE,
    reflinks::CLONE,
    gathered::SENDFILE,
    gathered::SENDFILE_GATHERED,
    gathered::SEND_GATHERED,
    gathered::ZERO_COPY_GATHERED,
    splices::FILE_PIPE_SOCKET,
    splices::FILE_PIPE_FILE,
    splices::SOCKET_PIPE_FILE,
    splices::ZERO_PIPE,
    splices::PIPE_NULL,
    splices::TEE,
    splices::VMSPLICE_IN,
    splices::VMSPLICE_OUT,
    memory::MMAP_FILE,
    memory::MMAP_ANONYMOUS,
    memory::MMAP_WRITE_SOCKET,
    memory::PROCESS_VM_READ,
    memory::PROCESS_VM_WRITE,
    page_faults::READ_THEN_WRITTEN,
    page_faults::WRITTEN,
    page_faults::WRITTEN_BY_READ,
    page_faults::SHARED,
    page_faults::ZEROS,
    page_faults::FORK,
    direct::READ,
    direct::READ_LATE,
    direct::WRITE,
    zerocopy::SEND,
    zerocopy::SEND_VETH,
    zerocopy::SEND_UNSET,
    zerocopy::RECEIVE,
    xdp::COPY_MODE,
    tls::SEND,
    tls::SEND_MORE,
    tls::SENDFILE,
    rings::READ,
    rings::WRITE,
    rings::READ_FIXED,
    rings::WRITE_FIXED,
    rings::SEND_RECV,
    rings::SEND_ZERO_COPY,
    rings::SEND_ZERO_COPY_VETH,
    rings::DIRECT_READ,
    rings::SPLICE,
    rings::TEE,
    rings::DEFERRED_READ,
    rings::POLLED_READ,
    rings::POLLED_SEND_RECV,
    rings::NOTHING,
    descriptors::BIG_FD,
    descriptors::FD_REUSE,
    descriptors::OTHER_TABLE,
    descriptors::SHARED_TABLE,
    descriptors::MANY_THREADS,
    descriptors::EXEC_TWICE,
    nothing::FAILED_CALLS,
    nothing::EMPTY_CALLS,
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn params(bytes: u64, chunk: u64) -> Params {
        Params { bytes, chunk, dir: PathBuf::from("unused") }
    }

    #[test]
    fn chunks_cover_all_bytes_in_the_calls_stated() {
        for (bytes, chunk, calls) in
            [(1, 1, 1), (1, 9, 1), (9, 1, 9), (8, 4, 2), (9, 4, 3), (1 << 20, 4093, 257)]
        {
            let params = params(bytes, chunk);
            let chunks: Vec<_> = params.chunks().collect();
            assert_eq!(params.calls(), calls);
            assert_eq!(chunks.len() as u64, calls);
            let mut next = 0;
            for chunk in chunks {
                assert_eq!(chunk.at, next);
                assert!((1..=params.largest()).contains(&chunk.len));
                next += chunk.len as u64;
            }
            assert_eq!(next, bytes);
        }
    }

    #[test]
    fn units_are_whole_and_never_empty() {
        let of = |bytes, chunk| {
            let units = params(bytes, chunk).in_units_of(4096);
            (units.bytes, units.chunk, units.calls())
        };
        assert_eq!(of(1 << 20, 65536), (1 << 20, 65536, 16));
        assert_eq!(of(1_000_000, 4093), (999_424, 4096, 244));
        assert_eq!(of(10_000, 9000), (8192, 8192, 1));
        assert_eq!(of(100, 9000), (0, 8192, 0));
    }

    #[test]
    fn clamping_never_enlarges() {
        assert_eq!(params(9, 4).in_chunks_of_at_most(60_000).chunk, 4);
        assert_eq!(params(1 << 20, 65536).in_chunks_of_at_most(60_000).calls(), 18);
    }

    #[test]
    fn names_are_unique_and_do_not_hide_commands() {
        let mut names: HashSet<_> =
            ["list", "spawn", "stress", "faults", "switches", "rename", "execs", "hold", "help"]
                .into_iter()
                .collect();
        for case in CASES {
            assert!(names.insert(case.name), "{} is there twice", case.name);
            assert!(find(case.name).is_some());
        }
    }

    #[test]
    fn rows_use_the_known_words_and_are_unique() {
        const ROUTES: &[&str] = &[
            "read",
            "write",
            "recv",
            "send",
            "sendfile",
            "splice",
            "vmsplice",
            "tee",
            "copy_file_range",
            "mmap",
            "direct_io",
            "msg_zerocopy",
            "io_uring",
            "process_vm",
        ];
        for case in CASES {
            for (bytes, chunk) in [(1, 1), (1 << 20, 65536), (1 << 20, 4093), (12_345, 1 << 20)] {
                let expected = (case.expected)(&params(bytes, chunk));
                let mut seen = HashSet::new();
                for row in &expected.moved {
                    assert!(ROUTES.contains(&row.route), "{}", case.name);
                    assert!(["file", "socket", "pipe", "other"].contains(&row.endpoint));
                    assert!(row.calls > 0 && row.bytes >= row.calls, "{}", case.name);
                    assert!(seen.insert((row.route, row.endpoint)), "{}", case.name);
                }
                for row in &expected.copied {
                    assert!(ROUTES.contains(&row.route), "{}", case.name);
                    assert!(["to_user", "from_user", "in_kernel"].contains(&row.direction));
                    let moved = expected.moved.iter().filter(|moved| moved.route == row.route);
                    assert!(row.bytes <= moved.map(|moved| moved.bytes).sum(), "{}", case.name);
                }
                let mut seen_measured = HashSet::new();
                for row in &expected.measured {
                    let known = ["fault", "other", "af_xdp"].contains(&row.route);
                    assert!(known || ROUTES.contains(&row.route), "{}", case.name);
                    assert!(["to_user", "from_user", "in_kernel"].contains(&row.direction));
                    assert!(row.bytes > 0 && row.copies > 0, "{}", case.name);
                    assert!(seen_measured.insert((row.route, row.direction)), "{}", case.name);
                }
                for row in &expected.unknown {
                    assert!(seen.contains(&(row.route, row.endpoint)), "{}", case.name);
                }
            }
        }
    }
}
