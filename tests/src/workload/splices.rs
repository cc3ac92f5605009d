//! `splice(2)`, `tee(2)` and `vmsplice(2)`.

use std::fs::{File, OpenOptions};

use anyhow::{Context as _, Result};

use super::pipes::pipe_for;
use super::sockets::{PIECE, tcp_pair};
use super::step::{exactly, input, no_files, open_data, open_out, requires};
use super::sys::{fd, net};
use super::{Case, Expected, Params};

pub(super) const FILE_PIPE_SOCKET: Case =
    Case::new("splice-file-pipe-socket", input, file_pipe_socket, |params| {
        Expected::default()
            .passes_on("splice", "pipe", params)
            .passes_on("splice", "socket", params)
            .receives(params)
    });

pub(super) const FILE_PIPE_FILE: Case =
    Case::new("splice-file-pipe-file", input, file_pipe_file, |params| {
        Expected::default()
            .passes_on("splice", "pipe", params)
            .moves("splice", "file", params)
            .copies("splice", "in_kernel", params)
            .falls_back("splice", "file_sink", params)
    });

/// The pages received go to the pipe as they are, and are copied to the file.
/// Chunks are at most 16384 bytes, so that each arrives as a whole.
pub(super) const SOCKET_PIPE_FILE: Case =
    Case::new("splice-socket-pipe-file", input, socket_pipe_file, |params| {
        let params = &params.in_chunks_of_at_most(PIECE);
        Expected::default()
            .sends(params)
            .passes_on("splice", "pipe", params)
            .moves("splice", "file", params)
            .copies("splice", "in_kernel", params)
            .falls_back("splice", "file_sink", params)
    });

pub(super) const ZERO_PIPE: Case = Case::new("splice-zero-pipe", no_files, zero_pipe, |params| {
    Expected::default()
        .moves("splice", "pipe", params)
        .leaves_unknown("splice", "pipe", params)
        .reads("pipe", params)
})
.needs("Linux 6.5");

pub(super) const PIPE_NULL: Case = Case::new("splice-pipe-null", no_files, pipe_null, |params| {
    Expected::default().writes("pipe", params).moves("splice", "other", params)
});

pub(super) const TEE: Case = Case::new("tee", no_files, tee, |params| {
    Expected::default()
        .writes("pipe", params)
        .passes_on("tee", "pipe", params)
        .reads("pipe", params)
        .reads("pipe", params)
});

pub(super) const VMSPLICE_IN: Case = Case::new("vmsplice-in", no_files, vmsplice_in, |params| {
    Expected::default().passes_on("vmsplice", "pipe", params).moves("splice", "other", params)
});

pub(super) const VMSPLICE_OUT: Case = Case::new("vmsplice-out", no_files, vmsplice_out, |params| {
    Expected::default()
        .writes("pipe", params)
        .moves("vmsplice", "pipe", params)
        .copies("vmsplice", "to_user", params)
});

fn null() -> Result<File> {
    OpenOptions::new().write(true).open("/dev/null").context("cannot open /dev/null")
}

fn file_pipe_socket(params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let (read, write) = pipe_for(params)?;
    let (near, far) = tcp_pair(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        exactly("splice", fd::splice(&file, &write, chunk.len, 0), chunk.len)?;
        exactly("splice", fd::splice(&read, &near, chunk.len, 0), chunk.len)?;
        let buffer = &mut buffer[..chunk.len];
        exactly("recv", net::recv(&far, buffer, libc::MSG_WAITALL), chunk.len)?;
    }
    Ok(())
}

fn file_pipe_file(params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let out = open_out(params)?;
    let (read, write) = pipe_for(params)?;
    for chunk in params.chunks() {
        exactly("splice", fd::splice(&file, &write, chunk.len, 0), chunk.len)?;
        exactly("splice", fd::splice(&read, &out, chunk.len, 0), chunk.len)?;
    }
    Ok(())
}

fn socket_pipe_file(params: &Params) -> Result<()> {
    let out = open_out(params)?;
    let params = &params.in_chunks_of_at_most(PIECE);
    let (read, write) = pipe_for(params)?;
    let (near, far) = tcp_pair(params)?;
    let buffer = params.buffer()?;
    for chunk in params.chunks() {
        exactly("send", net::send(&near, &buffer[..chunk.len], 0), chunk.len)?;
        exactly("splice", fd::splice(&far, &write, chunk.len, 0), chunk.len)?;
        exactly("splice", fd::splice(&read, &out, chunk.len, 0), chunk.len)?;
    }
    Ok(())
}

fn zero_pipe(params: &Params) -> Result<()> {
    let zero = fd::open("/dev/zero").context("cannot open /dev/zero")?;
    let (read, write) = pipe_for(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let spliced = fd::splice(&zero, &write, chunk.len, 0);
        let spliced = requires(spliced, libc::EINVAL, "splice from /dev/zero needs Linux 6.5")?;
        exactly("splice", spliced, chunk.len)?;
        exactly("read", fd::read(&read, &mut buffer[..chunk.len]), chunk.len)?;
    }
    Ok(())
}

fn pipe_null(params: &Params) -> Result<()> {
    let null = null()?;
    let (read, write) = pipe_for(params)?;
    let buffer = params.buffer()?;
    for chunk in params.chunks() {
        exactly("write", fd::write(&write, &buffer[..chunk.len]), chunk.len)?;
        exactly("splice", fd::splice(&read, &null, chunk.len, 0), chunk.len)?;
    }
    Ok(())
}

fn tee(params: &Params) -> Result<()> {
    let (first, into_first) = pipe_for(params)?;
    let (second, into_second) = pipe_for(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let buffer = &mut buffer[..chunk.len];
        exactly("write", fd::write(&into_first, buffer), chunk.len)?;
        exactly("tee", fd::tee(&first, &into_second, chunk.len), chunk.len)?;
        exactly("read", fd::read(&first, buffer), chunk.len)?;
        exactly("read", fd::read(&second, buffer), chunk.len)?;
    }
    Ok(())
}

fn vmsplice_in(params: &Params) -> Result<()> {
    let null = null()?;
    let (read, write) = pipe_for(params)?;
    let buffer = params.buffer()?;
    for chunk in params.chunks() {
        exactly("vmsplice", fd::vmsplice_in(&write, &buffer[..chunk.len]), chunk.len)?;
        exactly("splice", fd::splice(&read, &null, chunk.len, 0), chunk.len)?;
    }
    Ok(())
}

fn vmsplice_out(params: &Params) -> Result<()> {
    let (read, write) = pipe_for(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let buffer = &mut buffer[..chunk.len];
        exactly("write", fd::write(&write, buffer), chunk.len)?;
        exactly("vmsplice", fd::vmsplice_out(&read, buffer), chunk.len)?;
    }
    Ok(())
}
