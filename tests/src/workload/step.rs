//! What one call of a case must do, and the files cases share.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::{error, fmt};

use anyhow::{Context as _, Result, anyhow, bail};

use super::{Params, size, sys};

/// This kernel or file system cannot run the case; nothing is wrong with it.
#[derive(Debug)]
pub struct Unsupported(String);

impl fmt::Display for Unsupported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl error::Error for Unsupported {}

/// The failure to do a case this kernel or file system cannot run.
pub(super) fn unsupported(why: impl Into<String>) -> anyhow::Error {
    Unsupported(why.into()).into()
}

/// The result of `call`, whose failure is told as [`Unsupported`] when the
/// kernel has no such call.
pub(super) fn done<T>(call: &str, result: io::Result<T>) -> Result<T> {
    result.map_err(|error| match error.raw_os_error() {
        Some(libc::ENOSYS | libc::EOPNOTSUPP) => {
            unsupported(format!("{call} is not supported here: {error}"))
        }
        _ => anyhow!("{call} failed: {error}"),
    })
}

/// Checks that `call` moved exactly `wanted` bytes.
pub(super) fn exactly(call: &str, result: io::Result<usize>, wanted: usize) -> Result<()> {
    let got = done(call, result)?;
    if got != wanted {
        bail!("{call} moved {got} bytes instead of {wanted}");
    }
    Ok(())
}

/// Checks that `call` failed with the error `wanted`.
pub(super) fn fails<T>(call: &str, result: io::Result<T>, wanted: libc::c_int) -> Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(wanted) => Ok(()),
        Err(error) => bail!("{call} failed in another way than it should: {error}"),
        Ok(_) => bail!("{call} did not fail"),
    }
}

/// Tells the error `refusal` as [`Unsupported`], because of `needs`; leaves any
/// other result to the caller.
pub(super) fn requires<T>(
    result: io::Result<T>,
    refusal: libc::c_int,
    needs: &str,
) -> Result<io::Result<T>> {
    match result {
        Err(error) if error.raw_os_error() == Some(refusal) => {
            Err(unsupported(format!("{needs}: {error}")))
        }
        result => Ok(result),
    }
}

/// Prepares a case that uses no file.
pub(super) fn no_files(_: &Params) -> Result<()> {
    Ok(())
}

/// Prepares a case that reads `data` or writes `out`: the first is there, on
/// the disk, and the second is not.
pub(super) fn input(params: &Params) -> Result<()> {
    fs::create_dir_all(&params.dir)
        .with_context(|| format!("cannot make {}", params.dir.display()))?;
    fill(&params.data(), params.bytes)?;
    match fs::remove_file(params.out()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).context("cannot remove the last output")
        }
        _ => Ok(()),
    }
}

/// Prepares a case that overwrites `out` in place.
pub(super) fn input_and_output(params: &Params) -> Result<()> {
    input(params)?;
    fill(&params.out(), params.bytes)
}

/// Makes a file of so many bytes, no two pages of which are alike.
fn fill(path: &Path, bytes: u64) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file = File::create(path)?;
        let mut page = [0; 4096];
        for at in (0..bytes).step_by(page.len()) {
            for (word, value) in page.chunks_exact_mut(8).zip(at..) {
                word.copy_from_slice(&value.to_le_bytes());
            }
            let len = page.len().min(size(bytes - at));
            file.write_all(&page[..len])?;
        }
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Opens `data`, which must be as long as the case says.
pub(super) fn open_data(params: &Params) -> Result<File> {
    let path = params.data();
    let file = sys::fd::open(&path)
        .with_context(|| format!("cannot open {}: prepare the case first", path.display()))?;
    let len = file.metadata().context("cannot tell the length of the input")?.len();
    if len != params.bytes {
        bail!("{} has {len} bytes instead of {}", path.display(), params.bytes);
    }
    Ok(file)
}

/// Opens `out` for writing, empty.
pub(super) fn open_out(params: &Params) -> Result<File> {
    let path = params.out();
    File::create(&path).with_context(|| format!("cannot create {}", path.display()))
}

/// Opens `path` with `O_DIRECT`, for reading or for writing.
pub(super) fn open_direct(path: &Path, write: bool) -> Result<File> {
    let opened =
        OpenOptions::new().read(!write).write(write).custom_flags(libc::O_DIRECT).open(path);
    let opened = requires(opened, libc::EINVAL, "direct I/O needs a file system that has it")?;
    let file = opened.with_context(|| format!("cannot open {}", path.display()))?;
    if done("fstatfs", sys::fd::file_system(&file))? == libc::TMPFS_MAGIC {
        return Err(unsupported("tmpfs has no direct I/O"));
    }
    Ok(file)
}
