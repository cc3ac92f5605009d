//! Pipes and event counters.

use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result};

use super::step::{exactly, no_files};
use super::sys::{fd, mem};
use super::{Case, Expected, Params};

/// What a pipe takes in one piece, if it keeps pieces apart.
const PACKET: u64 = 4096;

pub(super) const PIPE: Case = Case::new("pipe", no_files, alternate, |params| {
    Expected::default().writes("pipe", params).reads("pipe", params)
});

/// A pipe opened with `O_DIRECT` keeps packets apart; that is not direct I/O.
/// Chunks are at most 4096 bytes, the largest packet.
pub(super) const PIPE_PACKET: Case =
    Case::new("pipe-packet", no_files, alternate_packets, |params| {
        let params = &params.in_chunks_of_at_most(PACKET);
        Expected::default().writes("pipe", params).reads("pipe", params)
    });

/// Counts are 8 bytes, whatever the chunk; what remains of the bytes is left out.
pub(super) const EVENTFD: Case = Case::new("eventfd", no_files, count, |params| {
    let params = &counts(params);
    Expected::default()
        .moves("write", "other", params)
        .copies_unseen("write", "from_user", params)
        .moves("read", "other", params)
        .copies_unseen("read", "to_user", params)
});

/// A pipe that takes one chunk however its bytes lie on pages, as its read end
/// and its write end.
pub(super) fn pipe_for(params: &Params) -> Result<(OwnedFd, OwnedFd)> {
    let (read, write) = fd::pipe(0).context("cannot make a pipe")?;
    let page = mem::page_size();
    let wanted = params.largest().div_ceil(page).saturating_add(1).saturating_mul(page);
    if fd::pipe_size(&write).context("cannot tell the size of a pipe")? < wanted {
        fd::set_pipe_size(&write, wanted)
            .with_context(|| format!("cannot make a pipe of {wanted} bytes"))?;
    }
    Ok((read, write))
}

fn alternate(params: &Params) -> Result<()> {
    let (read, write) = pipe_for(params)?;
    write_and_read(params, &read, &write)
}

fn alternate_packets(params: &Params) -> Result<()> {
    let (read, write) = fd::pipe(libc::O_DIRECT).context("cannot make a pipe of packets")?;
    write_and_read(&params.in_chunks_of_at_most(PACKET), &read, &write)
}

/// Writes each chunk, then reads it.
pub(super) fn write_and_read(params: &Params, read: &OwnedFd, write: &OwnedFd) -> Result<()> {
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let buffer = &mut buffer[..chunk.len];
        exactly("write", fd::write(write, buffer), chunk.len)?;
        exactly("read", fd::read(read, buffer), chunk.len)?;
    }
    Ok(())
}

fn counts(params: &Params) -> Params {
    Params { chunk: 8, ..params.in_units_of(8) }
}

fn count(params: &Params) -> Result<()> {
    let counter = fd::eventfd().context("cannot make an event counter")?;
    let mut value = 1_u64.to_ne_bytes();
    for chunk in counts(params).chunks() {
        exactly("write", fd::write(&counter, &value), chunk.len)?;
        exactly("read", fd::read(&counter, &mut value), chunk.len)?;
    }
    Ok(())
}
