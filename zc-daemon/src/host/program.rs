//! Which programs run.

use std::{fs::File, path::PathBuf};

use object::{Object as _, ReadCache, read::File as Elf};

/// Where the program of a process can be read, as long as it lives.
#[must_use]
pub fn of(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/exe"))
}

/// Whether a process runs a program written in Go, which has a section for what it was
/// built of; not once it has ended.
#[must_use]
pub fn is_go(pid: u32) -> bool {
    let Ok(file) = File::open(of(pid)) else { return false };
    let cache = ReadCache::new(file);
    Elf::parse(&cache).is_ok_and(|elf| elf.section_by_name(".go.buildinfo").is_some())
}
