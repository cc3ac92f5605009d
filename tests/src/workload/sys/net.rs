//! Calls on sockets. Making and connecting them is left to the standard
//! library, which adds no call that moves bytes.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use super::{halves, halves_mut, moved, value, vector, vector_mut};

/// Of a notice in the error queue: a zero-copy send is complete (`linux/errqueue.h`).
const ORIGIN_ZEROCOPY: u8 = 5;

/// The size of an address or an option, as the kernel takes it.
#[expect(clippy::cast_possible_truncation, reason = "a few bytes fit any integer")]
pub(super) const fn small<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

/// `send(2)`.
pub(in crate::workload) fn send(
    socket: impl AsFd,
    from: &[u8],
    flags: libc::c_int,
) -> io::Result<usize> {
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: `from` is readable for its whole length.
    moved(unsafe { libc::send(socket, from.as_ptr().cast(), from.len(), flags) })
}

/// `recv(2)`.
pub(in crate::workload) fn recv(
    socket: impl AsFd,
    into: &mut [u8],
    flags: libc::c_int,
) -> io::Result<usize> {
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: `into` is writable for its whole length.
    moved(unsafe { libc::recv(socket, into.as_mut_ptr().cast(), into.len(), flags) })
}

/// `sendto(2)` with an address.
pub(in crate::workload) fn sendto(
    socket: impl AsFd,
    from: &[u8],
    to: SocketAddrV4,
) -> io::Result<usize> {
    let socket = socket.as_fd().as_raw_fd();
    let to = address(to)?;
    let (bytes, len) = (from.as_ptr().cast(), from.len());
    let size = small::<libc::sockaddr_in>();
    // SAFETY: `from` and `to` are readable for the lengths given with them.
    moved(unsafe { libc::sendto(socket, bytes, len, 0, (&raw const to).cast(), size) })
}

/// `recvfrom(2)` that asks for the sender's address.
pub(in crate::workload) fn recvfrom(socket: impl AsFd, into: &mut [u8]) -> io::Result<usize> {
    let socket = socket.as_fd().as_raw_fd();
    let mut sender = address(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?;
    let mut size = small::<libc::sockaddr_in>();
    let (bytes, len) = (into.as_mut_ptr().cast(), into.len());
    let address = (&raw mut sender).cast();
    // SAFETY: `into` and `sender` are writable for the lengths given with them.
    moved(unsafe { libc::recvfrom(socket, bytes, len, 0, address, &raw mut size) })
}

/// `sendmsg(2)` with two vectors.
pub(in crate::workload) fn sendmsg(socket: impl AsFd, from: &[u8]) -> io::Result<usize> {
    let socket = socket.as_fd().as_raw_fd();
    let mut vectors = halves(from);
    let message = message(&mut vectors);
    // SAFETY: the message's vectors cover `from`, which is readable and outlives the call.
    moved(unsafe { libc::sendmsg(socket, &raw const message, 0) })
}

/// `recvmsg(2)` with two vectors.
pub(in crate::workload) fn recvmsg(
    socket: impl AsFd,
    into: &mut [u8],
    flags: libc::c_int,
) -> io::Result<usize> {
    let socket = socket.as_fd().as_raw_fd();
    let mut vectors = halves_mut(into);
    let mut message = message(&mut vectors);
    // SAFETY: the message's vectors cover `into`, which is writable and outlives the call.
    moved(unsafe { libc::recvmsg(socket, &raw mut message, flags) })
}

/// `sendmmsg(2)` of one message for each of `messages`: the messages sent, and
/// the sum of their bytes.
pub(in crate::workload) fn sendmmsg(
    socket: impl AsFd,
    messages: &[&[u8]],
) -> io::Result<(usize, usize)> {
    let socket = socket.as_fd().as_raw_fd();
    let mut vectors: Vec<_> = messages.iter().map(|bytes| vector(bytes)).collect();
    let mut headers = headers(&mut vectors);
    let count = libc::c_uint::try_from(headers.len()).map_err(io::Error::other)?;
    // SAFETY: the headers' vectors cover `messages`, which outlive the call.
    let sent = value(unsafe { libc::sendmmsg(socket, headers.as_mut_ptr(), count, 0) })?;
    total(&headers, sent)
}

/// `recvmmsg(2)` of one message for each of `buffers`: the messages received,
/// and the sum of their bytes.
pub(in crate::workload) fn recvmmsg(
    socket: impl AsFd,
    buffers: &mut [&mut [u8]],
) -> io::Result<(usize, usize)> {
    let socket = socket.as_fd().as_raw_fd();
    let mut vectors: Vec<_> = buffers.iter_mut().map(|bytes| vector_mut(bytes)).collect();
    let mut headers = headers(&mut vectors);
    let count = libc::c_uint::try_from(headers.len()).map_err(io::Error::other)?;
    let (first, forever) = (headers.as_mut_ptr(), ptr::null_mut());
    // SAFETY: the headers' vectors cover `buffers`, which are writable and outlive the call.
    let received = value(unsafe { libc::recvmmsg(socket, first, count, 0, forever) })?;
    total(&headers, received)
}

/// Sets an option whose value is an integer.
pub(in crate::workload) fn set_option(
    socket: impl AsFd,
    name: libc::c_int,
    setting: libc::c_int,
) -> io::Result<()> {
    let socket = socket.as_fd().as_raw_fd();
    let setting = &raw const setting;
    let size = small::<libc::c_int>();
    // SAFETY: the setting is readable for the size given with it.
    value(unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, name, setting.cast(), size) })
        .map(drop)
}

