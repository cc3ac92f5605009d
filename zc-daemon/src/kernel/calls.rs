//! Calls of pieces of I/O that zc runs itself: references and paths.

use std::{
    net::TcpStream,
    os::fd::{AsFd, AsRawFd as _},
};

use anyhow::{Context as _, Result, ensure};
use rustix::{
    io::Errno,
    net::{RecvAncillaryBuffer, RecvFlags, SendFlags},
};

/// The result of a call of the C library.
pub(super) fn result(moved: isize) -> rustix::io::Result<usize> {
    let error = || Errno::from_io_error(&std::io::Error::last_os_error());
    usize::try_from(moved).map_err(|_| error().unwrap_or(Errno::IO))
}

/// Fails unless a call moved all that it was to move.
pub(super) fn whole(call: &str, moved: rustix::io::Result<usize>, wanted: usize) -> Result<()> {
    let moved = moved.with_context(|| format!("{call} failed"))?;
    ensure!(moved == wanted, "{call} moved {moved} bytes instead of {wanted}");
    Ok(())
}

/// Calls until all is moved, as some calls may move less; each is told how much is done.
pub(super) fn all(
    call: &str,
    wanted: usize,
    mut step: impl FnMut(usize) -> rustix::io::Result<usize>,
) -> Result<()> {
    let mut done = 0;
    while done < wanted {
        let moved = step(done).with_context(|| format!("{call} failed"))?;
        ensure!(moved > 0, "{call} moved {done} bytes instead of {wanted}, and then none");
        done += moved;
    }
    Ok(())
}

/// Sets an option of a socket, of whatever type the kernel wants it.
pub(super) fn set_option<T>(
    socket: impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    value: &T,
) -> std::io::Result<()> {
    let size = libc::socklen_t::try_from(size_of::<T>()).map_err(std::io::Error::other)?;
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: the value is readable for the size given with it.
    let set = unsafe { libc::setsockopt(socket, level, name, (&raw const *value).cast(), size) };
    if set == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Has a socket send by reference where it is asked to (`MSG_ZEROCOPY`).
pub(super) fn allow_zerocopy(socket: &TcpStream) -> Result<()> {
    let on: libc::c_int = 1;
    set_option(socket, libc::SOL_SOCKET, libc::SO_ZEROCOPY, &on).context("no SO_ZEROCOPY")
}

/// Sends by reference (`MSG_ZEROCOPY`): what changes before it has left may be sent changed.
pub(super) fn send_by_reference(socket: &TcpStream, bytes: &[u8]) -> rustix::io::Result<usize> {
    const ZEROCOPY: SendFlags = SendFlags::from_bits_retain(libc::MSG_ZEROCOPY.cast_unsigned());
    rustix::net::send(socket, bytes, ZEROCOPY)
}

/// Takes all notices of sends by reference that are complete.
pub(super) fn take_notices(socket: &TcpStream) {
    let flags = RecvFlags::ERRQUEUE | RecvFlags::DONTWAIT;
    let take = || {
        let mut control = RecvAncillaryBuffer::default();
        rustix::net::recvmsg(socket, &mut [], &mut control, flags)
    };
    // In the end there is none to be had.
    while take().is_ok() {}
}
