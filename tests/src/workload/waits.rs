//! Bytes under way for as long as somebody likes: requests that are done and not complete, sends
//! that are not received, calls that wait halfway.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result, ensure};

use super::pipes::pipe_for;
use super::sockets::{PIECE, tcp_pair, unix_pair};
use super::step::exactly;
use super::sys::mem::Buffer;
use super::sys::ring::Ring;
use super::sys::{fd, net, process};
use super::zerocopy::allow;
use super::{Params, hold, size};

/// Bytes of each request.
const EACH: usize = 4096;

/// Has workers of a ring do so many reads of 4096 bytes of `dir/data`, waits as [`hold`] does,
/// completes them, and waits again.
///
/// # Errors
///
/// If there is no such ring, or a read fails.
pub fn hand_over(count: usize, dir: &Path) -> Result<()> {
    let file = fd::open(dir.join("data")).context("prepare the case first")?;
    let mut into = Buffer::new(count * EACH).context("no memory")?;
    let mut ring = Ring::deferred_of(count).context("cannot make a ring")?;
    let held = || hold().map_err(io::Error::other);
    let read = ring.read_all(&file, &mut into, EACH, held).context("a read failed")?;
    ensure!(read == count * EACH, "{read} bytes were read");
    hold()
}

/// More than the receiver makes room for by itself, and less than the sender is given.
const OWED: u64 = 1 << 20;

/// Has a child send by reference to this process as much as fits between them, and sleep; then
/// waits as [`hold`] does, receives all of it, and waits again.
///
/// # Errors
///
/// If a call fails.
pub fn owe() -> Result<()> {
    let params = Params { bytes: OWED, chunk: OWED, dir: "/".into() };
    let (near, far) = tcp_pair(&params)?;
    let (told, tell) = fd::pipe(0).context("cannot make a pipe")?;
    let (ended, _end) = fd::pipe(0).context("cannot make a pipe")?;
    let from = Buffer::new(size(PIECE)).context("no memory")?;
    let send = || -> io::Result<()> {
        let mut sent = 0_u64;
        while sent < OWED {
            match net::send(&near, &from, libc::MSG_ZEROCOPY | libc::MSG_DONTWAIT) {
                Ok(bytes) => sent += bytes as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        fd::write(&tell, &sent.to_le_bytes())?;
        // Until it is killed.
        fd::read(&ended, &mut [0]).map(drop)
    };
    allow(&near)?;
    let child = process::fork(send).context("cannot fork")?;
    let mut sent = [0; 8];
    exactly("read", fd::read(&told, &mut sent), sent.len())?;
    hold()?;
    let mut left = size(u64::from_le_bytes(sent));
    let mut into = Buffer::new(left.max(1)).context("no memory")?;
    while left > 0 {
        left -= net::recv(&far, &mut into[..left], 0).context("recv failed")?;
    }
    hold()?;
    child.kill().context("cannot end the child")
}

/// What a thread that is to wait halfway receives first, and in the end besides.
const HALF: usize = 1000;
/// What another one tees meanwhile.
const TEED: u64 = 100_000;

/// So many times, a thread waits in the middle of a receive while this one tees 100 000 bytes.
///
/// # Errors
///
/// If a call fails.
pub fn interleave(rounds: u32) -> Result<()> {
    process::keep_one_arena();
    let params = Params { bytes: TEED, chunk: TEED, dir: "/".into() };
    let (first, into_first) = pipe_for(&params)?;
    let (second, into_second) = pipe_for(&params)?;
    let (near, far) = unix_pair(&params)?;
    let other = near.try_clone()?;
    let mut bytes = params.buffer()?;
    let receiver = thread::spawn(move || receive_halfway(&(other, far), &into_first, rounds));
    for _ in 0..rounds {
        exactly("tee", fd::tee(&first, &into_second, bytes.len()), bytes.len())?;
        for pipe in [&first, &second] {
            exactly("read", fd::read(pipe, &mut bytes), bytes.len())?;
        }
        exactly("send", net::send(&near, &bytes[..HALF], 0), HALF)?;
    }
    receiver.join().ok().context("the receiver panicked")?
}

/// Receives 2000 bytes in one call, of which half are there; a thread waits as [`hold`] does,
/// sends the other half, and waits again.
///
/// # Errors
///
/// If a call fails.
pub fn halve() -> Result<()> {
    process::keep_one_arena();
    let params = Params { bytes: TEED, chunk: TEED, dir: "/".into() };
    let (near, far) = unix_pair(&params)?;
    let half = Buffer::new(HALF).context("no memory")?;
    let mut into = Buffer::new(2 * HALF).context("no memory")?;
    exactly("send", net::send(&near, &half, 0), HALF)?;
    let sender = thread::spawn(move || {
        hold()?;
        exactly("send", net::send(&near, &half, 0), HALF)?;
        hold()
    });
    exactly("recv", net::recv(&far, &mut into, libc::MSG_WAITALL), 2 * HALF)?;
    sender.join().ok().context("the sender panicked")?
}

/// Each time lets the other thread go just before it waits itself.
fn receive_halfway(
    (near, far): &(UnixStream, UnixStream),
    pipe: &OwnedFd,
    rounds: u32,
) -> Result<()> {
    let mut into = Buffer::new(2 * HALF).context("no memory")?;
    let teed = Buffer::new(size(TEED)).context("no memory")?;
    for _ in 0..rounds {
        exactly("send", net::send(near, &into[..HALF], 0), HALF)?;
        exactly("write", fd::write(pipe, &teed), teed.len())?;
        exactly("recv", net::recv(far, &mut into, libc::MSG_WAITALL), into.len())?;
    }
    Ok(())
}
