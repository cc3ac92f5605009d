//! The server's side of FUSE (`include/uapi/linux/fuse.h`, protocol 7.31), as far as one
//! file needs it.

use std::fs::File;

use anyhow::{Context as _, Result, bail};

use super::size;
use super::step::{done, exactly};
use super::sys::fd;
use super::sys::mem::Buffer;
use crate::kernel;

/// A kind of request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange {
    /// `enum fuse_opcode`.
    code: u32,
    /// Bytes of a request beside its header and what it brings of the file.
    body: u64,
    /// Bytes of a reply, beside what it brings of the file.
    pub(super) reply: u64,
}

/// `struct fuse_in_header` and `struct fuse_out_header`.
const REQUEST: u64 = 40;
const REPLY: u64 = 16;

const fn exchange(code: u32, body: u64, reply: u64) -> Exchange {
    Exchange { code, body, reply: REPLY + reply }
}

pub(super) const GETATTR: Exchange = exchange(3, 16, 104);
pub(super) const READ: Exchange = exchange(15, 40, 0);
pub(super) const WRITE: Exchange = exchange(16, 40, 8);
/// Of `security.capability`.
pub(super) const GETXATTR: Exchange = exchange(22, 8 + 20, 0);
const OPEN: Exchange = exchange(14, 8, 16);
const RELEASE: Exchange = exchange(18, 24, 0);
const FLUSH: Exchange = exchange(25, 24, 0);
const INIT: Exchange = exchange(26, 16, 64);

/// What is asked of a file that is opened once and closed.
pub(super) const ALWAYS: [Exchange; 4] = [INIT, OPEN, FLUSH, RELEASE];

impl Exchange {
    /// Bytes of a request beside what it brings of the file.
    pub(super) fn request(self) -> u64 {
        // `struct fuse_init_in` has been longer since protocol 7.36.
        let longer = self.code == INIT.code && kernel::version() >= (5, 17);
        REQUEST + if longer { 64 } else { self.body }
    }
}

/// The most bytes of the file in one request: 32 pages, the default of the protocol.
const MOST: usize = 128 << 10;
/// Flags of INIT: a write may bring more than a page.
const BIG_WRITES: u32 = 1 << 5;
/// How long what is said of a file holds, in seconds.
const HOUR: u64 = 3600;
/// The mode of the file.
const MODE: u32 = libc::S_IFREG | 0o600;

/// A request, as it was read.
struct Request<'a>(&'a [u8]);

impl Request<'_> {
    fn word(&self, at: usize) -> Result<u32> {
        let bytes = self.0.get(at..at + 4).context("a request of FUSE is short")?;
        Ok(u32::from_ne_bytes(bytes.try_into()?))
    }

    fn long(&self, at: usize) -> Result<u64> {
        let bytes = self.0.get(at..at + 8).context("a request of FUSE is short")?;
        Ok(u64::from_ne_bytes(bytes.try_into()?))
    }
}

/// Serves a file of so many bytes until it is closed.
pub(super) fn serve(device: &File, bytes: u64) -> Result<()> {
    let mut request = Buffer::new(MOST + 8192).context("no memory for a request")?;
    let mut reply = Buffer::new(MOST + 8192).context("no memory for a reply")?;
    loop {
        let len = done("read of a request", fd::read(device, &mut request))?;
        let request = Request(&request[..len]);
        let code = request.word(4)?;
        let body = &mut reply[size(REPLY)..];
        let (len, error) = answer(code, &request, bytes, body)?;
        let len = len + size(REPLY);
        reply[..4].copy_from_slice(&u32::try_from(len)?.to_ne_bytes());
        reply[4..8].copy_from_slice(&(-error).to_ne_bytes());
        reply[8..16].copy_from_slice(&request.long(8)?.to_ne_bytes());
        exactly("write of a reply", fd::write(device, &reply[..len]), len)?;
        if code == RELEASE.code {
            return Ok(());
        }
    }
}

/// Writes an answer; its length, and the error that it is.
fn answer(code: u32, request: &Request<'_>, bytes: u64, body: &mut [u8]) -> Result<(usize, i32)> {
    let len = match code {
        code if code == INIT.code => {
            let (version, flags, most) = (7 | 31 << 32, u64::from(BIG_WRITES), MOST as u64);
            fill(body, &[version, flags << 32, most << 32, 1, 0, 0, 0, 0])
        }
        code if code == GETATTR.code => {
            let mode = u64::from(MODE) << 32;
            fill(body, &[HOUR, 0, 1, bytes, 0, 0, 0, 0, 0, mode, 1, 0, 4096])
        }
        code if code == OPEN.code => fill(body, &[0, 0]),
        code if code == READ.code => {
            let (at, wanted) = (request.long(48)?, request.word(56)?);
            u64::from(wanted).min(bytes.saturating_sub(at))
        }
        code if code == WRITE.code => fill(body, &[request.word(56)?.into()]),
        code if code == FLUSH.code || code == RELEASE.code => 0,
        code if code == GETXATTR.code => return Ok((0, libc::ENOSYS)),
        code => bail!("a request of FUSE was not expected: {code}"),
    };
    Ok((size(len), 0))
}

/// Fills the front with words, and says how many bytes they are.
fn fill(body: &mut [u8], words: &[u64]) -> u64 {
    for (bytes, word) in body.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_ne_bytes());
    }
    size_of_val(words) as u64
}
