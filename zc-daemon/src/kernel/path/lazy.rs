//! Paths that move nothing: a mapping far larger than memory, and what touching it costs.

use std::fs::File;

use anyhow::{Context as _, Result, ensure};
use memmap2::{Mmap, MmapOptions};

use super::child::{Prepared, Setting};

/// Between two pages that are touched.
const STRIDE: usize = 1 << 30;

pub(super) fn nothing(_: &Setting) -> Result<Prepared> {
    Ok(Prepared::new(None, |_, _| Ok(())))
}

/// Maps all of a file.
fn whole(file: &File, bytes: usize) -> Result<Mmap> {
    // SAFETY: nobody writes to the file or makes it shorter while it is mapped.
    let map = unsafe { MmapOptions::new().len(bytes).map(file) };
    map.context("cannot map 1000 GB")
}

fn length(setting: &Setting) -> Result<usize> {
    let bytes = std::fs::metadata(&setting.holes)?.len();
    ensure!(bytes > 0, "this file system has no files of 1000 GB; name another folder by --dir");
    Ok(usize::try_from(bytes)?)
}

pub(super) fn map(setting: &Setting) -> Result<Prepared> {
    let bytes = length(setting)?;
    // Its end would be one more call.
    Ok(Prepared::new(None, move |ends, _| {
        std::mem::forget(whole(&ends.from, bytes)?);
        Ok(())
    }))
}

pub(super) fn touch(setting: &Setting) -> Result<Prepared> {
    let map = whole(&File::open(&setting.holes)?, length(setting)?)?;
    let mut touched = 0;
    Ok(Prepared::new(None, move |_, _| {
        let byte = map.get(touched * STRIDE).context("fewer pages than are to be touched")?;
        std::hint::black_box(*byte);
        touched += 1;
        Ok(())
    }))
}
