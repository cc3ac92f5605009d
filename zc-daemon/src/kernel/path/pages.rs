//! Paths from the memory of a process to a socket, and from a socket to it.

use std::slice;

use anyhow::{Context as _, Result};
use memmap2::MmapMut;
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    net::RecvFlags,
    pipe::{IoSliceRaw, SpliceFlags},
};

use super::{
    CHUNK, PIECE,
    child::{Prepared, Setting},
    tcp,
};
use crate::kernel::calls::{all, allow_zerocopy, send_by_reference, take_notices, whole};

pub(super) fn vmsplice(setting: &Setting) -> Result<Prepared> {
    let socket = setting.connect()?;
    let (reader, writer) = rustix::pipe::pipe()?;
    let pages = memory()?;
    let size = pages.len();
    rustix::pipe::fcntl_setpipe_size(&writer, 2 * size)?;
    Ok(Prepared::new(Some(socket.try_clone()?), move |_, _| {
        let none = SpliceFlags::empty();
        let vector = IoSliceRaw::from_slice(&pages);
        // SAFETY: the memory is never written, and outlives the connection.
        let linked = unsafe { rustix::pipe::vmsplice(&writer, slice::from_ref(&vector), none) };
        whole("vmsplice", linked, size)?;
        all("splice", size, |done| {
            rustix::pipe::splice(&reader, None, &socket, None, size - done, none)
        })
    }))
}

/// What requests send: pages that are there.
pub(super) fn memory() -> Result<MmapMut> {
    let mut pages = MmapMut::map_anon(usize::try_from(CHUNK)?)?;
    pages.fill(1);
    Ok(pages)
}

pub(super) fn msg_zerocopy(setting: &Setting) -> Result<Prepared> {
    /// Sends whose notices may wait: the memory for them is limited.
    const UNFINISHED: u64 = 8;
    let socket = setting.connect()?;
    allow_zerocopy(&socket)?;
    let pages = memory()?;
    Ok(Prepared::new(Some(socket.try_clone()?), move |_, number| {
        if number % UNFINISHED == UNFINISHED - 1 {
            take_notices(&socket);
        }
        all("send", pages.len(), |done| {
            loop {
                match send_by_reference(&socket, &pages[done..]) {
                    Err(Errno::NOBUFS) => {
                        poll(&mut [PollFd::new(&socket, PollFlags::ERR)], None)?;
                        take_notices(&socket);
                    }
                    sent => return sent,
                }
            }
        })
    }))
}

/// Each request asks the far end for a piece by one byte, and maps what comes.
pub(super) fn receive(setting: &Setting) -> Result<Prepared> {
    let socket = setting.connect()?;
    let mut window = tcp::Window::new(&socket, PIECE)?;
    let mut rest = vec![0; PIECE];
    Ok(Prepared::new(Some(socket.try_clone()?), move |_, _| {
        whole("write", rustix::io::write(&socket, &[1]), 1)?;
        let mut left = PIECE;
        while left > 0 {
            poll(&mut [PollFd::new(&socket, PollFlags::IN)], None).context("poll failed")?;
            let shown = window.show(&socket, left)?;
            left -= shown.mapped;
            let skip = shown.skip.min(left);
            if skip > 0 {
                let received = rustix::net::recv(&socket, &mut rest[..skip], RecvFlags::WAITALL);
                whole("recv", received.map(|(bytes, _)| bytes), skip)?;
                left -= skip;
            }
        }
        Ok(())
    }))
}
