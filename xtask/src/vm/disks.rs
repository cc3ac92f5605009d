//! The disks of a guest: files of this host with file systems in them.

use super::Guest;
use crate::cmd;
use anyhow::{Context, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of this host with a file system in it.
#[derive(Clone, Copy)]
pub(super) struct Disk {
    name: &'static str,
    pub(super) mib: u32,
    /// What makes it; not on every user's PATH, hence absolute.
    program: &'static str,
    arguments: &'static [&'static str],
}

/// Beside the scratch disk, in this order; `init.sh` mounts them. Each is a little larger
/// than the least, and has nothing that Linux 5.10 does not know.
const MORE_DISKS: &[Disk] = &[
    Disk {
        name: "xfs",
        mib: 320,
        program: "/sbin/mkfs.xfs",
        arguments: &["-q", "-m", "reflink=1,bigtime=0,inobtcount=0", "-i", "nrext64=0"],
    },
    Disk { name: "btrfs", mib: 128, program: "/sbin/mkfs.btrfs", arguments: &["-q"] },
];

/// Persistent memory, whose files are used in place if blocks are pages (DAX).
const MEMORY: Disk = Disk {
    name: "dax",
    mib: 64,
    program: "/sbin/mke2fs",
    arguments: &["-q", "-F", "-t", "ext4", "-b", "4096"],
};

/// The disks of a guest: the first is /dev/vda.
pub(super) fn disks(guest: &Guest) -> Vec<Disk> {
    let scratch = guest.disk_mib.map(|mib| Disk {
        name: "disk",
        mib,
        program: "/sbin/mke2fs",
        arguments: &["-q", "-F", "-t", "ext4"],
    });
    let more = if guest.more_disks { MORE_DISKS } else { &[] };
    scratch.into_iter().chain(more.iter().copied()).collect()
}

/// The persistent memory of a guest.
pub(super) fn memory(guest: &Guest) -> Option<&'static Disk> {
    guest.more_disks.then_some(&MEMORY)
}

impl Disk {
    pub(super) fn path(&self, dir: &Path) -> PathBuf {
        dir.join(self.name)
    }

    /// Makes a sparse file with an empty file system in it.
    pub(super) fn make(&self, dir: &Path) -> Result<()> {
        let path = self.path(dir);
        File::create(&path)?.set_len(u64::from(self.mib) << 20)?;
        cmd::output(Command::new(self.program).args(self.arguments).arg(path))
            .with_context(|| format!("no scratch disk of {} MiB could be made", self.mib))?;
        Ok(())
    }
}
