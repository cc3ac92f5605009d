//! References on pipes.

use std::{
    io::{Read as _, Write as _, pipe as new_pipe},
    slice,
};

use anyhow::Result;
use rustix::pipe::{IoSliceRaw, SpliceFlags};

use super::{CHUNK, ROUNDS, files, sockets, whole};

pub(super) fn pipe() -> Result<()> {
    let (mut reader, mut writer) = new_pipe()?;
    let mut chunk = [1; CHUNK];
    for _ in 0..ROUNDS {
        writer.write_all(&chunk)?;
        reader.read_exact(&mut chunk)?;
    }
    Ok(())
}

/// From a file into a pipe, and on into a socket.
pub(super) fn splice() -> Result<()> {
    let file = files::zeroes()?;
    let (reader, writer) = new_pipe()?;
    let (near, far) = sockets::connected()?;
    for _ in 0..ROUNDS {
        let none = SpliceFlags::empty();
        whole("splice", rustix::pipe::splice(&file, None, &writer, None, CHUNK, none))?;
        whole("splice", rustix::pipe::splice(&reader, None, &near, None, CHUNK, none))?;
        sockets::receive(&far)?;
    }
    Ok(())
}

pub(super) fn splice_to_file() -> Result<()> {
    let file = files::zeroes()?;
    let (reader, mut writer) = new_pipe()?;
    for _ in 0..ROUNDS {
        writer.write_all(&[1; CHUNK])?;
        let none = SpliceFlags::empty();
        whole("splice", rustix::pipe::splice(&reader, None, &file, None, CHUNK, none))?;
    }
    Ok(())
}

pub(super) fn vmsplice() -> Result<()> {
    let (mut reader, writer) = new_pipe()?;
    let (pages, mut chunk) = (vec![1; CHUNK], [0; CHUNK]);
    for _ in 0..ROUNDS {
        let vector = IoSliceRaw::from_slice(&pages);
        // SAFETY: the memory is neither written nor given back before the pipe is empty.
        let linked = unsafe {
            rustix::pipe::vmsplice(&writer, slice::from_ref(&vector), SpliceFlags::empty())
        };
        whole("vmsplice", linked)?;
        reader.read_exact(&mut chunk)?;
    }
    Ok(())
}

pub(super) fn vmsplice_out() -> Result<()> {
    let (reader, mut writer) = new_pipe()?;
    let mut chunk = vec![1; CHUNK];
    for _ in 0..ROUNDS {
        writer.write_all(&chunk)?;
        let vector = IoSliceRaw::from_slice_mut(&mut chunk);
        // SAFETY: the memory is written by this call alone.
        let copied = unsafe {
            rustix::pipe::vmsplice(&reader, slice::from_ref(&vector), SpliceFlags::empty())
        };
        whole("vmsplice", copied)?;
    }
    Ok(())
}

pub(super) fn tee() -> Result<()> {
    let (mut first, mut writer) = new_pipe()?;
    let (mut second, into_second) = new_pipe()?;
    let mut chunk = [1; CHUNK];
    for _ in 0..ROUNDS {
        writer.write_all(&chunk)?;
        whole("tee", rustix::pipe::tee(&first, &into_second, CHUNK, SpliceFlags::empty()))?;
        first.read_exact(&mut chunk)?;
        second.read_exact(&mut chunk)?;
    }
    Ok(())
}
