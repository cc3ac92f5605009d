//! Sockets, by every call that sends and receives.

use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket,
};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::step::{done, exactly, no_files, requires};
use super::sys::{fd, net};
use super::{Case, Chunk, Expected, Params};

/// The most bytes of one datagram; chunks are clamped to it.
const DATAGRAM: u64 = 60_000;

/// What TCP sends over the loopback as one segment, whatever its windows. Of several,
/// the last may be sent again before it is acknowledged, when it is late by a few
/// milliseconds (a tail loss probe); what was sent by reference is then copied twice.
pub(super) const PIECE: u64 = 16_384;

/// Datagrams of one call of `sendmmsg(2)` and `recvmmsg(2)`.
const BATCH: usize = 8;

const NEEDS_IPV6: &str = "a loopback with the address ::1";

/// The longest wait for bytes that were sent: more means they were lost.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const READ_WRITE: Case =
    Case::new("socket-read-write", no_files, read_and_write, |params| {
        Expected::default().writes("socket", params).reads("socket", params)
    });

pub(super) const TCP: Case = Case::new("tcp-send-recv", no_files, tcp, expect_both);

/// The receiver discards the bytes: they are returned, but not copied.
pub(super) const TCP_TRUNC: Case = Case::new("tcp-recv-trunc", no_files, tcp_discard, |params| {
    Expected::default().sends(params).moves("recv", "socket", params)
});

/// Chunks are at most 60000 bytes.
pub(super) const UDP: Case = Case::new("udp-sendto-recvfrom", no_files, udp, |params| {
    expect_both(&params.in_chunks_of_at_most(DATAGRAM))
});

/// The receiver takes half of each datagram, and the kernel drops the rest.
/// Chunks are at most 60000 bytes.
pub(super) const UDP_SHORT: Case =
    Case::new("udp-recv-short", no_files, udp_short, |params| {
        let params = &params.in_chunks_of_at_most(DATAGRAM);
        let taken = params.chunks().map(|chunk| half(chunk.len) as u64).sum();
        Expected::default()
            .sends(params)
            .moves_in("recv", "socket", taken, params.calls())
            .copies_in("recv", "to_user", taken, params.calls())
    });

pub(super) const UNIX_MESSAGES: Case =
    Case::new("unix-sendmsg-recvmsg", no_files, unix_messages, expect_both);

/// Chunks are at most 60000 bytes.
pub(super) const UNIX_DATAGRAMS: Case =
    Case::new("unix-dgram-send-recv", no_files, unix_datagrams, |params| {
        expect_both(&params.in_chunks_of_at_most(DATAGRAM))
    });

/// Eight datagrams a call; chunks are at most 60000 bytes.
pub(super) const UDP_BATCHES: Case =
    Case::new("udp-sendmmsg-recvmmsg", no_files, udp_batches, |params| {
        let params = &params.in_chunks_of_at_most(DATAGRAM);
        let calls = params.calls().div_ceil(BATCH as u64);
        Expected::default()
            .moves_in("send", "socket", params.bytes, calls)
            .copies_in("send", "from_user", params.bytes, calls)
            .moves_in("recv", "socket", params.bytes, calls)
            .copies_in("recv", "to_user", params.bytes, calls)
    });

/// Over IPv6; chunks are at most 60000 bytes.
pub(super) const UDP6: Case = Case::new("udp6-send-recv", no_files, udp6, |params| {
    expect_both(&params.in_chunks_of_at_most(DATAGRAM))
})
.needs(NEEDS_IPV6);

/// Looking at bytes without taking them copies them too.
pub(super) const PEEK: Case = Case::new("recv-peek", no_files, peek, |params| {
    Expected::default().sends(params).receives(params).receives(params)
});

fn expect_both(params: &Params) -> Expected {
    Expected::default().sends(params).receives(params)
}

/// A TCP connection within this process: its two ends, the first of which takes
/// a whole chunk while the second does not read.
pub(super) fn tcp_pair(params: &Params) -> Result<(TcpStream, TcpStream)> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen to itself")?;
    connect(&listener, params).context("cannot connect to itself by TCP")
}

/// A connection to `listener`, as [`tcp_pair`].
pub(super) fn connect(listener: &TcpListener, params: &Params) -> Result<(TcpStream, TcpStream)> {
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    // No chunk waits for the acknowledgement of the last one.
    near.set_nodelay(true)?;
    for end in [&near, &far] {
        end.set_read_timeout(Some(PATIENCE))?;
        end.set_write_timeout(Some(PATIENCE))?;
    }
    make_room_to_send(&near, params)?;
    Ok((near, far))
}

