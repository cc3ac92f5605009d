//! Folders for files that zc moves itself, and what they are on.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use zc_common::file::is_in_memory;

/// A place for files, and what it is on.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where.
    pub dir: PathBuf,
    /// The name of the file system, if it is one that zc knows.
    pub file_system: &'static str,
    /// Whether it is on a disk, from which bytes come by DMA.
    pub has_device: bool,
}

/// Names of file systems, by their magic numbers (include/uapi/linux/magic.h).
const FILE_SYSTEMS: &[(u64, &str)] = &[
    (0xEF53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683E, "btrfs"),
    (0xF2F5_2010, "f2fs"),
    (0x794C_7630, "overlay"),
    (0x0102_1994, "tmpfs"),
    (0x8584_58F6, "ramfs"),
];

impl Place {
    /// What a folder is on.
    ///
    /// # Errors
    ///
    /// If there is no such folder.
    pub fn new(dir: &Path) -> Result<Self> {
        let about = rustix::fs::statfs(dir)
            .with_context(|| format!("{} is no folder that files can be in", dir.display()))?;
        let magic = about.f_type.cast_unsigned();
        let known = FILE_SYSTEMS.iter().find(|(number, _)| *number == magic);
        let file_system = known.map_or("unknown", |(_, name)| name);
        Ok(Self { dir: dir.to_owned(), file_system, has_device: !is_in_memory(magic) })
    }

    /// The first of these folders that is on a disk; if none is, the first.
    ///
    /// # Errors
    ///
    /// If there is none of them.
    pub fn first_on_a_disk(dirs: &[PathBuf]) -> Result<Self> {
        let places: Vec<_> = dirs.iter().filter_map(|dir| Self::new(dir).ok()).collect();
        let best = places.iter().find(|place| place.has_device).or(places.first());
        best.cloned().context("there is no folder for temporary files; name one by --dir")
    }
}
