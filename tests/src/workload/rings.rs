//! `io_uring`, one request at a time.
//!
//! The kernel may hand a request to a worker thread of this process, whose comm
//! is `iou-wrk-…`; splices always are. The rows are the process's all the same.

use std::net::TcpStream;

use anyhow::Result;

use super::direct::blocks;
use super::pipes::pipe_for;
use super::sockets::{PIECE, tcp_pair, unix_pair};
use super::step::{exactly, input, no_files, open_data, open_direct, open_out, requires};
use super::sys::fd;
use super::sys::net;
use super::sys::ring::Ring;
use super::{Case, Expected, Params, networks};

const NEEDS_RINGS: &str = "Linux 5.6, and io_uring enabled";

/// Before 5.11 it takes root, and files registered with the ring.
const NEEDS_POLLED_RINGS: &str = "Linux 5.11, and io_uring enabled";

pub(super) const READ: Case = Case::new("uring-read", input, read, expect_read).needs(NEEDS_RINGS);

pub(super) const WRITE: Case =
    Case::new("uring-write", input, write, expect_write).needs(NEEDS_RINGS);

pub(super) const READ_FIXED: Case =
    Case::new("uring-read-fixed", input, read_fixed, expect_read).needs(NEEDS_RINGS);

pub(super) const WRITE_FIXED: Case =
    Case::new("uring-write-fixed", input, write_fixed, expect_write).needs(NEEDS_RINGS);

pub(super) const SEND_RECV: Case =
    Case::new("uring-send-recv", no_files, send_recv, expect_send_recv).needs(NEEDS_RINGS);

/// Chunks are at most 16384 bytes, so that nothing is sent twice.
pub(super) const SEND_ZERO_COPY: Case =
    Case::new("uring-send-zc", no_files, send_zero_copy, |params| {
        expect_send_zero_copy(&params.in_chunks_of_at_most(PIECE))
    })
    .needs("Linux 6.0, and io_uring enabled");

/// Between two networks of one machine, which copies as the loopback does.
pub(super) const SEND_ZERO_COPY_VETH: Case =
    Case::new("uring-send-zc-veth", no_files, send_zero_copy_over_veth, expect_send_zero_copy)
        .needs("Linux 6.0, io_uring enabled, root, veth, and ip of iproute2 or of busybox");

/// Whole units of 4096 bytes, as the cases of direct I/O.
pub(super) const DIRECT_READ: Case = Case::new("uring-direct-read", input, direct_read, |params| {
    Expected::default().passes_on("io_uring", "file", &blocks(params))
})
.needs("Linux 5.6, io_uring enabled, and a file system with direct I/O: ext4 or xfs");

pub(super) const SPLICE: Case = Case::new("uring-splice", input, splice, |params| {
    Expected::default()
        .moves("io_uring", "pipe", params)
        .leaves_unknown("io_uring", "pipe", params)
        .reads("pipe", params)
})
.needs("Linux 5.7, and io_uring enabled");

pub(super) const TEE: Case = Case::new("uring-tee", no_files, tee, |params| {
    Expected::default()
        .writes("pipe", params)
        .moves("io_uring", "pipe", params)
        .leaves_unknown("io_uring", "pipe", params)
        .reads("pipe", params)
        .reads("pipe", params)
})
.needs("Linux 5.8, and io_uring enabled");

/// The reads are done by the thread that takes the requests.
pub(super) const POLLED_READ: Case =
    Case::new("uring-sqpoll-read", input, polled_read, expect_read).needs(NEEDS_POLLED_RINGS);

/// One thread does them, and another one says so.
pub(super) const DEFERRED_READ: Case =
    Case::new("uring-deferred-read", input, deferred_read, expect_read)
        .needs("Linux 6.1, and io_uring enabled");

pub(super) const POLLED_SEND_RECV: Case =
    Case::new("uring-sqpoll-send-recv", no_files, polled_send_recv, expect_send_recv)
        .needs(NEEDS_POLLED_RINGS);

/// Requests that move nothing, and requests that fail.
pub(super) const NOTHING: Case =
    Case::new("uring-nothing", input, nothing, |_| Expected::default()).needs(NEEDS_RINGS);

fn expect_read(params: &Params) -> Expected {
    Expected::default().moves("io_uring", "file", params).copies("io_uring", "to_user", params)
}

fn expect_write(params: &Params) -> Expected {
    Expected::default().moves("io_uring", "file", params).copies("io_uring", "from_user", params)
}

fn expect_send_recv(params: &Params) -> Expected {
    Expected::default()
        .moves("io_uring", "socket", params)
        .copies("io_uring", "from_user", params)
        .moves("io_uring", "socket", params)
        .copies("io_uring", "to_user", params)
}

fn expect_send_zero_copy(params: &Params) -> Expected {
    Expected::default()
        .moves("io_uring", "socket", params)
        .leaves_to_probes("io_uring", "socket", params)
        .links("io_uring", params)
        .copies_in_truth("io_uring", "in_kernel", params)
        .falls_back("io_uring", "receiver", params)
        .receives(params)
}

fn deferred_read(params: &Params) -> Result<()> {
    let ring = requires(Ring::deferred(), libc::EINVAL, "IORING_SETUP_DEFER_TASKRUN")?;
    read_by(opened(ring)?, params)
}

fn new_ring() -> Result<Ring> {
    opened(Ring::new())
}

