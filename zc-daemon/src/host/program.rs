//! Which programs run.

use std::{
    fs::{self, File},
    path::PathBuf,
};

use object::{Object as _, ReadCache, read::File as Elf};

/// Which program a process runs; none once it has ended.
#[must_use]
pub fn of(pid: u32) -> Option<PathBuf> {
    fs::read_link(exe(pid)).ok()
}

/// Where it can be read, though it may have been deleted.
fn exe(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/exe"))
}

/// Whether a process holds an io_uring, which it may use without a system call; not once it
/// has ended.
#[must_use]
pub fn holds_ring(pid: u32) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let mut links = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    links.any(|link| link.as_os_str() == "anon_inode:[io_uring]")
}

/// Whether a process runs a program written in Go, which has a section for what it was
/// built of; not once it has ended.
#[must_use]
pub fn is_go(pid: u32) -> bool {
    let Ok(file) = File::open(exe(pid)) else { return false };
    let cache = ReadCache::new(file);
    Elf::parse(&cache).is_ok_and(|elf| elf.section_by_name(".go.buildinfo").is_some())
}
