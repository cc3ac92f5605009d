//! Paths between files, and from one to memory.

use anyhow::{Context as _, Result};
use memmap2::MmapMut;
use rustix::io::Errno;

use super::CHUNK;
use super::child::{Prepared, Setting};
use crate::kernel::calls::{all, whole};

pub(super) fn direct_read(_: &Setting) -> Result<Prepared> {
    // Pages, as direct I/O wants memory aligned.
    let mut buffer = MmapMut::map_anon(usize::try_from(CHUNK)?)?;
    Ok(Prepared::new(None, move |ends, number| {
        let read = rustix::io::pread(&ends.from, &mut buffer[..], number * CHUNK);
        whole("a direct read", read, buffer.len())
    }))
}

pub(super) fn copy_file_range(_: &Setting) -> Result<Prepared> {
    let chunk = usize::try_from(CHUNK)?;
    Ok(Prepared::new(None, move |ends, number| {
        let to = ends.to.as_ref().context("no file to write to")?;
        let (mut from_at, mut to_at) = (number * CHUNK, number * CHUNK);
        all("copy_file_range", chunk, |done| {
            let (from, to_at) = (Some(&mut from_at), Some(&mut to_at));
            rustix::fs::copy_file_range(&ends.from, from, to, to_at, chunk - done)
        })
    }))
}

pub(super) fn reflink(_: &Setting) -> Result<Prepared> {
    Ok(Prepared::new(None, |ends, _| {
        let to = ends.to.as_ref().context("no file to write to")?;
        let cloned = rustix::fs::ioctl_ficlone(to, &ends.from);
        if let Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::INVAL) = cloned {
            anyhow::bail!("this file system shares no blocks between files (xfs and btrfs do)");
        }
        cloned.context("FICLONE failed")
    }))
}
