//! Records as bytes: a length, a checksum, a kind, and what it holds, compressed.
//!
//! Each is whole by itself, so that a file that was cut short is known to be by its last one.

use std::io::{Read as _, Write as _};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use serde::{Serialize, de::DeserializeOwned};

/// What a recording begins with; the last byte is the format's version.
pub const MAGIC: [u8; 8] = *b"zc-rec\0\x01";

/// Bytes before what a record holds: length, checksum and kind.
pub const HEAD: usize = 9;

/// No record is longer, compressed or not.
const LONGEST: usize = 1 << 26;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A [`super::Header`]: the first one.
    Header,
    /// A [`super::Interval`].
    Interval,
    /// A [`super::Trailer`]: the last one.
    Trailer,
    /// Something of a later version.
    Other(u8),
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Header => b'H',
            Self::Interval => b'I',
            Self::Trailer => b'T',
            Self::Other(byte) => byte,
        }
    }

    const fn of(byte: u8) -> Self {
        match byte {
            b'H' => Self::Header,
            b'I' => Self::Interval,
            b'T' => Self::Trailer,
            other => Self::Other(other),
        }
    }
}

/// A record as it is written.
///
/// # Errors
///
/// If it is too long.
pub fn encode(kind: Kind, what: &impl Serialize) -> Result<Vec<u8>, String> {
    pack(kind, &rmp_serde::to_vec_named(what).map_err(|error| error.to_string())?)
}

/// The same of what is serialized already.
pub(crate) fn pack(kind: Kind, plain: &[u8]) -> Result<Vec<u8>, String> {
    let mut body = vec![kind.byte()];
    let mut deflate = DeflateEncoder::new(&mut body, Compression::default());
    let packed = deflate.write_all(plain).and_then(|()| deflate.finish().map(drop));
    packed.map_err(|error| error.to_string())?;
    let length = u32::try_from(body.len()).ok().filter(|_| plain.len() <= LONGEST);
    let length = length.ok_or("a record is longer than 64 MiB")?.to_le_bytes();
    let mut record = Vec::with_capacity(8 + body.len());
    record.extend(length);
    record.extend(checksum(length, &body).to_le_bytes());
    record.extend(body);
    Ok(record)
}

fn checksum(length: [u8; 4], body: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&length);
    sum.update(body);
    sum.finalize()
}

/// The record that bytes begin with, and how many bytes it takes.
pub struct Record<'a> {
    /// What it holds.
    pub kind: Kind,
    /// Its bytes.
    pub length: usize,
    packed: &'a [u8],
}

/// The record that bytes begin with.
///
/// # Errors
///
/// If it is not whole, or not as it was written.
pub fn next(bytes: &[u8]) -> Result<Record<'_>, &'static str> {
    const SHORT: &str = "ends within a record";
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(SHORT)?;
    let (sum, rest) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
    let size = u32::from_le_bytes(*length) as usize;
    let body = rest.get(..size).ok_or(SHORT)?;
    if u32::from_le_bytes(*sum) != checksum(*length, body) {
        return Err("is damaged: a record's checksum is wrong");
    }
    let (kind, packed) = body.split_first().ok_or("is damaged: a record is empty")?;
    Ok(Record { kind: Kind::of(*kind), length: 8 + size, packed })
}

impl Record<'_> {
    /// What it holds.
    ///
    /// # Errors
    ///
    /// If that is something else.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, String> {
        let mut plain = Vec::new();
        let most = LONGEST as u64 + 1;
        let unpacked = DeflateDecoder::new(self.packed).take(most).read_to_end(&mut plain);
        unpacked.map_err(|error| format!("has a record that cannot be unpacked: {error}"))?;
        if plain.len() > LONGEST {
            return Err("has a record that is longer than 64 MiB".to_owned());
        }
        rmp_serde::from_slice(&plain)
            .map_err(|error| format!("has a record that is none of zc's: {error}"))
    }
}
