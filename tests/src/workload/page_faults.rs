//! Copies that no call makes: page faults give a writer a page of its own.
//!
//! A page is copied whole, the last one of a file too.

use std::fs::{File, OpenOptions};
use std::hint::black_box;

use anyhow::{Context as _, Result};

use super::processes::touch as write;
use super::step::{done, exactly, input, input_and_output, no_files, open_data};
use super::sys::mem::{self, Buffer, WritableMap};
use super::sys::{fd, process};
use super::{Case, Expected, Params, size};

/// Each page is read, then written: the second fault copies it from the cache.
pub(super) const READ_THEN_WRITTEN: Case =
    Case::new("cow-file-read-first", input, read_then_write_file, expect_private);

/// Each page is written at once: the one fault that brings it copies it.
pub(super) const WRITTEN: Case = Case::new("cow-file", input, write_file, expect_private);

/// It is a call that writes the pages: the faults are the kernel's own.
pub(super) const WRITTEN_BY_READ: Case =
    Case::new("cow-file-by-read", input, read_into_file, |params| {
        expect_private(params).reads("file", params)
    });

/// A shared mapping is the cache itself: a write copies nothing.
pub(super) const SHARED: Case =
    Case::new("mmap-shared-write", input_and_output, write_shared, |params| {
        Expected::default().moves_in("mmap", "file", params.bytes, 1)
    });

/// Memory that was only read is the page of zeros, and a write gets a page filled
/// with zeros anew: nothing is copied, though the fault is as one that copies.
pub(super) const ZEROS: Case =
    Case::new("mmap-anonymous-read-first", no_files, read_then_write_memory, |_| {
        Expected::default()
    });

/// A child writes one byte of each page that it has of its parent.
pub(super) const FORK: Case = Case::new("cow-fork", no_files, fork, |params| {
    Expected::default().copies_pages(pages(params)).forks()
});

fn expect_private(params: &Params) -> Expected {
    Expected::default().moves_in("mmap", "file", params.bytes, 1).copies_pages(pages(params))
}

/// The pages that hold the bytes.
fn pages(params: &Params) -> u64 {
    params.bytes.div_ceil(mem::page_size() as u64)
}

/// Reads one byte of each page.
pub(super) fn touch(bytes: &[u8]) {
    for byte in bytes.iter().step_by(mem::page_size()) {
        black_box(*byte);
    }
}

/// Maps the whole of `data` for this process alone.
fn map(file: &File, params: &Params) -> Result<WritableMap> {
    WritableMap::private(file, size(params.bytes)).context("cannot map the input")
}

fn read_then_write_file(params: &Params) -> Result<()> {
    let mut map = map(&open_data(params)?, params)?;
    touch(&map);
    write(&mut map);
    Ok(())
}

fn write_file(params: &Params) -> Result<()> {
    write(&mut map(&open_data(params)?, params)?);
    Ok(())
}

fn read_into_file(params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let mut map = map(&file, params)?;
    for (chunk, bytes) in params.chunks().zip(map.chunks_mut(params.largest())) {
        exactly("read", fd::read(&file, bytes), chunk.len)?;
    }
    Ok(())
}

fn write_shared(params: &Params) -> Result<()> {
    let out = OpenOptions::new().read(true).write(true).open(params.out());
    let out = out.context("cannot open the output: prepare the case first")?;
    let map = WritableMap::shared(&out, size(params.bytes));
    write(&mut map.context("cannot map the output")?);
    Ok(())
}

/// Memory of pages of the smallest size, none of which is present yet.
fn small_pages(params: &Params) -> Result<Buffer> {
    let memory = Buffer::untouched(size(params.bytes)).context("cannot map memory")?;
    memory.without_huge_pages().context("cannot ask for small pages")?;
    Ok(memory)
}

fn read_then_write_memory(params: &Params) -> Result<()> {
    let mut memory = small_pages(params)?;
    touch(&memory);
    write(&mut memory);
    Ok(())
}

fn fork(params: &Params) -> Result<()> {
    let mut memory = small_pages(params)?;
    write(&mut memory);
    let child = process::fork(|| {
        write(&mut memory);
        Ok(())
    });
    done("fork", child.and_then(process::Child::wait))
}
