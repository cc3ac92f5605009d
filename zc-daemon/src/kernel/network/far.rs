//! The far ends: threads of zc's own, so that the process that is counted is the near end
//! alone.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use anyhow::{Context as _, Result};
use rustix::net::RecvFlags;

use crate::kernel::calls::{allow_zerocopy, send_by_reference, set_option, take_notices};

/// Bytes that are sent when asked for: what the kernel copies into single pages on its way.
pub(in crate::kernel) const PIECE: usize = 16 << 10;

/// Serves each connection on a thread of its own.
fn serve(listener: TcpListener, serve: fn(TcpStream) -> Result<()>) -> Result<SocketAddr> {
    let address = listener.local_addr()?;
    let accept = move || {
        while let Ok((peer, _)) = listener.accept() {
            // It ends when the near end does, which says what went wrong.
            thread::spawn(move || serve(peer).ok());
        }
    };
    thread::Builder::new().name("far".to_owned()).spawn(accept).context("no thread to be had")?;
    Ok(address)
}

/// Reads all that comes; where it listens.
///
/// It is woken for large pieces alone: on a machine of one CPU each time takes it from the
/// process that is counted, which a probe that is preempted (from 7.0) would miss.
pub(super) fn sink(listener: TcpListener) -> Result<SocketAddr> {
    const MANY: libc::c_int = 256 << 10;
    serve(listener, |peer| {
        set_option(&peer, libc::SOL_SOCKET, libc::SO_RCVLOWAT, &MANY)?;
        let mut room = vec![0; usize::try_from(MANY)?];
        // Thrown away uncopied (tcp(7)): the machine has enough to do.
        while rustix::net::recv(&peer, &mut room[..], RecvFlags::TRUNC)?.1 > 0 {}
        Ok(())
    })
}

/// Sends a piece of whole pages for each byte that comes; where it listens.
///
/// By reference: the copy that the kernel makes on the way to the receiver then lies in
/// whole pages, which can be mapped.
pub(super) fn source(listener: TcpListener) -> Result<SocketAddr> {
    serve(listener, |mut peer| {
        allow_zerocopy(&peer)?;
        peer.set_nodelay(true)?;
        let piece = memmap2::MmapMut::map_anon(PIECE)?;
        while peer.read(&mut [0])? == 1 {
            if send_by_reference(&peer, &piece) == Err(rustix::io::Errno::NOBUFS) {
                peer.write_all(&piece)?;
            }
            take_notices(&peer);
        }
        Ok(())
    })
}
