//! `read(2)` and `write(2)` with their relatives, on files and devices.

use std::fs::OpenOptions;

use anyhow::{Context as _, Result};

use super::step::{exactly, input, no_files, open_data, open_out};
use super::sys::fd;
use super::sys::mem::Buffer;
use super::{Case, Expected, Params, size};

pub(super) const READ: Case = Case::new("read-file", input, read, expect_read);
pub(super) const PREAD: Case = Case::new("pread-file", input, pread, expect_read);
pub(super) const READV: Case = Case::new("readv-file", input, readv, expect_read);
pub(super) const PREADV2: Case = Case::new("preadv2-file", input, preadv2, expect_read);
pub(super) const WRITE: Case = Case::new("write-file", input, write, expect_write);
pub(super) const PWRITEV: Case = Case::new("pwritev-file", input, pwritev, expect_write);

/// One read asks for twice what the file has: what counts is what it returns.
pub(super) const READ_OVERSIZE: Case =
    Case::new("read-file-oversize", input, read_oversize, |params| {
        Expected::default().moves_in("read", "file", params.bytes, 1).copies_in(
            "read",
            "to_user",
            params.bytes,
            1,
        )
    });

/// A file of memory is a file all the same.
pub(super) const MEMFD: Case = Case::new("memfd", no_files, memfd, |params| {
    Expected::default().writes("file", params).reads("file", params)
});

pub(super) const READ_ZERO: Case = Case::new("read-zero", no_files, read_zero, |params| {
    Expected::default().moves("read", "other", params)
});

pub(super) const WRITE_NULL: Case = Case::new("write-null", no_files, write_null, |params| {
    Expected::default().moves("write", "other", params)
});

pub(super) const READ_URANDOM: Case = Case::new("read-urandom", no_files, read_urandom, |params| {
    Expected::default().reads("other", params)
});

fn expect_read(params: &Params) -> Expected {
    Expected::default().reads("file", params)
}

fn expect_write(params: &Params) -> Expected {
    Expected::default().writes("file", params)
}

pub(super) fn read(params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        exactly("read", fd::read(&file, &mut buffer[..chunk.len]), chunk.len)?;
    }
    Ok(())
}

fn pread(params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        exactly("pread", fd::pread(&file, &mut buffer[..chunk.len], chunk.at), chunk.len)?;
    }
    Ok(())
}

fn readv(params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        exactly("readv", fd::readv(&file, &mut buffer[..chunk.len]), chunk.len)?;
    }
    Ok(())
}

fn preadv2(params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        exactly("preadv2", fd::preadv2(&file, &mut buffer[..chunk.len], chunk.at), chunk.len)?;
    }
    Ok(())
}

fn read_oversize(params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let mut buffer = Buffer::new(size(params.bytes.saturating_mul(2)))?;
    exactly("read", fd::read(&file, &mut buffer), size(params.bytes))
}

pub(super) fn write(params: &Params) -> Result<()> {
    let file = open_out(params)?;
    let buffer = params.buffer()?;
    for chunk in params.chunks() {
        exactly("write", fd::write(&file, &buffer[..chunk.len]), chunk.len)?;
    }
    Ok(())
}

fn pwritev(params: &Params) -> Result<()> {
    let file = open_out(params)?;
    let buffer = params.buffer()?;
    for chunk in params.chunks() {
        exactly("pwritev", fd::pwritev(&file, &buffer[..chunk.len], chunk.at), chunk.len)?;
    }
    Ok(())
}

fn memfd(params: &Params) -> Result<()> {
    let file = fd::memfd().context("cannot make a file of memory")?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let buffer = &mut buffer[..chunk.len];
        exactly("write", fd::write(&file, buffer), chunk.len)?;
        exactly("pread", fd::pread(&file, buffer, chunk.at), chunk.len)?;
    }
    Ok(())
}

fn read_zero(params: &Params) -> Result<()> {
    read_device(params, "/dev/zero")
}

fn read_urandom(params: &Params) -> Result<()> {
    read_device(params, "/dev/urandom")
}

fn read_device(params: &Params, device: &str) -> Result<()> {
    let file = fd::open(device).with_context(|| format!("cannot open {device}"))?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        exactly("read", fd::read(&file, &mut buffer[..chunk.len]), chunk.len)?;
    }
    Ok(())
}

fn write_null(params: &Params) -> Result<()> {
    let null = OpenOptions::new().write(true).open("/dev/null").context("cannot open /dev/null")?;
    let buffer = params.buffer()?;
    for chunk in params.chunks() {
        exactly("write", fd::write(&null, &buffer[..chunk.len]), chunk.len)?;
    }
    Ok(())
}
