//! File mappings, and copies between the memories of processes.

use anyhow::{Context as _, Result};

use super::page_faults::touch;
use super::sockets::tcp_pair;
use super::step::{exactly, input, no_files, open_data};
use super::sys::mem::{self, Buffer, FileMap};
use super::sys::net;
use super::{Case, Expected, Params, size};

/// One mapping of the whole file, whatever the chunk.
pub(super) const MMAP_FILE: Case = Case::new("mmap-file", input, touch_file, |params| {
    Expected::default().moves_in("mmap", "file", params.bytes, 1)
});

/// Memory without a file is not moved by anything.
pub(super) const MMAP_ANONYMOUS: Case =
    Case::new("mmap-anonymous", no_files, touch_memory, |_| Expected::default());

/// One mapping of the whole file, then a send for each chunk of it.
pub(super) const MMAP_WRITE_SOCKET: Case =
    Case::new("mmap-write-socket", input, send_mapping, |params| {
        Expected::default().moves_in("mmap", "file", params.bytes, 1).sends(params).receives(params)
    });

pub(super) const PROCESS_VM_READ: Case =
    Case::new("process-vm-read", no_files, process_vm_read, |params| {
        Expected::default().moves("process_vm", "other", params).copies(
            "process_vm",
            "to_user",
            params,
        )
    });

pub(super) const PROCESS_VM_WRITE: Case =
    Case::new("process-vm-write", no_files, process_vm_write, |params| {
        Expected::default().moves("process_vm", "other", params).copies(
            "process_vm",
            "from_user",
            params,
        )
    });

/// Maps the whole of `data`.
fn map_data(params: &Params) -> Result<FileMap> {
    let file = open_data(params)?;
    FileMap::new(&file, size(params.bytes)).context("cannot map the input")
}

fn touch_file(params: &Params) -> Result<()> {
    touch(&map_data(params)?);
    Ok(())
}

fn touch_memory(params: &Params) -> Result<()> {
    touch(&Buffer::new(size(params.bytes)).context("cannot map memory")?);
    Ok(())
}

fn send_mapping(params: &Params) -> Result<()> {
    let (near, far) = tcp_pair(params)?;
    let data = map_data(params)?;
    let mut buffer = params.buffer()?;
    for (chunk, bytes) in params.chunks().zip(data.chunks(params.largest())) {
        exactly("send", net::send(&near, bytes, 0), chunk.len)?;
        let buffer = &mut buffer[..chunk.len];
        exactly("recv", net::recv(&far, buffer, libc::MSG_WAITALL), chunk.len)?;
    }
    Ok(())
}

fn process_vm_read(params: &Params) -> Result<()> {
    let (mut near, far) = (params.buffer()?, params.buffer()?);
    for chunk in params.chunks() {
        let read = mem::process_vm_read(&mut near[..chunk.len], &far[..chunk.len]);
        exactly("process_vm_readv", read, chunk.len)?;
    }
    Ok(())
}

fn process_vm_write(params: &Params) -> Result<()> {
    let (near, mut far) = (params.buffer()?, params.buffer()?);
    for chunk in params.chunks() {
        let written = mem::process_vm_write(&mut far[..chunk.len], &near[..chunk.len]);
        exactly("process_vm_writev", written, chunk.len)?;
    }
    Ok(())
}
