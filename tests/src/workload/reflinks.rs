//! Copies of files that share the blocks, on a file system that can: xfs or btrfs.
//! They share whole blocks, so these cases take whole units of 4096 bytes, as the
//! cases of direct I/O do.

use anyhow::{Context as _, Result};

use super::direct::blocks;
use super::step::{done, exactly, input, open_data, open_out};
use super::sys::fd;
use super::{Case, Expected, Params};

const NEEDS: &str = "a file system that shares blocks of at most 4096 bytes: xfs or btrfs";

/// Nothing is copied, which the call does not tell.
pub(super) const COPY_FILE_RANGE: Case =
    Case::new("reflink-copy-file-range", input, range, |params| {
        // The whole file is cloned first.
        let expected = Expected::default().links("other", params);
        let params = &blocks(params);
        expected
            .moves("copy_file_range", "file", params)
            .leaves_to_probes("copy_file_range", "file", params)
            .links("copy_file_range", params)
    })
    .needs(NEEDS);

/// A clone returns no count of bytes: it is no transfer.
pub(super) const CLONE: Case = Case::new("reflink-clone-range", input, clone, |params| {
    Expected::default().links("other", &blocks(params))
})
.needs(NEEDS);

fn range(params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let out = open_out(params)?;
    // Only to learn whether the file system can, which copy_file_range does not tell.
    done("FICLONERANGE", fd::clone_range(&file, &out, 0, 0))?;
    out.set_len(0).context("cannot empty the output")?;
    for chunk in blocks(params).chunks() {
        exactly("copy_file_range", fd::copy_file_range(&file, &out, chunk.len), chunk.len)?;
    }
    Ok(())
}

fn clone(params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let out = open_out(params)?;
    for chunk in blocks(params).chunks() {
        let len = u64::try_from(chunk.len).context("no file is so long")?;
        done("FICLONERANGE", fd::clone_range(&file, &out, chunk.at, len))?;
    }
    Ok(())
}
