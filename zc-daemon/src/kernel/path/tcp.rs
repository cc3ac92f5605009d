//! What paths ask of a TCP connection.

use std::{net::TcpStream, os::fd::AsRawFd as _, time::Duration};

use anyhow::{Context as _, Result, ensure};

/// Time between two looks at whether all was sent, and how many looks there are.
const STEP: Duration = Duration::from_millis(1);
const STEPS: u32 = 20_000;

/// What has gone by a connection.
pub(super) struct Sums {
    /// Bytes sent, those sent again among them (Linux 4.19).
    pub(super) sent: u64,
    pub(super) received: u64,
    /// Whether something is not sent yet, or not known to have arrived.
    waiting: bool,
}

impl Sums {
    pub(super) fn of(socket: &TcpStream) -> Result<Self> {
        /// `struct tcp_info` (include/uapi/linux/tcp.h), to `tcpi_bytes_sent`, in words.
        const WORDS: usize = 26;
        const UNACKED: usize = 3;
        const RECEIVED: usize = 16;
        const NOT_SENT: usize = 18;
        const SENT: usize = 25;
        let mut words = [0_u64; WORDS];
        let wanted = libc::socklen_t::try_from(size_of_val(&words))?;
        let mut size = wanted;
        let (socket, into) = (socket.as_raw_fd(), words.as_mut_ptr().cast());
        // SAFETY: the words are writable for the size given with them.
        let told = unsafe {
            libc::getsockopt(socket, libc::IPPROTO_TCP, libc::TCP_INFO, into, &raw mut size)
        };
        ensure!(told == 0 && size == wanted, "this kernel does not tell what a connection sent");
        // Both are the first half of their word.
        let half = |word: u64| u32::from_ne_bytes(first_half(word.to_ne_bytes()));
        let waiting = half(words[UNACKED]) > 0 || half(words[NOT_SENT]) > 0;
        Ok(Self { sent: words[SENT], received: words[RECEIVED], waiting })
    }
}

fn first_half(bytes: [u8; 8]) -> [u8; 4] {
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}

/// Waits until all that was sent has arrived.
pub(super) fn settle(socket: &TcpStream) -> Result<()> {
    for _ in 0..STEPS {
        if !Sums::of(socket)?.waiting {
            return Ok(());
        }
        std::thread::sleep(STEP);
    }
    anyhow::bail!("the receiver does not read what it is sent")
}

/// Pages of a socket that have been received, in place of a buffer.
pub(super) struct Window {
    pages: memmap2::MmapRaw,
}

/// What a call with `TCP_ZEROCOPY_RECEIVE` came to.
pub(super) struct Shown {
    /// Bytes that can be seen in the window.
    pub(super) mapped: usize,
    /// Bytes that must be received before more can be.
    pub(super) skip: usize,
}

/// The first fields of `struct tcp_zerocopy_receive` (include/uapi/linux/tcp.h), which every
/// kernel since 5.4 takes alone.
#[repr(C)]
struct ZerocopyReceive {
    address: u64,
    length: u32,
    recv_skip_hint: u32,
    inq: u32,
    err: i32,
}

impl Window {
    /// With nothing to see yet.
    pub(super) fn new(socket: &TcpStream, length: usize) -> Result<Self> {
        let pages = memmap2::MmapOptions::new().len(length).map_raw_read_only(socket);
        Ok(Self { pages: pages.context("this kernel maps no socket")? })
    }

    /// Shows so many bytes at most, in place of what was shown before.
    pub(super) fn show(&mut self, socket: &TcpStream, most: usize) -> Result<Shown> {
        let length = u32::try_from(most.min(self.pages.len()))?;
        let address = self.pages.as_ptr().addr() as u64;
        let mut request = ZerocopyReceive { address, length, recv_skip_hint: 0, inq: 0, err: 0 };
        let mut size = libc::socklen_t::try_from(size_of_val(&request))?;
        let (socket, into) = (socket.as_raw_fd(), (&raw mut request).cast());
        let (level, name) = (libc::IPPROTO_TCP, libc::TCP_ZEROCOPY_RECEIVE);
        // SAFETY: the request is writable for the size given with it, and nobody reads
        // the addresses it names, which are the window's own.
        let shown = unsafe { libc::getsockopt(socket, level, name, into, &raw mut size) };
        if shown != 0 {
            return Err(std::io::Error::last_os_error()).context("TCP_ZEROCOPY_RECEIVE failed");
        }
        let (mapped, skip) = (request.length, request.recv_skip_hint);
        Ok(Shown { mapped: mapped.try_into()?, skip: skip.try_into()? })
    }
}
