//! Paths from a file to a socket.

use std::{ffi::c_void, net::TcpStream};

use anyhow::{Context as _, Result};
use memmap2::MmapMut;
use rustix::{
    mm::{MapFlags, ProtFlags},
    pipe::SpliceFlags,
};

use super::CHUNK;
use super::child::{Prepared, Setting};
use crate::kernel::calls::{all, whole};

const SIZE: usize = 64 << 10;
const _: () = assert!(SIZE as u64 == CHUNK, "a request is a chunk");

pub(super) fn read_write(setting: &Setting) -> Result<Prepared> {
    let socket = setting.connect()?;
    let mut buffer = MmapMut::map_anon(SIZE)?;
    Ok(Prepared::new(Some(socket.try_clone()?), move |ends, number| {
        let read = rustix::io::pread(&ends.from, &mut buffer[..], number * CHUNK);
        whole("read", read, SIZE)?;
        whole("write", rustix::io::write(&socket, &buffer), SIZE)
    }))
}

/// Each request maps its part of the file, next to the one before, and writes from there.
/// Nothing is unmapped, which the textbook does not count.
pub(super) fn mmap_write(setting: &Setting) -> Result<Prepared> {
    let socket = setting.connect()?;
    let room = usize::try_from(setting.bytes)?;
    let (none, private) = (ProtFlags::empty(), MapFlags::PRIVATE | MapFlags::NORESERVE);
    // SAFETY: the kernel chooses a place where nothing is.
    let room = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), room, none, private) };
    let room = room.context("no room for a mapping")?;
    Ok(Prepared::new(Some(socket.try_clone()?), move |ends, number| {
        let at = usize::try_from(number * CHUNK)?;
        let place = room.wrapping_byte_add(at).cast::<c_void>();
        let (read, fixed) = (ProtFlags::READ, MapFlags::SHARED | MapFlags::FIXED);
        // SAFETY: the place lies within the room, which nothing else uses.
        let map = unsafe { rustix::mm::mmap(place, SIZE, read, fixed, &ends.from, number * CHUNK) };
        let start = map.context("mmap failed")?.cast::<u8>().cast_const();
        // SAFETY: so long is the mapping, of a file that nobody writes to or makes shorter.
        let bytes = unsafe { std::slice::from_raw_parts(start, SIZE) };
        whole("write", rustix::io::write(&socket, bytes), SIZE)
    }))
}

pub(super) fn sendfile(setting: &Setting) -> Result<Prepared> {
    sendfile_to(setting.connect()?)
}

/// To a connection that is set up already.
pub(super) fn sendfile_to(socket: TcpStream) -> Result<Prepared> {
    Ok(Prepared::new(Some(socket.try_clone()?), move |ends, number| {
        let mut at = number * CHUNK;
        all("sendfile", SIZE, |done| {
            rustix::fs::sendfile(&socket, &ends.from, Some(&mut at), SIZE - done)
        })
    }))
}

pub(super) fn splice(setting: &Setting) -> Result<Prepared> {
    let socket = setting.connect()?;
    let (reader, writer) = rustix::pipe::pipe()?;
    rustix::pipe::fcntl_setpipe_size(&writer, 2 * SIZE)?;
    Ok(Prepared::new(Some(socket.try_clone()?), move |ends, number| {
        let mut at = number * CHUNK;
        let none = SpliceFlags::empty();
        all("splice", SIZE, |done| {
            rustix::pipe::splice(&ends.from, Some(&mut at), &writer, None, SIZE - done, none)
        })?;
        all("splice", SIZE, |done| {
            rustix::pipe::splice(&reader, None, &socket, None, SIZE - done, none)
        })
    }))
}
