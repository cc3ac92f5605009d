//! A file that a second thread of this process serves by FUSE (`fuse(4)`): every request
//! and every reply is known, and with them what the server reads and writes.
//!
//! The file is the root of its file system, mounted on a file: no name is looked up.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context as _, Result, anyhow};

use super::direct::blocks;
use super::fuse_server::{self as server, Exchange};
use super::step::{exactly, requires};
use super::sys::{fd, mem, mount, process};
use super::{Case, Expected, Params};
use crate::kernel;

const NEEDS: &str = "root and FUSE";

/// From the page cache. It is not read ahead, and its length is asked for once: one
/// request for each page.
pub(super) const READ: Case = Case::new("fuse-read", prepare, read, |params| {
    let pages = params.bytes.div_ceil(mem::page_size() as u64);
    let asked = [(server::GETATTR, 1), (server::READ, pages)];
    serves(Expected::default().reads("file", params), &asked, 0, params.bytes)
})
.needs(NEEDS);

/// With `O_DIRECT`: the server's write is the only copy, right into the reader's memory.
pub(super) const READ_DIRECT: Case =
    Case::new("fuse-read-direct", prepare, read_direct, |params| {
        let read = Expected::default().moves("direct_io", "file", params);
        let read = read.leaves_unknown("direct_io", "file", params);
        let asked = [(server::GETATTR, 1), (server::READ, params.calls())];
        serves(read, &asked, 0, params.bytes)
    })
    .needs(NEEDS);

/// Into the page cache, and from there to the server before the call returns. Whole pages,
/// as a part of one would be a request of its own. The kernel asks once for capabilities
/// that a write would take away.
pub(super) const WRITE: Case = Case::new("fuse-write", prepare, write, |params| {
    let params = &blocks(params);
    let written = Expected::default().moves("write", "file", params);
    let written = if kernel::fuse_is_built_in() {
        written.copies("write", "from_user", params)
    } else {
        written.copies_unhooked("write", "from_user", params)
    };
    let asked = [(server::GETXATTR, 1), (server::WRITE, params.calls())];
    serves(written, &asked, params.bytes, 0)
})
.needs(NEEDS);

/// Adds what the server reads and writes: `asked` so often beside what each case asks,
/// with so many bytes of the file.
fn serves(client: Expected, asked: &[(Exchange, u64)], taken: u64, given: u64) -> Expected {
    let (mut requests, mut replies, mut calls) = (taken, given, 0);
    for (exchange, times) in server::ALWAYS.iter().map(|one| (one, &1)).chain(pairs(asked)) {
        requests += exchange.request() * times;
        replies += exchange.reply * times;
        calls += times;
    }
    let all = client
        .moves_in("read", "other", requests, calls)
        .moves_in("write", "other", replies, calls);
    // What is in a module cannot be hooked.
    if kernel::fuse_is_built_in() {
        all.copies_in("read", "to_user", requests, calls).copies_in(
            "write",
            "from_user",
            replies,
            calls,
        )
    } else {
        all.copies_unhooked_in("read", "to_user", requests, calls).copies_unhooked_in(
            "write",
            "from_user",
            replies,
            calls,
        )
    }
}

fn pairs(asked: &[(Exchange, u64)]) -> impl Iterator<Item = (&Exchange, &u64)> {
    asked.iter().map(|(exchange, times)| (exchange, times))
}

/// The file that is mounted on.
fn place(params: &Params) -> PathBuf {
    params.dir.join("served")
}

fn prepare(params: &Params) -> Result<()> {
    fs::create_dir_all(&params.dir).context("cannot make the folder of the case")?;
    fs::write(place(params), "").context("cannot make a file to mount on")
}

fn read(params: &Params) -> Result<()> {
    served(params, || read_with(params, 0))
}

fn read_direct(params: &Params) -> Result<()> {
    served(params, || read_with(params, libc::O_DIRECT))
}

fn read_with(params: &Params, flags: libc::c_int) -> Result<()> {
    let file = OpenOptions::new().read(true).custom_flags(flags).open(place(params));
    let file = file.context("cannot open the file that is served")?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        exactly("read", fd::read(&file, &mut buffer[..chunk.len]), chunk.len)?;
    }
    Ok(())
}

fn write(params: &Params) -> Result<()> {
    let params = &blocks(params);
    served(params, || {
        let file = OpenOptions::new().write(true).open(place(params));
        let file = file.context("cannot open the file that is served")?;
        let buffer = params.buffer()?;
        for chunk in params.chunks() {
            exactly("write", fd::write(&file, &buffer[..chunk.len]), chunk.len)?;
        }
        Ok(())
    })
}

/// Does `client` while a second thread serves the file. When either fails the descriptor
/// of the server is closed, which ends what waits for it.
fn served(params: &Params, client: impl FnOnce() -> Result<()>) -> Result<()> {
    process::keep_one_arena();
    let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
    let device = requires(device, libc::ENOENT, NEEDS)?.context("cannot open /dev/fuse")?;
    let mounted = requires(mount::fuse(&place(params), &device), libc::EPERM, NEEDS)?;
    let mounted = requires(mounted, libc::ENODEV, NEEDS)?.context("cannot mount FUSE")?;
    let bytes = params.bytes;
    let server = thread::spawn(move || server::serve(&device, bytes));
    let result = client();
    // The server ends when the file is closed, or else with its file system.
    let _mounted = result.is_ok().then_some(mounted);
    let served = server.join().map_err(|_| anyhow!("a thread panicked"))?;
    result.and(served)
}
