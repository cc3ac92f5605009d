//! Small pieces of I/O whose copies are known: what a self-test runs, in a process of
//! its own, to see whether this kernel's are measured to the byte.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::{fd::AsRawFd as _, unix::fs::FileExt as _, unix::net::UnixStream},
};

use anyhow::{Context as _, Result, ensure};

/// Bytes of a call, few enough that no socket or pipe is full before it is read.
const CHUNK: usize = 16 << 10;
const ROUNDS: usize = 4;
/// Bytes that each way of a reference moves.
pub const BYTES: u64 = (CHUNK * ROUNDS) as u64;

/// One piece of I/O.
#[derive(Debug)]
pub struct Reference {
    /// Its name.
    pub name: &'static str,
    /// How often functions of the kernel's `lib/` copy each of its bytes.
    pub copies: u64,
    run: fn() -> Result<()>,
}

/// Every one.
pub static REFERENCES: &[Reference] = &[
    Reference { name: "memory_file", copies: 2, run: memory_file },
    Reference { name: "pipe", copies: 2, run: pipe },
    Reference { name: "tcp", copies: 2, run: tcp },
    Reference { name: "unix", copies: 2, run: unix },
    // Sent by reference, and received by a copy.
    Reference { name: "sendfile", copies: 1, run: sendfile },
    Reference { name: "msg_zerocopy", copies: 1, run: zerocopy },
    Reference { name: "process_vm", copies: 1, run: process_vm },
];

/// Says that it is ready, waits for the end of the standard input, and runs.
///
/// # Errors
///
/// If there is no reference of that name, or it cannot be run here.
pub fn run(name: &str) -> Result<()> {
    let reference = REFERENCES.iter().find(|reference| reference.name == name);
    let reference = reference.with_context(|| format!("there is no reference {name}"))?;
    std::io::stdout().write_all(b"\n")?;
    std::io::stdout().flush()?;
    std::io::stdin().read_exact(&mut [0]).err().context("the standard input is to be empty")?;
    (reference.run)()
}

fn alternate(mut into: impl Write, mut from: impl Read) -> Result<()> {
    let mut chunk = [1; CHUNK];
    for _ in 0..ROUNDS {
        into.write_all(&chunk)?;
        from.read_exact(&mut chunk)?;
    }
    Ok(())
}

fn memory() -> Result<std::fs::File> {
    // SAFETY: the name is a C string; the call has no other precondition.
    let number = unsafe { libc::memfd_create(c"zc".as_ptr(), libc::MFD_CLOEXEC) };
    ensure!(number >= 0, "no memory file: {}", std::io::Error::last_os_error());
    // SAFETY: a new descriptor, which nobody else owns.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(number) })
}

fn memory_file() -> Result<()> {
    let file = memory()?;
    let mut chunk = [1; CHUNK];
    for at in (0..BYTES).step_by(CHUNK) {
        file.write_all_at(&chunk, at)?;
        file.read_exact_at(&mut chunk, at)?;
    }
    Ok(())
}

fn pipe() -> Result<()> {
    let (reader, writer) = std::io::pipe()?;
    alternate(writer, reader)
}

fn connected() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    near.set_nodelay(true)?;
    Ok((near, listener.accept()?.0))
}

fn tcp() -> Result<()> {
    let (near, far) = connected()?;
    alternate(near, far)
}

fn unix() -> Result<()> {
    let (near, far) = UnixStream::pair()?;
    alternate(near, far)
}

fn sendfile() -> Result<()> {
    let file = memory()?;
    // Its pages are of zeroes: nothing need be written there.
    file.set_len(BYTES)?;
    let (near, mut far) = connected()?;
    for _ in 0..ROUNDS {
        let (to, from) = (near.as_raw_fd(), file.as_raw_fd());
        // SAFETY: both descriptors are open, and the file's own position is used.
        let sent = unsafe { libc::sendfile(to, from, std::ptr::null_mut(), CHUNK) };
        all(sent, "sendfile")?;
        far.read_exact(&mut [0; CHUNK])?;
    }
    Ok(())
}

fn zerocopy() -> Result<()> {
    let (near, mut far) = connected()?;
    let on: libc::c_int = 1;
    // SAFETY: the option is an integer, of the size given.
    let set = unsafe {
        libc::setsockopt(
            near.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ZEROCOPY,
            (&raw const on).cast(),
            4,
        )
    };
    ensure!(set == 0, "no SO_ZEROCOPY: {}", std::io::Error::last_os_error());
    let chunk = vec![1; CHUNK];
    for _ in 0..ROUNDS {
        let start = chunk.as_ptr().cast();
        // SAFETY: the memory is neither written nor given back before the socket is closed.
        let sent = unsafe { libc::send(near.as_raw_fd(), start, CHUNK, libc::MSG_ZEROCOPY) };
        all(sent, "send")?;
        far.read_exact(&mut [0; CHUNK])?;
    }
    drop(near);
    Ok(())
}

fn process_vm() -> Result<()> {
    let (mut into, mut from) = (vec![0_u8; CHUNK], vec![1_u8; CHUNK]);
    let vector = |bytes: &mut [u8]| libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let (local, remote) = (vector(&mut into), vector(&mut from));
    let pid = std::process::id().cast_signed();
    for _ in 0..ROUNDS {
        // SAFETY: both vectors name memory of this process that lives on; only `into` is
        // written.
        let read =
            unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
        all(read, "process_vm_readv")?;
    }
    Ok(())
}

/// Fails unless a call moved a whole chunk.
fn all(moved: isize, call: &str) -> Result<()> {
    ensure!(
        moved == CHUNK.cast_signed(),
        "{call} moved {moved}: {}",
        std::io::Error::last_os_error()
    );
    Ok(())
}
