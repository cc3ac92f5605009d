//! Reads and writes on file systems that copy by functions of their own.

use anyhow::{Context as _, Result};

use super::files;
use super::step::{done, input, unsupported};
use super::sys::fd;
use super::{Case, Expected, Params};

/// The magic number of xfs, whose writes go by iomap (`linux/magic.h`).
const XFS: i64 = 0x5846_5342;

pub(super) const READ_XFS: Case =
    Case::new("read-xfs", input, read_xfs, |params| Expected::default().reads("file", params))
        .needs("xfs");

pub(super) const WRITE_XFS: Case =
    Case::new("write-xfs", input, write_xfs, |params| Expected::default().writes("file", params))
        .needs("xfs");

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
