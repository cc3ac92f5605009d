//! Calls of every route that move nothing: no row may appear.

use std::fs::OpenOptions;
use std::os::unix::net::UnixDatagram;

use anyhow::{Context as _, Result};

use super::step::{exactly, fails, input, open_data, open_out};
use super::sys::mem::FileMap;
use super::sys::{fd, net};
use super::{Case, Expected, Params};

/// Each call fails, once for each chunk.
pub(super) const FAILED_CALLS: Case =
    Case::new("failed-calls", input, fail, |_| Expected::default());

/// Each call succeeds and moves no byte, once for each chunk.
pub(super) const EMPTY_CALLS: Case =
    Case::new("empty-calls", input, move_nothing, |_| Expected::default());

fn fail(params: &Params) -> Result<()> {
    let data = open_data(params)?;
    let out = open_out(params)?;
    let full = OpenOptions::new().write(true).open("/dev/full").context("cannot open /dev/full")?;
    let (read, write) = fd::pipe(libc::O_NONBLOCK).context("cannot make a pipe")?;
    let socket = UnixDatagram::unbound().context("cannot make a socket")?;
    socket.set_nonblocking(true).context("cannot make a socket non-blocking")?;
    let mut buffer = params.buffer()?;
    let len = buffer.len();
    for _ in params.chunks() {
        fails("read of an output", fd::read(&out, &mut buffer), libc::EBADF)?;
        fails("write to an input", fd::write(&data, &buffer), libc::EBADF)?;
        fails("write to a full device", fd::write(&full, &buffer), libc::ENOSPC)?;
        fails("pread of a pipe", fd::pread(&read, &mut buffer, 0), libc::ESPIPE)?;
        fails("read of an empty pipe", fd::read(&read, &mut buffer), libc::EAGAIN)?;
        // Of no byte: since 7.0 they are copied before the kernel looks for a receiver.
        fails("send to nobody", net::send(&socket, &[], 0), libc::ENOTCONN)?;
        fails("recv from nobody", net::recv(&socket, &mut buffer, 0), libc::EAGAIN)?;
        fails("splice between files", fd::splice(&data, &out, len, 0), libc::EINVAL)?;
        fails(
            "splice from an empty pipe",
            fd::splice(&read, &out, len, libc::SPLICE_F_NONBLOCK),
            libc::EAGAIN,
        )?;
        fails("tee between files", fd::tee(&data, &out, len), libc::EINVAL)?;
        fails("vmsplice to a file", fd::vmsplice_in(&out, &buffer), libc::EBADF)?;
        fails("sendfile to an input", fd::sendfile(&data, &data, len), libc::EBADF)?;
        fails("copy_file_range to an input", fd::copy_file_range(&data, &data, len), libc::EBADF)?;
        fails("mmap of an output", FileMap::new(&out, len), libc::EACCES)?;
    }
    drop(write);
    Ok(())
}

fn move_nothing(params: &Params) -> Result<()> {
    let data = open_data(params)?;
    let out = open_out(params)?;
    let null = fd::open("/dev/null").context("cannot open /dev/null")?;
    let (read, write) = fd::pipe(libc::O_NONBLOCK).context("cannot make a pipe")?;
    drop(write);
    let mut buffer = params.buffer()?;
    let len = buffer.len();
    for _ in params.chunks() {
        exactly("pread at the end", fd::pread(&data, &mut buffer, params.bytes), 0)?;
        exactly("read of nothing", fd::read(&data, &mut []), 0)?;
        exactly("write of nothing", fd::write(&out, &[]), 0)?;
        exactly("read of /dev/null", fd::read(&null, &mut buffer), 0)?;
        exactly("read of a closed pipe", fd::read(&read, &mut buffer), 0)?;
        exactly("splice of a closed pipe", fd::splice(&read, &out, len, 0), 0)?;
        exactly("sendfile of nothing", fd::sendfile(&out, &data, 0), 0)?;
        exactly("copy_file_range of nothing", fd::copy_file_range(&data, &out, 0), 0)?;
        out.set_len(params.bytes).context("cannot enlarge the output")?;
        out.set_len(0).context("cannot empty the output")?;
    }
    Ok(())
}
