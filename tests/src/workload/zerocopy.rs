//! `send(2)` with `MSG_ZEROCOPY`, and receiving without a copy.

use std::net::TcpStream;

use anyhow::{Context as _, Result, bail};

use super::sockets::{PIECE, tcp_pair};
use super::step::{done, exactly, no_files, requires};
use super::sys::mem::{self, Window};
use super::sys::net;
use super::{Case, Expected, Params, networks};

/// Sends that may be unfinished at a time: the memory of their notices is limited.
const UNFINISHED: u64 = 8;

/// Over the loopback the kernel copies all the same, and says so in the notice.
/// Chunks are at most 16384 bytes, so that nothing is sent twice.
pub(super) const SEND: Case = Case::new("msg-zerocopy", no_files, send, |params| {
    copied_after_all(&params.in_chunks_of_at_most(PIECE))
});

/// Between two networks of one machine the receiver gets a copy too: what may wait
/// in a socket for long must not be memory of the sender.
pub(super) const SEND_VETH: Case =
    Case::new("msg-zerocopy-veth", no_files, send_between_networks, |params| {
        copied_after_all(params)
    })
    .needs(networks::NEEDS);

/// The flag without the option of the socket, which makes it idle. To a
/// measurement that does not follow options the bytes are as unknown.
pub(super) const SEND_UNSET: Case =
    Case::new("msg-zerocopy-unset", no_files, send_unset, |params| {
        expect(params).copies_in_truth("msg_zerocopy", "from_user", params).falls_back(
            "msg_zerocopy",
            "not_taken",
            params,
        )
    });

/// The receiver maps whole pages instead of receiving them (`TCP_ZEROCOPY_RECEIVE`),
/// and receives the rest of each chunk. It can, since the copy that the loopback makes
/// of what is sent by reference fills one page after the other from its start.
/// Chunks are longer by a page, and at most four pages.
pub(super) const RECEIVE: Case = Case::new("tcp-zerocopy-receive", no_files, receive, |params| {
    let params = &with_whole_pages(params);
    let rests = params.chunks().map(|chunk| (chunk.len % mem::page_size()) as u64);
    let (bytes, calls) = rests
        .filter(|rest| *rest > 0)
        .fold((0, 0), |(bytes, calls), rest| (bytes + rest, calls + 1));
    Expected::default()
        .moves("msg_zerocopy", "socket", params)
        .leaves_to_probes("msg_zerocopy", "socket", params)
        .links("msg_zerocopy", params)
        .copies_in_truth("msg_zerocopy", "in_kernel", params)
        .falls_back("msg_zerocopy", "receiver", params)
        .moves_in("recv", "socket", bytes, calls)
        .copies_in("recv", "to_user", bytes, calls)
});

fn with_whole_pages(params: &Params) -> Params {
    let page = mem::page_size() as u64;
    Params { chunk: params.chunk.min(3 * page) + page, ..params.clone() }
}

/// Taken by reference, and copied on the way to the receiver.
fn copied_after_all(params: &Params) -> Expected {
    expect(params)
        .links("msg_zerocopy", params)
        .copies_in_truth("msg_zerocopy", "in_kernel", params)
        .falls_back("msg_zerocopy", "receiver", params)
}

fn expect(params: &Params) -> Expected {
    Expected::default()
        .moves("msg_zerocopy", "socket", params)
        .leaves_to_probes("msg_zerocopy", "socket", params)
        .receives(params)
}

/// Makes the socket send by reference when asked to.
pub(super) fn allow(socket: &TcpStream) -> Result<()> {
    let set = net::set_option(socket, libc::SO_ZEROCOPY, 1);
    done("SO_ZEROCOPY", requires(set, libc::ENOPROTOOPT, "SO_ZEROCOPY needs Linux 4.14")?)
}

fn send(params: &Params) -> Result<()> {
    let params = &params.in_chunks_of_at_most(PIECE);
    send_by_reference_over(&tcp_pair(params)?, params)
}

fn send_between_networks(params: &Params) -> Result<()> {
    send_by_reference_over(&networks::tcp_pair(params)?, params)
}

/// Sends with `MSG_ZEROCOPY` by one end of a connection, and receives by the other.
pub(super) fn send_by_reference_over(
    (near, far): &(TcpStream, TcpStream),
    params: &Params,
) -> Result<()> {
    allow(near)?;
    let mut into = params.buffer()?;
    let from = params.buffer()?;
    let mut unfinished = 0;
    for chunk in params.chunks() {
        exactly("send", net::send(near, &from[..chunk.len], libc::MSG_ZEROCOPY), chunk.len)?;
        unfinished += 1;
        let into = &mut into[..chunk.len];
        exactly("recv", net::recv(far, into, libc::MSG_WAITALL), chunk.len)?;
        finish(near, &mut unfinished, UNFINISHED)?;
    }
    finish(near, &mut unfinished, 0)
}

/// Takes notices until `most` sends at most are unfinished.
fn finish(socket: &TcpStream, unfinished: &mut u64, most: u64) -> Result<()> {
    while *unfinished > most {
        if let Some(sends) = done("recvmsg", net::completed_sends(socket))? {
            let Some(rest) = unfinished.checked_sub(sends.into()) else {
                bail!("the kernel finished {sends} sends, but only {unfinished} were begun");
            };
            *unfinished = rest;
        } else if !done("poll", net::wait_for_notice(socket, 20_000))? {
            bail!("{unfinished} sends were not finished within 20 seconds");
        }
    }
    Ok(())
}

fn send_unset(params: &Params) -> Result<()> {
    let (near, far) = tcp_pair(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let buffer = &mut buffer[..chunk.len];
        exactly("send", net::send(&near, buffer, libc::MSG_ZEROCOPY), chunk.len)?;
        exactly("recv", net::recv(&far, buffer, libc::MSG_WAITALL), chunk.len)?;
    }
    Ok(())
}

fn receive(params: &Params) -> Result<()> {
    let params = &with_whole_pages(params);
    let (near, far) = tcp_pair(params)?;
    allow(&near)?;
    let mut window = Window::new(&far, params.largest()).context("cannot map a socket")?;
    let (from, mut into) = (params.buffer()?, params.buffer()?);
    let mut unfinished = 0;
    for chunk in params.chunks() {
        exactly("send", net::send(&near, &from[..chunk.len], libc::MSG_ZEROCOPY), chunk.len)?;
        unfinished += 1;
        let rest = chunk.len % mem::page_size();
        map(&mut window, &far, chunk.len - rest)?;
        if rest > 0 {
            exactly("recv", net::recv(&far, &mut into[..rest], libc::MSG_WAITALL), rest)?;
        }
        finish(&near, &mut unfinished, UNFINISHED)?;
    }
    finish(&near, &mut unfinished, 0)
}

/// Has the window show so many bytes of whole pages.
fn map(window: &mut Window, socket: &TcpStream, bytes: usize) -> Result<()> {
    let mut left = bytes;
    while left > 0 {
        if !done("poll", net::wait_for_bytes(socket, 20_000))? {
            bail!("{left} bytes were not received within 20 seconds");
        }
        let mapped = done("getsockopt", window.receive(socket, left))?;
        if mapped == 0 {
            bail!("{left} bytes of whole pages were received, but cannot be mapped");
        }
        left -= mapped;
    }
    Ok(())
}
