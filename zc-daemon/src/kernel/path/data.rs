//! The files that paths read and write.

use std::{
    fs::File,
    io::Write as _,
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rustix::{
    fs::{Advice, Mode, OFlags},
    io::{Errno, FdFlags},
};

use super::CHUNK;
use crate::kernel::place::Place;

/// As large as ten disks.
const HOLES: u64 = 1_000_000_000_000;

/// The files. They have no name, so that nothing is left behind, however this ends; processes
/// that are started inherit them.
pub struct Data {
    data: File,
    warm: File,
    holes: File,
}

impl Data {
    /// Makes a file of so many bytes, one to warm up with, and one of holes.
    ///
    /// # Errors
    ///
    /// If there is no room.
    pub fn new(place: &Place, bytes: u64) -> Result<Self> {
        let dir = place.dir.display();
        let file = || -> Result<File> {
            let file = tempfile::tempfile_in(&place.dir);
            let file = file
                .with_context(|| format!("cannot write in {dir}; name another folder by --dir"))?;
            rustix::io::fcntl_setfd(&file, FdFlags::empty())?;
            Ok(file)
        };
        let data = Self { data: file()?, warm: file()?, holes: file()? };
        fill(&data.data, bytes)
            .with_context(|| format!("no room for {bytes} bytes in {dir}; see --dir and --size"))?;
        fill(&data.warm, CHUNK)?;
        // Not every file system has files so large: its rows then say so.
        data.holes.set_len(HOLES).ok();
        Ok(data)
    }

    /// Where processes that are started find the three.
    #[must_use]
    pub fn paths(&self) -> [PathBuf; 3] {
        [&self.data, &self.warm, &self.holes]
            .map(|file| format!("/proc/self/fd/{}", file.as_raw_fd()).into())
    }
}

/// Whatever a file system does with zeroes, and with what it has seen before, it does not do
/// with these.
fn fill(mut file: &File, bytes: u64) -> Result<()> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut chunk = Vec::with_capacity(usize::try_from(CHUNK)?);
    for _ in 0..bytes / CHUNK {
        chunk.clear();
        for _ in 0..CHUNK / 8 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            chunk.extend(state.to_ne_bytes());
        }
        file.write_all(&chunk)?;
    }
    Ok(file.sync_all()?)
}

/// Opens a file to read.
pub(super) fn open(path: &Path, flags: OFlags) -> Result<File> {
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    if matches!(opened, Err(Errno::INVAL)) && flags.contains(OFlags::DIRECT) {
        anyhow::bail!("this file system has no direct I/O; name another folder by --dir");
    }
    Ok(opened.with_context(|| format!("cannot open {}", path.display()))?.into())
}

/// Drops what the page cache has of a file.
pub(super) fn cool(file: &File) -> Result<()> {
    rustix::fs::fsync(file).context("fsync failed")?;
    rustix::fs::fadvise(file, 0, None, Advice::DontNeed).context("posix_fadvise failed")
}
