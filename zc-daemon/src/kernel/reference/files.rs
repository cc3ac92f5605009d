//! References on memory files, and on the memory of a process.

use std::{fs::File, os::unix::fs::FileExt as _, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use memmap2::MmapMut;
use rustix::fs::{MemfdFlags, Mode, OFlags};

use super::{BYTES, CHUNK, ROUNDS, whole};
use crate::kernel::{calls::result, place::Place};

/// An empty memory file.
fn memory() -> Result<File> {
    let file = rustix::fs::memfd_create(c"zc", MemfdFlags::CLOEXEC);
    Ok(file.context("the kernel gives no memory file")?.into())
}

/// One whose pages are of zeroes: nothing need be written there.
pub(super) fn zeroes() -> Result<File> {
    let file = memory()?;
    file.set_len(BYTES)?;
    Ok(file)
}

pub(super) fn memory_file() -> Result<()> {
    let file = memory()?;
    let mut chunk = [1; CHUNK];
    for at in (0..BYTES).step_by(CHUNK) {
        file.write_all_at(&chunk, at)?;
        file.read_exact_at(&mut chunk, at)?;
    }
    Ok(())
}

/// A file without a name, on a disk, opened with `O_DIRECT`.
fn on_disk() -> Result<File> {
    let places = [PathBuf::from("."), std::env::temp_dir(), PathBuf::from("/var/tmp")];
    // In memory what is taken with O_DIRECT, if it is, is copied.
    for place in places.iter().filter(|dir| Place::new(dir).is_ok_and(|on| on.has_device)) {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::DIRECT;
        if let Ok(file) = rustix::fs::open(place, flags, Mode::RUSR | Mode::WUSR) {
            return Ok(file.into());
        }
    }
    bail!(
        "neither this folder, nor that of TMPDIR, nor /var/tmp is on a disk that takes O_DIRECT; \
         set TMPDIR to one that is"
    )
}

pub(super) fn direct() -> Result<()> {
    let file = on_disk()?;
    // Pages, as direct I/O wants memory aligned.
    let mut chunk = MmapMut::map_anon(CHUNK)?;
    for at in (0..BYTES).step_by(CHUNK) {
        file.write_all_at(&chunk, at)?;
        file.read_exact_at(&mut chunk, at)?;
    }
    Ok(())
}

pub(super) fn sendfile() -> Result<()> {
    let (from, to) = (zeroes()?, zeroes()?);
    for _ in 0..ROUNDS {
        whole("sendfile", rustix::fs::sendfile(&to, &from, None, CHUNK))?;
    }
    Ok(())
}

pub(super) fn copy_file_range() -> Result<()> {
    let (from, to) = (zeroes()?, zeroes()?);
    for _ in 0..ROUNDS {
        let copied = rustix::fs::copy_file_range(&from, None, &to, None, CHUNK);
        whole("copy_file_range", copied)?;
    }
    Ok(())
}

/// Reads from this process' own memory, and writes to it.
pub(super) fn process_vm() -> Result<()> {
    let (mut near, mut far) = (vec![0_u8; CHUNK], vec![1_u8; CHUNK]);
    let vector = |bytes: &mut [u8]| libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let (local, remote) = (vector(&mut near), vector(&mut far));
    let pid = std::process::id().cast_signed();
    for _ in 0..ROUNDS {
        // SAFETY: both vectors name memory of this process that lives on, and that nobody
        // else looks at meanwhile.
        let read =
            unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
        // SAFETY: as above.
        let written =
            unsafe { libc::process_vm_writev(pid, &raw const local, 1, &raw const remote, 1, 0) };
        whole("process_vm_readv", result(read))?;
        whole("process_vm_writev", result(written))?;
    }
    Ok(())
}
