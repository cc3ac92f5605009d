//! Paths by an io_uring.

use anyhow::{Context as _, Result};
use io_uring::opcode::{Read, ReadFixed, Send, SendZc, WriteFixed};
use memmap2::MmapMut;

use super::child::{Prepared, Setting};
use super::{CHUNK, pages};
use crate::kernel::{
    calls::whole,
    ring::{Ring, number, send_rest},
};

const LENGTH: u32 = 64 << 10;
const _: () = assert!(LENGTH as u64 == CHUNK, "a request is a chunk");

/// Reads and sends by one call, the second request linked to the first.
pub(super) fn plain(setting: &Setting) -> Result<Prepared> {
    let socket = setting.connect()?;
    let mut ring = Ring::new()?;
    let mut buffer = MmapMut::map_anon(LENGTH as usize)?;
    Ok(Prepared::new(Some(socket.try_clone()?), move |ends, request| {
        let read = Read::new(number(&ends.from), buffer.as_mut_ptr(), LENGTH);
        let send = Send::new(number(&socket), buffer.as_ptr(), LENGTH).flags(libc::MSG_WAITALL);
        let (read, send) = (read.offset(request * CHUNK).build(), send.build());
        // SAFETY: the buffer outlives the requests, for whose end the call waits.
        let [read, sent] = unsafe { ring.complete_linked(read, send) }.context("no io_uring")?;
        whole("IORING_OP_READ", read, buffer.len())?;
        send_rest(&mut ring, &socket, &buffer, sent)
    }))
}

/// The same, by a buffer that is registered.
pub(super) fn fixed(setting: &Setting) -> Result<Prepared> {
    let socket = setting.connect()?;
    let mut ring = Ring::new()?;
    let mut buffer = MmapMut::map_anon(LENGTH as usize)?;
    ring.register(&mut buffer)?;
    Ok(Prepared::new(Some(socket.try_clone()?), move |ends, request| {
        let read = ReadFixed::new(number(&ends.from), buffer.as_mut_ptr(), LENGTH, 0);
        let write = WriteFixed::new(number(&socket), buffer.as_ptr(), LENGTH, 0);
        let (read, write) = (read.offset(request * CHUNK).build(), write.build());
        // SAFETY: the buffer outlives the requests, for whose end the call waits.
        let [read, sent] = unsafe { ring.complete_linked(read, write) }.context("no io_uring")?;
        whole("IORING_OP_READ_FIXED", read, buffer.len())?;
        send_rest(&mut ring, &socket, &buffer, sent)
    }))
}

pub(super) fn send_zc(setting: &Setting) -> Result<Prepared> {
    let socket = setting.connect()?;
    let mut ring = Ring::new()?;
    let pages = pages::memory()?;
    Ok(Prepared::new(Some(socket.try_clone()?), move |_, _| {
        let send = SendZc::new(number(&socket), pages.as_ptr(), LENGTH).flags(libc::MSG_WAITALL);
        // SAFETY: the memory is never written, and outlives the connection.
        match unsafe { ring.complete(&send.build()) } {
            Err(rustix::io::Errno::INVAL) => {
                anyhow::bail!("this kernel's io_uring has no SEND_ZC (Linux 6.0)")
            }
            sent => whole("IORING_OP_SEND_ZC", sent, LENGTH as usize),
        }
    }))
}