/// A pair of connected local sockets, each of which takes a whole chunk while
/// the other does not read.
pub(super) fn unix_pair(params: &Params) -> Result<(UnixStream, UnixStream)> {
    let (near, far) = UnixStream::pair().context("cannot make a pair of sockets")?;
    for end in [&near, &far] {
        end.set_read_timeout(Some(PATIENCE)).context("cannot limit the wait")?;
        end.set_write_timeout(Some(PATIENCE)).context("cannot limit the wait")?;
        make_room_to_send(end, params)?;
    }
    Ok((near, far))
}

/// Two UDP sockets connected to each other, the second of which has room for a batch.
fn udp_pair(params: &Params) -> Result<(UdpSocket, UdpSocket)> {
    udp_pair_at(Ipv4Addr::LOCALHOST.into(), params)
}

/// The same, both at this address.
fn udp_pair_at(address: IpAddr, params: &Params) -> Result<(UdpSocket, UdpSocket)> {
    let connect = || {
        let near = UdpSocket::bind((address, 0))?;
        let far = UdpSocket::bind((address, 0))?;
        near.connect(far.local_addr()?)?;
        far.connect(near.local_addr()?)?;
        far.set_read_timeout(Some(PATIENCE))?;
        std::io::Result::Ok((near, far))
    };
    let pair = requires(connect(), libc::EADDRNOTAVAIL, "the address is not there")?;
    let pair = requires(pair, libc::EAFNOSUPPORT, "the family of the address is not there")?;
    let (near, far) = pair.context("cannot connect to itself by UDP")?;
    make_room_to_send(&near, params)?;
    let datagram = params.largest().saturating_mul(2).saturating_add(4096);
    let wanted = datagram.saturating_mul(BATCH);
    make_room(&far, wanted, libc::SO_RCVBUF, libc::SO_RCVBUFFORCE)?;
    Ok((near, far))
}

/// Makes room for four chunks, since the kernel counts more than their bytes.
pub(super) fn make_room_to_send(socket: impl AsFd, params: &Params) -> Result<()> {
    let wanted = params.largest().saturating_mul(4).saturating_add(1 << 16);
    make_room(socket, wanted, libc::SO_SNDBUF, libc::SO_SNDBUFFORCE)
}

/// Enlarges a buffer of a socket to `wanted` bytes, or says that it cannot.
fn make_room(
    socket: impl AsFd,
    wanted: usize,
    option: libc::c_int,
    forced: libc::c_int,
) -> Result<()> {
    let socket = socket.as_fd();
    let wanted = libc::c_int::try_from(wanted).context("no socket takes so large a chunk")?;
    // Only the administrator may exceed the limit of the system.
    if net::set_option(socket, forced, wanted).is_err() {
        net::set_option(socket, option, wanted).context("cannot size the buffer of a socket")?;
    }
    let got = net::option(socket, option).context("cannot tell the buffer of a socket")?;
    if got < wanted {
        bail!("the socket's buffer has {got} bytes, but the chunk needs {wanted}");
    }
    Ok(())
}

fn read_and_write(params: &Params) -> Result<()> {
    let (near, far) = unix_pair(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let buffer = &mut buffer[..chunk.len];
        exactly("write", fd::write(&near, buffer), chunk.len)?;
        exactly("read", fd::read(&far, buffer), chunk.len)?;
    }
    Ok(())
}

fn tcp(params: &Params) -> Result<()> {
    send_over(&tcp_pair(params)?, params)
}

/// Sends by one end of a connection, and receives by the other.
pub(super) fn send_over((near, far): &(TcpStream, TcpStream), params: &Params) -> Result<()> {
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let buffer = &mut buffer[..chunk.len];
        exactly("send", net::send(near, buffer, 0), chunk.len)?;
        exactly("recv", net::recv(far, buffer, libc::MSG_WAITALL), chunk.len)?;
    }
    Ok(())
}

fn tcp_discard(params: &Params) -> Result<()> {
    let (near, far) = tcp_pair(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let buffer = &mut buffer[..chunk.len];
        exactly("send", net::send(&near, buffer, 0), chunk.len)?;
        let flags = libc::MSG_TRUNC | libc::MSG_WAITALL;
        exactly("recv", net::recv(&far, buffer, flags), chunk.len)?;
    }
    Ok(())
}