/// Has a network interface of the socket's network take whole packets in one piece only.
pub(in crate::workload) fn forbid_scatter_gather(
    socket: impl AsFd,
    interface: &str,
) -> io::Result<()> {
    /// `SIOCETHTOOL` (`include/uapi/linux/sockios.h`).
    const REQUEST: libc::Ioctl = 0x8946;
    /// `ETHTOOL_SSG` (`include/uapi/linux/ethtool.h`), and a `struct ethtool_value`.
    const COMMAND: u32 = 0x19;
    let mut setting = [COMMAND, 0];
    let mut name = [0; libc::IFNAMSIZ];
    for (into, byte) in name.iter_mut().zip(interface.bytes().take(libc::IFNAMSIZ - 1)) {
        *into = libc::c_char::from_ne_bytes([byte]);
    }
    let data = libc::__c_anonymous_ifr_ifru { ifru_data: (&raw mut setting).cast() };
    let mut request = libc::ifreq { ifr_name: name, ifr_ifru: data };
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: the request and the setting it points to are of the sizes that the command
    // wants, and outlive the call.
    value(unsafe { libc::ioctl(socket, REQUEST, &raw mut request) }).map(drop)
}

/// The number of an interface of this thread's network.
pub(in crate::workload) fn interface(name: &str) -> io::Result<u32> {
    let name = std::ffi::CString::new(name)?;
    // SAFETY: the name ends in a zero byte.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        number => Ok(number),
    }
}

/// Puts TLS on top of a TCP connection (`TCP_ULP`); it does nothing yet.
pub(in crate::workload) fn use_tls(socket: impl AsFd) -> io::Result<()> {
    let socket = socket.as_fd().as_raw_fd();
    let name = c"tls";
    let size = libc::socklen_t::try_from(name.to_bytes().len()).map_err(io::Error::other)?;
    // SAFETY: the name is readable for the size given with it.
    value(unsafe {
        libc::setsockopt(socket, libc::IPPROTO_TCP, libc::TCP_ULP, name.as_ptr().cast(), size)
    })
    .map(drop)
}

/// Has TLS 1.2 encrypt what is sent from now on, by AES-GCM with keys that are no secret.
pub(in crate::workload) fn encrypt_sends(socket: impl AsFd) -> io::Result<()> {
    let socket = socket.as_fd().as_raw_fd();
    let keys = libc::tls12_crypto_info_aes_gcm_128 {
        info: libc::tls_crypto_info {
            version: libc::TLS_1_2_VERSION,
            cipher_type: libc::TLS_CIPHER_AES_GCM_128,
        },
        iv: [1; 8],
        key: [2; 16],
        salt: [3; 4],
        rec_seq: [0; 8],
    };
    let size = small::<libc::tls12_crypto_info_aes_gcm_128>();
    let keys = (&raw const keys).cast();
    // SAFETY: the keys are readable for the size given with them.
    value(unsafe { libc::setsockopt(socket, libc::SOL_TLS, libc::TLS_TX, keys, size) }).map(drop)
}

