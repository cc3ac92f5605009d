//! `sendfile(2)` and `copy_file_range(2)`.

use std::net::TcpStream;

use anyhow::Result;

use super::pipes::pipe_for;
use super::sockets::tcp_pair;
use super::step::{exactly, input, open_data, open_out, requires};
use super::sys::{fd, net};
use super::{Case, Expected, Params};

pub(super) const SENDFILE_SOCKET: Case =
    Case::new("sendfile-file-socket", input, to_socket, |params| {
        Expected::default().passes_on("sendfile", "socket", params).receives(params)
    });

pub(super) const SENDFILE_FILE: Case =
    Case::new("sendfile-file-file", input, to_file, |params| expect_in_kernel("sendfile", params));

pub(super) const SENDFILE_PIPE: Case = Case::new("sendfile-file-pipe", input, to_pipe, |params| {
    Expected::default().passes_on("sendfile", "pipe", params).reads("pipe", params)
})
.needs("Linux 5.12");

/// On a file system that shares blocks between files (xfs, btrfs) nothing may be
/// copied; the expectation is for one that does not.
pub(super) const COPY_FILE_RANGE: Case = Case::new("copy-file-range", input, range, |params| {
    expect_in_kernel("copy_file_range", params)
})
.needs("a file system that copies: ext4 or tmpfs");

fn expect_in_kernel(route: &'static str, params: &Params) -> Expected {
    Expected::default().moves(route, "file", params).copies(route, "in_kernel", params).falls_back(
        route,
        "file_sink",
        params,
    )
}

pub(super) fn to_socket(params: &Params) -> Result<()> {
    send_file_over(&tcp_pair(params)?, params)
}

/// Sends the input by one end of a connection, and receives it by the other.
pub(super) fn send_file_over((near, far): &(TcpStream, TcpStream), params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        exactly("sendfile", fd::sendfile(near, &file, chunk.len), chunk.len)?;
        let buffer = &mut buffer[..chunk.len];
        exactly("recv", net::recv(far, buffer, libc::MSG_WAITALL), chunk.len)?;
    }
    Ok(())
}

fn to_file(params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let out = open_out(params)?;
    for chunk in params.chunks() {
        exactly("sendfile", fd::sendfile(&out, &file, chunk.len), chunk.len)?;
    }
    Ok(())
}

fn to_pipe(params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let (read, write) = pipe_for(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let sent = fd::sendfile(&write, &file, chunk.len);
        let sent = requires(sent, libc::EINVAL, "sendfile to a pipe needs Linux 5.12")?;
        exactly("sendfile", sent, chunk.len)?;
        exactly("read", fd::read(&read, &mut buffer[..chunk.len]), chunk.len)?;
    }
    Ok(())
}

fn range(params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let out = open_out(params)?;
    for chunk in params.chunks() {
        exactly("copy_file_range", fd::copy_file_range(&file, &out, chunk.len), chunk.len)?;
    }
    Ok(())
}
