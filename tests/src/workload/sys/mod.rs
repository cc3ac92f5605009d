//! Safe wrappers of the system calls the cases make.
//!
//! Each function is exactly one system call, neither buffered, nor repeated
//! when it is short, nor restarted: what a case asks for is what the kernel
//! sees.

pub(super) mod bpf;
pub(super) mod cliff;
pub(super) mod compiled;
pub(super) mod fd;
pub(super) mod ipc;
pub(super) mod mem;
pub(super) mod mount;
pub(super) mod net;
pub(super) mod netlink;
pub(super) mod process;
pub(super) mod ring;
pub(super) mod shared;
pub(super) mod xdp;

use std::io;

/// The bytes a call says it moved, or the error it left in `errno`.
fn moved(returned: isize) -> io::Result<usize> {
    usize::try_from(returned).map_err(|_| io::Error::last_os_error())
}

/// The value of a call that returns a small number, or its `errno`.
fn value(returned: libc::c_int) -> io::Result<libc::c_int> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

/// Two I/O vectors that together cover `bytes`.
fn halves(bytes: &[u8]) -> [libc::iovec; 2] {
    let (front, back) = bytes.split_at(bytes.len() / 2);
    [vector(front), vector(back)]
}

/// Two I/O vectors that together cover `bytes`, for a call that writes there.
fn halves_mut(bytes: &mut [u8]) -> [libc::iovec; 2] {
    let (front, back) = bytes.split_at_mut(bytes.len() / 2);
    [vector_mut(front), vector_mut(back)]
}

/// An I/O vector of bytes which the kernel only reads.
fn vector(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}

/// An I/O vector of bytes which the kernel writes.
fn vector_mut(bytes: &mut [u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }
}
