//! Reads and writes on file systems that copy by functions of their own.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result};

use super::direct::blocks;
use super::step::{done, input, unsupported};
use super::sys::fd;
use super::{Case, Chunk, Expected, Params, copies, files};
use crate::kernel;

/// The magic number of xfs, whose writes go by iomap (`linux/magic.h`).
const XFS: i64 = 0x5846_5342;

pub(super) const READ_XFS: Case =
    Case::new("read-xfs", input, read_xfs, |params| Expected::default().reads("file", params))
        .needs("xfs");

pub(super) const WRITE_XFS: Case =
    Case::new("write-xfs", input, write_xfs, |params| Expected::default().writes("file", params))
        .needs("xfs");

/// The magic number of btrfs, which writes by functions of its module.
const BTRFS: i64 = 0x9123_683e;

pub(super) const READ_BTRFS: Case =
    Case::new("read-btrfs", input, read_btrfs, |params| Expected::default().reads("file", params))
        .needs("btrfs");

pub(super) const WRITE_BTRFS: Case = Case::new("write-btrfs", input, write_btrfs, |params| {
    Expected::default().moves("write", "file", params).copies_unhooked("write", "from_user", params)
})
.needs("btrfs");

/// Persistent memory, which a file system uses in place of a page cache.
const MEMORY: &str = "a file system mounted with the option dax";

pub(super) const READ_DAX: Case =
    Case::new("read-dax", input, read_dax, |params| Expected::default().reads("file", params))
        .needs(MEMORY);

pub(super) const WRITE_DAX: Case =
    Case::new("write-dax", input, write_dax, |params| Expected::default().writes("file", params))
        .needs(MEMORY);

/// Memory of a file cannot be linked: it is copied, and the copy is sent by reference.
/// The textbook does not know that the file is there.
pub(super) const SENDFILE_DAX: Case = Case::new("sendfile-dax", input, sendfile_dax, |params| {
    let received = Expected::default().receives(params);
    if kernel::hooks_functions() {
        received
            .moves("sendfile", "socket", params)
            .copies_in_truth("sendfile", "in_kernel", params)
            .falls_back("sendfile", "source", params)
    } else {
        received.passes_on("sendfile", "socket", params)
    }
})
.needs(MEMORY);

/// Every second chunk is a hole, which the read fills with zeroes; in whole blocks.
pub(super) const READ_HOLES_DAX: Case = Case::new("read-holes-dax", holes, read_holes, |params| {
    let params = &blocks(params);
    let bytes = written(params).map(|chunk| chunk.len as u64).sum();
    Expected::default()
        .moves("read", "file", params)
        .copies_unseen("read", "to_user", params)
        .copies_in_truth("read", "to_user", &Params { bytes, ..params.clone() })
})
.needs(MEMORY);

/// Refuses to go on if the files are on another file system.
fn require(params: &Params, magic: i64, name: &str) -> Result<()> {
    let dir = fd::open(&params.dir).context("cannot open the folder of the case")?;
    if done("fstatfs", fd::file_system(&dir))? == magic {
        Ok(())
    } else {
        Err(unsupported(format!("{} is not on {name}", params.dir.display())))
    }
}

fn read_xfs(params: &Params) -> Result<()> {
    require(params, XFS, "xfs")?;
    files::read(params)
}

fn write_xfs(params: &Params) -> Result<()> {
    require(params, XFS, "xfs")?;
    files::write(params)
}

fn read_btrfs(params: &Params) -> Result<()> {
    require(params, BTRFS, "btrfs")?;
    files::read(params)
}

fn write_btrfs(params: &Params) -> Result<()> {
    require(params, BTRFS, "btrfs")?;
    files::write(params)
}

/// Refuses to go on if the files are not used in place (`STATX_ATTR_DAX`).
fn require_dax(params: &Params) -> Result<()> {
    let data = fd::open(params.data()).context("cannot open the input")?;
    if done("statx", fd::is_used_in_place(&data))? {
        Ok(())
    } else {
        Err(unsupported(format!("{} is not used in place", params.data().display())))
    }
}

fn read_dax(params: &Params) -> Result<()> {
    require_dax(params)?;
    files::read(params)
}

fn write_dax(params: &Params) -> Result<()> {
    require_dax(params)?;
    files::write(params)
}

fn sendfile_dax(params: &Params) -> Result<()> {
    require_dax(params)?;
    copies::to_socket(params)
}

/// The chunks that are no holes.
fn written(params: &Params) -> impl Iterator<Item = Chunk> + use<> {
    params.chunks().step_by(2)
}

fn holes(params: &Params) -> Result<()> {
    let params = &blocks(params);
    input(&Params { bytes: 0, ..params.clone() })?;
    let write = || {
        let file = OpenOptions::new().write(true).open(params.data())?;
        file.set_len(params.bytes)?;
        for chunk in written(params) {
            file.write_all_at(&vec![0x5a; chunk.len], chunk.at)?;
        }
        file.sync_all()
    };
    write().context("cannot write the input")
}

fn read_holes(params: &Params) -> Result<()> {
    read_dax(&blocks(params))
}
