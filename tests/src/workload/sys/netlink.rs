//! Netlink sockets (`netlink(7)`).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::{net::small, value};

/// Two sockets of the protocol for users (`NETLINK_USERSOCK`), the first of which sends
/// to the second.
pub(in crate::workload) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (near, far) = (socket()?, socket()?);
    let mut address = address()?;
    let at = (&raw const address).cast();
    // SAFETY: the address is readable for the size given with it.
    value(unsafe { libc::bind(far.as_raw_fd(), at, small::<libc::sockaddr_nl>()) })?;
    let mut size = small::<libc::sockaddr_nl>();
    let into = (&raw mut address).cast();
    // SAFETY: the address is writable for the size given with it.
    value(unsafe { libc::getsockname(far.as_raw_fd(), into, &raw mut size) })?;
    let to = (&raw const address).cast();
    // SAFETY: the address is readable for the size given with it.
    value(unsafe { libc::connect(near.as_raw_fd(), to, small::<libc::sockaddr_nl>()) })?;
    Ok((near, far))
}

fn socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: no memory of this process is passed.
    let fd = value(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_USERSOCK) })?;
    // SAFETY: the kernel has just made this descriptor, so nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// An address that leaves the choice of a port to the kernel.
fn address() -> io::Result<libc::sockaddr_nl> {
    // SAFETY: an address of zeroes is a valid one.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = libc::sa_family_t::try_from(libc::AF_NETLINK).map_err(io::Error::other)?;
    Ok(address)
}
