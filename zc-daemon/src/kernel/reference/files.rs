//! References on memory files, and on the memory of a process.

use std::{fs::File, os::unix::fs::FileExt as _};

use anyhow::{Context as _, Result};
use rustix::fs::MemfdFlags;

use super::{BYTES, CHUNK, ROUNDS, whole};

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

/// The result of a call of the C library.
pub(super) fn result(moved: isize) -> rustix::io::Result<usize> {
    let error = || rustix::io::Errno::from_io_error(&std::io::Error::last_os_error());
    usize::try_from(moved).map_err(|_| error().unwrap_or(rustix::io::Errno::IO))
}
