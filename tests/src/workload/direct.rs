//! Direct I/O. It moves whole blocks, so these cases take whole units of 4096
//! bytes, of the chunk and of all bytes, and leave the rest of the file.

use std::fs::File;

use anyhow::{Context as _, Result};

use super::step::{exactly, input, input_and_output, open_data, open_direct, requires};
use super::sys::fd;
use super::{Case, Expected, Params};

const NEEDS: &str = "a file system with direct I/O in blocks of at most 4096 bytes: ext4 or xfs";

pub(super) const READ: Case = Case::new("direct-read", input, read, expect).needs(NEEDS);

/// The file becomes direct after it was opened, by `fcntl(2)`.
pub(super) const READ_LATE: Case =
    Case::new("direct-read-fcntl", input, read_late, expect).needs(NEEDS);

pub(super) const WRITE: Case =
    Case::new("direct-write", input_and_output, write, expect).needs(NEEDS);

/// The whole blocks of the bytes.
pub(super) fn blocks(params: &Params) -> Params {
    params.in_units_of(4096)
}

fn expect(params: &Params) -> Expected {
    Expected::default().passes_on("direct_io", "file", &blocks(params))
}

fn read(params: &Params) -> Result<()> {
    read_blocks(params, &open_direct(&params.data(), false)?)
}

fn read_late(params: &Params) -> Result<()> {
    // Only to learn whether the file system can.
    drop(open_direct(&params.data(), false)?);
    let file = open_data(params)?;
    fd::set_flags(&file, libc::O_DIRECT).context("cannot make an open file direct")?;
    read_blocks(params, &file)
}

fn read_blocks(params: &Params, file: &File) -> Result<()> {
    let params = &blocks(params);
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let read = fd::read(file, &mut buffer[..chunk.len]);
        let read = requires(read, libc::EINVAL, NEEDS)?;
        exactly("read", read, chunk.len)?;
    }
    Ok(())
}

fn write(params: &Params) -> Result<()> {
    let file = open_direct(&params.out(), true)?;
    let params = &blocks(params);
    let buffer = params.buffer()?;
    for chunk in params.chunks() {
        let written = fd::write(&file, &buffer[..chunk.len]);
        let written = requires(written, libc::EINVAL, NEEDS)?;
        exactly("write", written, chunk.len)?;
    }
    Ok(())
}
