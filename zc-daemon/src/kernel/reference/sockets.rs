//! References on sockets.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use anyhow::Result;
use rustix::net::{RecvFlags, SendFlags};

use super::{CHUNK, ROUNDS, files, whole};
use crate::kernel::calls::{allow_zerocopy, send_by_reference};

/// Two ends of a connection over loopback.
pub(super) fn connected() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    near.set_nodelay(true)?;
    Ok((near, listener.accept()?.0))
}

/// Receives a whole chunk.
pub(super) fn receive(far: &TcpStream) -> Result<()> {
    let mut chunk = [0; CHUNK];
    let received = rustix::net::recv(far, &mut chunk[..], RecvFlags::WAITALL);
    whole("recv", received.map(|(bytes, _)| bytes))
}

pub(super) fn tcp() -> Result<()> {
    let (near, far) = connected()?;
    for _ in 0..ROUNDS {
        whole("send", rustix::net::send(&near, &[1; CHUNK], SendFlags::empty()))?;
        receive(&far)?;
    }
    Ok(())
}

/// By `write(2)` and `read(2)`, which a standard stream need not use.
pub(super) fn unix() -> Result<()> {
    let (near, far) = UnixStream::pair()?;
    let mut near = File::from(OwnedFd::from(near));
    let mut far = File::from(OwnedFd::from(far));
    let mut chunk = [1; CHUNK];
    for _ in 0..ROUNDS {
        near.write_all(&chunk)?;
        far.read_exact(&mut chunk)?;
    }
    Ok(())
}

pub(super) fn sendfile() -> Result<()> {
    let file = files::zeroes()?;
    let (near, far) = connected()?;
    for _ in 0..ROUNDS {
        whole("sendfile", rustix::fs::sendfile(&near, &file, None, CHUNK))?;
        receive(&far)?;
    }
    Ok(())
}

pub(super) fn zerocopy() -> Result<()> {
    let (near, far) = connected()?;
    allow_zerocopy(&near)?;
    let chunk = vec![1_u8; CHUNK];
    for _ in 0..ROUNDS {
        whole("send", send_by_reference(&near, &chunk))?;
        receive(&far)?;
    }
    drop(near);
    Ok(())
}
