//! Small pieces of I/O whose copies are known: what a self-test runs, in a process of
//! its own, to see whether this kernel's are measured to the byte.

mod files;
mod messages;
mod pipes;
mod ring;
mod sockets;

use std::io::Read as _;

use anyhow::{Context as _, Result, ensure};
use zc_common::flow::Route;

use crate::kernel::calls;

/// Bytes of a call, few enough that no socket or pipe is full before it is read.
const CHUNK: usize = 16 << 10;
const ROUNDS: usize = 4;
/// Bytes that each way of a reference moves.
pub const BYTES: u64 = (CHUNK * ROUNDS) as u64;
/// Seconds after which one is ended that does not come to an end.
const LONGEST: libc::c_uint = 30;

/// One piece of I/O.
#[derive(Debug)]
pub struct Reference {
    /// Its name.
    pub name: &'static str,
    /// What becomes of its bytes, by route; on others nothing is copied.
    pub parts: &'static [Part],
    run: fn() -> Result<()>,
}

/// What becomes of the bytes of a reference on one route.
#[derive(Debug)]
pub struct Part {
    /// The interface.
    pub route: Route,
    /// How often each byte is copied.
    pub copies: u64,
    /// How often it changes hands by reference.
    pub moves: u64,
    /// Whether it is functions of the kernel's `lib/` that copy.
    pub in_lib: bool,
}

/// A route that copies each byte so often.
const fn copies(route: Route, copies: u64) -> Part {
    Part { route, copies, moves: 0, in_lib: true }
}

/// A route that passes each byte on so often, and copies none.
const fn passes(route: Route, moves: u64) -> Part {
    Part { route, copies: 0, moves, in_lib: true }
}

/// A row of [`REFERENCES`].
const fn row(name: &'static str, run: fn() -> Result<()>, parts: &'static [Part]) -> Reference {
    Reference { name, parts, run }
}

/// THE table of references.
pub static REFERENCES: &[Reference] = &[
    row("memory_file", files::memory_file, &[copies(Route::Write, 1), copies(Route::Read, 1)]),
    row("direct_file", files::direct, &[passes(Route::DirectIo, 2)]),
    row("pipe", pipes::pipe, &[copies(Route::Write, 1), copies(Route::Read, 1)]),
    row("unix", sockets::unix, &[copies(Route::Write, 1), copies(Route::Read, 1)]),
    row("tcp", sockets::tcp, &[copies(Route::Send, 1), copies(Route::Recv, 1)]),
    row("sendfile", sockets::sendfile, &[passes(Route::Sendfile, 1), copies(Route::Recv, 1)]),
    row("sendfile_to_file", files::sendfile, &[copies(Route::Sendfile, 1)]),
    row("copy_file_range", files::copy_file_range, &[copies(Route::CopyFileRange, 1)]),
    row("splice", pipes::splice, &[passes(Route::Splice, 2), copies(Route::Recv, 1)]),
    row(
        "splice_to_file",
        pipes::splice_to_file,
        &[copies(Route::Write, 1), copies(Route::Splice, 1)],
    ),
    row("vmsplice", pipes::vmsplice, &[passes(Route::Vmsplice, 1), copies(Route::Read, 1)]),
    row(
        "vmsplice_out",
        pipes::vmsplice_out,
        &[copies(Route::Write, 1), copies(Route::Vmsplice, 1)],
    ),
    row(
        "tee",
        pipes::tee,
        &[copies(Route::Write, 1), passes(Route::Tee, 1), copies(Route::Read, 2)],
    ),
    // Passed on, and copied on the way, as the receiver is on the same machine.
    row(
        "msg_zerocopy",
        sockets::zerocopy,
        &[
            Part { route: Route::MsgZerocopy, copies: 1, moves: 1, in_lib: false },
            copies(Route::Recv, 1),
        ],
    ),
    row("io_uring", ring::ring, &[copies(Route::IoUring, 2)]),
    row("process_vm", files::process_vm, &[copies(Route::ProcessVm, 2)]),
    // Copied by functions of lib/ other than those of payload.
    row(
        "messages",
        messages::messages,
        &[Part { route: Route::Other, copies: 2, moves: 0, in_lib: false }],
    ),
];

impl Reference {
    /// Bytes that functions of `lib/` copy for it.
    #[must_use]
    pub fn in_lib(&self) -> u64 {
        self.parts.iter().filter(|part| part.in_lib).map(|part| part.copies * BYTES).sum()
    }
}

/// Gives up its standard output to say that it is ready, waits for the end of the standard
/// input, and runs. A byte would not do: it could be read before its copy was counted.
///
/// # Errors
///
/// If there is no reference of that name, or it cannot be run here.
pub fn run(name: &str) -> Result<()> {
    let reference = REFERENCES.iter().find(|reference| reference.name == name);
    let reference = reference.with_context(|| format!("there is no reference {name}"))?;
    // SAFETY: both are open; nothing is written to either meanwhile.
    let given_up = unsafe { libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO) };
    ensure!(given_up >= 0, "no standard error: {}", std::io::Error::last_os_error());
    std::io::stdin().read_exact(&mut [0]).err().context("the standard input is to be empty")?;
    // SAFETY: no precondition; the signal ends this process, which does nothing else.
    unsafe { libc::alarm(LONGEST) };
    (reference.run)()
}

/// Fails unless a call moved a whole chunk.
fn whole(call: &str, moved: rustix::io::Result<usize>) -> Result<()> {
    calls::whole(call, moved, CHUNK)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What one says of a route is compared for that route: twice would be ambiguous.
    #[test]
    fn names_and_the_routes_of_each_are_unique() {
        let names: BTreeSet<_> = REFERENCES.iter().map(|reference| reference.name).collect();
        assert_eq!(names.len(), REFERENCES.len());
        for reference in REFERENCES {
            let routes: BTreeSet<_> = reference.parts.iter().map(|part| part.route).collect();
            assert_eq!(routes.len(), reference.parts.len(), "{}", reference.name);
        }
    }
}