fn udp(params: &Params) -> Result<()> {
    let params = &params.in_chunks_of_at_most(DATAGRAM);
    let (near, far) = udp_pair(params)?;
    let to = address(&far)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let buffer = &mut buffer[..chunk.len];
        exactly("sendto", net::sendto(&near, buffer, to), chunk.len)?;
        exactly("recvfrom", net::recvfrom(&far, buffer), chunk.len)?;
    }
    Ok(())
}

fn udp6(params: &Params) -> Result<()> {
    let params = &params.in_chunks_of_at_most(DATAGRAM);
    let (near, far) = udp_pair_at(Ipv6Addr::LOCALHOST.into(), params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let buffer = &mut buffer[..chunk.len];
        exactly("send", net::send(&near, buffer, 0), chunk.len)?;
        exactly("recv", net::recv(&far, buffer, 0), chunk.len)?;
    }
    Ok(())
}

fn udp_short(params: &Params) -> Result<()> {
    let params = &params.in_chunks_of_at_most(DATAGRAM);
    let (near, far) = udp_pair(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let buffer = &mut buffer[..chunk.len];
        exactly("send", net::send(&near, buffer, 0), chunk.len)?;
        let half = half(chunk.len);
        exactly("recv", net::recv(&far, &mut buffer[..half], 0), half)?;
    }
    Ok(())
}

/// What is taken of a datagram that is received in part.
fn half(len: usize) -> usize {
    len.div_ceil(2)
}

fn unix_messages(params: &Params) -> Result<()> {
    let (near, far) = unix_pair(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let buffer = &mut buffer[..chunk.len];
        exactly("sendmsg", net::sendmsg(&near, buffer), chunk.len)?;
        exactly("recvmsg", net::recvmsg(&far, buffer, libc::MSG_WAITALL), chunk.len)?;
    }
    Ok(())
}

fn unix_datagrams(params: &Params) -> Result<()> {
    let params = &params.in_chunks_of_at_most(DATAGRAM);
    let (near, far) = UnixDatagram::pair().context("cannot make a pair of sockets")?;
    far.set_read_timeout(Some(PATIENCE)).context("cannot limit the wait")?;
    make_room_to_send(&near, params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let buffer = &mut buffer[..chunk.len];
        exactly("send", net::send(&near, buffer, 0), chunk.len)?;
        exactly("recv", net::recv(&far, buffer, 0), chunk.len)?;
    }
    Ok(())
}

fn udp_batches(params: &Params) -> Result<()> {
    let params = &params.in_chunks_of_at_most(DATAGRAM);
    let (near, far) = udp_pair(params)?;
    let chunks: Vec<Chunk> = params.chunks().collect();
    let mut buffers = (0..BATCH).map(|_| params.buffer()).collect::<Result<Vec<_>>>()?;
    for batch in chunks.chunks(BATCH) {
        let bytes: usize = batch.iter().map(|chunk| chunk.len).sum();
        let pairs = buffers.iter().zip(batch);
        let messages: Vec<&[u8]> = pairs.map(|(buffer, chunk)| &buffer[..chunk.len]).collect();
        check_batch("sendmmsg", net::sendmmsg(&near, &messages), batch.len(), bytes)?;
        let pairs = buffers.iter_mut().zip(batch);
        let mut into: Vec<&mut [u8]> =
            pairs.map(|(buffer, chunk)| &mut buffer[..chunk.len]).collect();
        check_batch("recvmmsg", net::recvmmsg(&far, &mut into), batch.len(), bytes)?;
    }
    Ok(())
}

/// Checks that `call` moved exactly these messages.
fn check_batch(
    call: &str,
    result: std::io::Result<(usize, usize)>,
    messages: usize,
    bytes: usize,
) -> Result<()> {
    let got = done(call, result)?;
    if got != (messages, bytes) {
        bail!(
            "{call} moved {} messages of {} bytes instead of {messages} of {bytes}",
            got.0,
            got.1
        );
    }
    Ok(())
}

fn peek(params: &Params) -> Result<()> {
    let (near, far) = unix_pair(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let buffer = &mut buffer[..chunk.len];
        exactly("send", net::send(&near, buffer, 0), chunk.len)?;
        exactly("recv to look", net::recv(&far, buffer, libc::MSG_PEEK), chunk.len)?;
        exactly("recv", net::recv(&far, buffer, 0), chunk.len)?;
    }
    Ok(())
}

/// Where a UDP socket is bound.
fn address(socket: &UdpSocket) -> Result<SocketAddrV4> {
    match socket.local_addr().context("cannot tell a socket's address")? {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(address) => bail!("the socket is bound to {address}"),
    }
}
