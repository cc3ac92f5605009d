//! Reads of files of huge pages (hugetlbfs).

use anyhow::{Context as _, Result};

use super::step::{exactly, no_files, requires};
use super::sys::fd;
use super::sys::mem::WritableMap;
use super::{Case, Expected, Params, size};

const NEEDS: &str = "reserved pages of 2 MiB (/proc/sys/vm/nr_hugepages)";

/// The size of a huge page.
const PAGE: u64 = 2 << 20;

/// The file is filled through one mapping of its pages: it has no other way in.
pub(super) const READ: Case = Case::new("read-huge-file", no_files, read, |params| {
    Expected::default().moves_in("mmap", "file", whole(params), 1).reads("file", params)
})
.needs(NEEDS);

/// The bytes of the pages that hold those of the case.
fn whole(params: &Params) -> u64 {
    params.bytes.next_multiple_of(PAGE)
}

fn read(params: &Params) -> Result<()> {
    let file = requires(fd::huge_memfd(), libc::EINVAL, NEEDS)?;
    let file = file.context("cannot make a file of huge pages")?;
    file.set_len(whole(params)).context("cannot size a file of huge pages")?;
    let pages = WritableMap::shared(&file, size(whole(params)));
    let mut pages = requires(pages, libc::ENOMEM, NEEDS)?.context("cannot map huge pages")?;
    pages.fill(0x5a);
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        exactly("read", fd::read(&file, &mut buffer[..chunk.len]), chunk.len)?;
    }
    Ok(())
}