fn opened(ring: std::io::Result<Ring>) -> Result<Ring> {
    let ring = requires(ring, libc::EPERM, "io_uring is disabled on this system")?;
    super::step::done("io_uring_setup", ring)
}

/// Checks a request; `EINVAL` is how a kernel refuses an operation it has not.
fn request(name: &str, result: std::io::Result<usize>, wanted: usize) -> Result<()> {
    let result = requires(result, libc::EINVAL, &format!("the request {name} is not known here"))?;
    exactly(name, result, wanted)
}

fn read(params: &Params) -> Result<()> {
    read_by(new_ring()?, params)
}

fn polled_read(params: &Params) -> Result<()> {
    read_by(opened(Ring::polled())?, params)
}

fn read_by(mut ring: Ring, params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        request("READ", ring.read(&file, &mut buffer[..chunk.len], chunk.at), chunk.len)?;
    }
    Ok(())
}

fn write(params: &Params) -> Result<()> {
    let file = open_out(params)?;
    let mut ring = new_ring()?;
    let buffer = params.buffer()?;
    for chunk in params.chunks() {
        request("WRITE", ring.write(&file, &buffer[..chunk.len], chunk.at), chunk.len)?;
    }
    Ok(())
}

fn read_fixed(params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let mut buffer = params.buffer()?;
    let mut ring = new_ring()?;
    super::step::done("io_uring_register", ring.register(&mut buffer))?;
    for chunk in params.chunks() {
        let read = ring.read_fixed(&file, &mut buffer[..chunk.len], chunk.at);
        request("READ_FIXED", read, chunk.len)?;
    }
    Ok(())
}

fn write_fixed(params: &Params) -> Result<()> {
    let file = open_out(params)?;
    let mut buffer = params.buffer()?;
    let mut ring = new_ring()?;
    super::step::done("io_uring_register", ring.register(&mut buffer))?;
    for chunk in params.chunks() {
        let written = ring.write_fixed(&file, &buffer[..chunk.len], chunk.at);
        request("WRITE_FIXED", written, chunk.len)?;
    }
    Ok(())
}

fn send_recv(params: &Params) -> Result<()> {
    send_recv_by(new_ring()?, params)
}

fn polled_send_recv(params: &Params) -> Result<()> {
    send_recv_by(opened(Ring::polled())?, params)
}

fn send_recv_by(mut ring: Ring, params: &Params) -> Result<()> {
    // Local sockets: all that was sent is there at once, so that one request
    // receives it, also before MSG_WAITALL was honoured (Linux 5.19).
    let (near, far) = unix_pair(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let buffer = &mut buffer[..chunk.len];
        request("SEND", ring.send(&near, buffer), chunk.len)?;
        request("RECV", ring.recv(&far, buffer), chunk.len)?;
    }
    Ok(())
}

fn send_zero_copy(params: &Params) -> Result<()> {
    let params = &params.in_chunks_of_at_most(PIECE);
    send_zero_copy_over(&tcp_pair(params)?, params)
}

fn send_zero_copy_over_veth(params: &Params) -> Result<()> {
    send_zero_copy_over(&networks::tcp_pair(params)?, params)
}

fn send_zero_copy_over((near, far): &(TcpStream, TcpStream), params: &Params) -> Result<()> {
    let mut ring = new_ring()?;
    let mut into = params.buffer()?;
    let from = params.buffer()?;
    for chunk in params.chunks() {
        request("SEND_ZC", ring.send_zero_copy(near, &from[..chunk.len]), chunk.len)?;
        let into = &mut into[..chunk.len];
        exactly("recv", net::recv(far, into, libc::MSG_WAITALL), chunk.len)?;
    }
    super::step::done("io_uring_enter", ring.wait_for_notices(params.calls()))
}

fn direct_read(params: &Params) -> Result<()> {
    let file = open_direct(&params.data(), false)?;
    let params = &blocks(params);
    let mut ring = new_ring()?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        request("READ", ring.read(&file, &mut buffer[..chunk.len], chunk.at), chunk.len)?;
    }
    Ok(())
}

fn splice(params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let (read, write) = pipe_for(params)?;
    let mut ring = new_ring()?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        request("SPLICE", ring.splice(&file, &write, chunk.len), chunk.len)?;
        exactly("read", fd::read(&read, &mut buffer[..chunk.len]), chunk.len)?;
    }
    Ok(())
}

fn tee(params: &Params) -> Result<()> {
    let (first, into_first) = pipe_for(params)?;
    let (second, into_second) = pipe_for(params)?;
    let mut ring = new_ring()?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let buffer = &mut buffer[..chunk.len];
        exactly("write", fd::write(&into_first, buffer), chunk.len)?;
        request("TEE", ring.tee(&first, &into_second, chunk.len), chunk.len)?;
        exactly("read", fd::read(&first, buffer), chunk.len)?;
        exactly("read", fd::read(&second, buffer), chunk.len)?;
    }
    Ok(())
}

fn nothing(params: &Params) -> Result<()> {
    let data = open_data(params)?;
    let mut ring = new_ring()?;
    let mut buffer = params.buffer()?;
    for _ in params.chunks() {
        request("NOP", ring.nop(), 0)?;
        request("READ at the end", ring.read(&data, &mut buffer, params.bytes), 0)?;
        super::step::fails("WRITE to an input", ring.write(&data, &buffer, 0), libc::EBADF)?;
    }
    Ok(())
}
