//! Sends over a TCP connection that the kernel encrypts itself (`tls(7)` in software).
//!
//! Only the sender does: the receiver gets what a stranger would, and does not
//! decrypt it. Encryption reads the plain text where it is and writes elsewhere; it
//! is a pass of the processor over the bytes, but not a copy of them.

use std::fs;
use std::net::TcpStream;

use anyhow::{Context as _, Result};

use super::sockets::tcp_pair;
use super::step::{exactly, input, no_files, open_data, requires};
use super::sys::mem::Buffer;
use super::sys::{fd, net};
use super::{Case, Expected, Params, size};

const NEEDS: &str = "the kernel's module tls, and its AES-GCM";

/// The most plain text of one record (RFC 8446, section 5.1).
const RECORD: u64 = 1 << 14;

/// What TLS 1.2 adds to a record by AES-GCM: 5 bytes of header, 8 of nonce, 16 of tag
/// (RFC 5288, section 3).
const OVERHEAD: u64 = 5 + 8 + 16;

/// The textbook says that a send copies. The kernel encrypts whole records right from
/// the memory of the process, unless its cipher may finish after the call.
pub(super) const SEND: Case = Case::new("ktls-send", no_files, send, |params| {
    let sent = received(params).moves("send", "socket", params);
    if cipher_is_late() {
        sent.copies("send", "from_user", params)
    } else {
        sent.copies_unseen("send", "from_user", params)
    }
})
.needs(NEEDS);

/// Each chunk begins with a piece that is not to end a record (`MSG_MORE`): that is
/// kept for later, so it is copied.
pub(super) const SEND_MORE: Case = Case::new("ktls-send-more", no_files, send_more, |params| {
    let (mut first, mut calls) = (0, 0);
    for chunk in params.chunks() {
        let piece = piece(chunk.len) as u64;
        first += piece;
        calls += u64::from(piece > 0);
    }
    let rest = params.bytes - first;
    let sent = received(params)
        .moves_in("send", "socket", params.bytes, params.calls() + calls)
        .copies_in("send", "from_user", first, calls);
    if cipher_is_late() {
        sent.copies_in("send", "from_user", rest, params.calls())
    } else {
        sent.copies_unseen_in("send", "from_user", rest, params.calls())
    }
})
.needs(NEEDS);

/// The pages of the file are encrypted where they are.
pub(super) const SENDFILE: Case = Case::new("ktls-sendfile", input, sendfile, |params| {
    received(params).passes_on("sendfile", "socket", params)
})
.needs(NEEDS);

/// The bytes that arrive for so many of a call.
fn sealed(plain: u64) -> u64 {
    plain + OVERHEAD * plain.div_ceil(RECORD)
}

/// The receives of all that arrives.
fn received(params: &Params) -> Expected {
    let bytes = params.chunks().map(|chunk| sealed(chunk.len as u64)).sum();
    Expected::default().moves_in("recv", "socket", bytes, params.calls()).copies_in(
        "recv",
        "to_user",
        bytes,
        params.calls(),
    )
}

/// Whether the AES-GCM of highest priority may finish after the call. The kernel then
/// takes a copy of the plain text (`async_capable` in `net/tls/tls_sw.c`, Linux 6.12).
fn cipher_is_late() -> bool {
    let ciphers = fs::read_to_string("/proc/crypto").unwrap_or_default();
    late(&ciphers)
}

/// Whether that is so of these ciphers, told as in `/proc/crypto`.
fn late(ciphers: &str) -> bool {
    let of = |cipher: &str, name: &str| -> Option<String> {
        let (_, value) = cipher
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == name)?;
        Some(value.trim().to_owned())
    };
    let priority = |cipher: &&str| of(cipher, "priority").and_then(|value| value.parse().ok());
    ciphers
        .split("\n\n")
        .filter(|cipher| of(cipher, "name").as_deref() == Some("gcm(aes)"))
        .filter(|cipher| of(cipher, "internal").as_deref() == Some("no"))
        .max_by_key(|cipher| priority(cipher).unwrap_or(0_u32))
        .is_some_and(|cipher| of(cipher, "async").as_deref() == Some("yes"))
}

/// A TCP connection whose first end encrypts what it sends.
fn sealing_pair(params: &Params) -> Result<(TcpStream, TcpStream)> {
    let (near, far) = tcp_pair(params)?;
    let set = net::use_tls(&near);
    let missing = "the kernel has not the module tls";
    requires(set, libc::ENOENT, missing)?.context("cannot use TLS")?;
    net::encrypt_sends(&near).context("the kernel has TLS, but cannot encrypt by AES-GCM")?;
    Ok((near, far))
}

/// Room for what arrives for one chunk.
fn room(params: &Params) -> Result<Buffer> {
    let most = sealed(params.largest() as u64);
    Buffer::new(size(most)).context("no memory for a chunk")
}

/// Receives what arrives for so many bytes.
fn receive(far: &TcpStream, into: &mut [u8], plain: usize) -> Result<()> {
    let wanted = size(sealed(plain as u64));
    exactly("recv", net::recv(far, &mut into[..wanted], libc::MSG_WAITALL), wanted)
}

fn send(params: &Params) -> Result<()> {
    let (near, far) = sealing_pair(params)?;
    let (from, mut into) = (params.buffer()?, room(params)?);
    for chunk in params.chunks() {
        exactly("send", net::send(&near, &from[..chunk.len], 0), chunk.len)?;
        receive(&far, &mut into, chunk.len)?;
    }
    Ok(())
}

/// The bytes of a chunk that are sent with more to come.
fn piece(len: usize) -> usize {
    (len / 2).min(3000)
}

fn send_more(params: &Params) -> Result<()> {
    let (near, far) = sealing_pair(params)?;
    let (from, mut into) = (params.buffer()?, room(params)?);
    for chunk in params.chunks() {
        let (first, rest) = from[..chunk.len].split_at(piece(chunk.len));
        if !first.is_empty() {
            exactly("send", net::send(&near, first, libc::MSG_MORE), first.len())?;
        }
        exactly("send", net::send(&near, rest, 0), rest.len())?;
        receive(&far, &mut into, chunk.len)?;
    }
    Ok(())
}

fn sendfile(params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let (near, far) = sealing_pair(params)?;
    let mut into = room(params)?;
    for chunk in params.chunks() {
        exactly("sendfile", fd::sendfile(&near, &file, chunk.len), chunk.len)?;
        receive(&far, &mut into, chunk.len)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_is_sealed() {
        assert_eq!(sealed(1), 30);
        assert_eq!(sealed(RECORD), RECORD + 29);
        assert_eq!(sealed(RECORD + 1), RECORD + 1 + 58);
    }

    #[test]
    fn the_cipher_of_highest_priority_counts() {
        let cipher = |name: &str, priority: u32, late: &str, internal: &str| {
            format!(
                "name         : {name}\npriority     : {priority}\ninternal     : {internal}\n\
                 type         : aead\nasync        : {late}\n\n"
            )
        };
        let slow = cipher("gcm(aes)", 100, "no", "no");
        let fast = cipher("gcm(aes)", 400, "yes", "no");
        assert!(!late(""));
        assert!(!late(&slow));
        assert!(late(&format!("{slow}{fast}")));
        assert!(late(&format!("{fast}{slow}")));
        assert!(!late(&format!("{slow}{}", cipher("gcm(aes)", 400, "yes", "yes"))));
        assert!(!late(&format!("{slow}{}", cipher("ccm(aes)", 400, "yes", "no"))));
    }
}