/// Reads an option whose value is an integer.
pub(in crate::workload) fn option(socket: impl AsFd, name: libc::c_int) -> io::Result<libc::c_int> {
    let socket = socket.as_fd().as_raw_fd();
    let mut setting: libc::c_int = 0;
    let mut size = small::<libc::c_int>();
    let into = (&raw mut setting).cast();
    // SAFETY: the setting is writable for the size given with it.
    value(unsafe { libc::getsockopt(socket, libc::SOL_SOCKET, name, into, &raw mut size) })?;
    Ok(setting)
}

/// Takes one notice of zero-copy sends from the error queue: how many sends it
/// reports complete, or `None` when the queue is empty. The call returns 0 bytes.
pub(in crate::workload) fn completed_sends(socket: impl AsFd) -> io::Result<Option<u32>> {
    let socket = socket.as_fd().as_raw_fd();
    // Words, so that the control message is aligned.
    let mut control = [0_u64; 16];
    let mut message = message(&mut []);
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: the control buffer is writable for the length given, and there is no vector.
    match moved(unsafe { libc::recvmsg(socket, &raw mut message, libc::MSG_ERRQUEUE) }) {
        Ok(0) => {}
        Ok(bytes) => {
            return Err(io::Error::other(format!("the error queue returned {bytes} bytes")));
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        Err(error) => return Err(error),
    }
    // SAFETY: the kernel filled the message and its control buffer.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    if header.is_null() {
        return Err(io::Error::other("the error queue returned no control message"));
    }
    // SAFETY: the header is in the control buffer, and what follows it too.
    let data = unsafe { libc::CMSG_DATA(header) };
    // SAFETY: an error queue holds extended errors, and the buffer has room for a whole one.
    let notice = unsafe { ptr::read_unaligned(data.cast::<libc::sock_extended_err>()) };
    if notice.ee_origin != ORIGIN_ZEROCOPY || notice.ee_errno != 0 {
        return Err(io::Error::other("the error queue holds something else than a completion"));
    }
    Ok(Some(notice.ee_data.wrapping_sub(notice.ee_info).wrapping_add(1)))
}

/// Waits until the error queue is not empty, for `milliseconds` at most.
pub(in crate::workload) fn wait_for_notice(
    socket: impl AsFd,
    milliseconds: libc::c_int,
) -> io::Result<bool> {
    let socket = socket.as_fd().as_raw_fd();
    // An error is reported whether it is asked for or not.
    let mut entry = libc::pollfd { fd: socket, events: 0, revents: 0 };
    // SAFETY: one entry is passed, and it is writable.
    Ok(value(unsafe { libc::poll(&raw mut entry, 1, milliseconds) })? > 0)
}

/// Waits until something was received, for `milliseconds` at most.
pub(in crate::workload) fn wait_for_bytes(
    socket: impl AsFd,
    milliseconds: libc::c_int,
) -> io::Result<bool> {
    let socket = socket.as_fd().as_raw_fd();
    let mut entry = libc::pollfd { fd: socket, events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry is passed, and it is writable.
    Ok(value(unsafe { libc::poll(&raw mut entry, 1, milliseconds) })? > 0)
}

/// An address as the kernel takes it.
fn address(address: SocketAddrV4) -> io::Result<libc::sockaddr_in> {
    Ok(libc::sockaddr_in {
        sin_family: libc::sa_family_t::try_from(libc::AF_INET).map_err(io::Error::other)?,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
        sin_zero: [0; 8],
    })
}

/// A message of these vectors, without address and control data.
fn message(vectors: &mut [libc::iovec]) -> libc::msghdr {
    // SAFETY: a message of null pointers and zero lengths is a valid, empty one.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = vectors.as_mut_ptr();
    message.msg_iovlen = vectors.len();
    message
}

/// One message for each vector.
fn headers(vectors: &mut [libc::iovec]) -> Vec<libc::mmsghdr> {
    vectors
        .chunks_mut(1)
        .map(|vector| libc::mmsghdr { msg_hdr: message(vector), msg_len: 0 })
        .collect()
}

/// The number of messages done, and the sum of their bytes.
fn total(headers: &[libc::mmsghdr], done: libc::c_int) -> io::Result<(usize, usize)> {
    let done = usize::try_from(done).map_err(io::Error::other)?;
    let bytes: u32 = headers.iter().take(done).map(|header| header.msg_len).sum();
    Ok((done, usize::try_from(bytes).map_err(io::Error::other)?))
}
