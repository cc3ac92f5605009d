//! Writes cpio archives of the "newc" kind, which the kernel unpacks as its
//! first root file system (Documentation/driver-api/early-userspace).

use anyhow::{Context, Result};
use std::collections::HashSet;
use std::io::Write;

const DIRECTORY: u32 = 0o040_000;
const CHARACTER_DEVICE: u32 = 0o020_000;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

/// An archive being written. Paths are absolute or relative to the root
/// alike; directories come into being with what is in them. What is written
/// twice is kept as it was first.
pub(super) struct Archive<W: Write> {
    out: W,
    length: usize,
    inode: u32,
    seen: HashSet<String>,
}

impl<W: Write> Archive<W> {
    pub(super) fn new(out: W) -> Archive<W> {
        Archive { out, length: 0, inode: 0, seen: HashSet::new() }
    }

    /// A directory, and those above it.
    pub(super) fn directory(&mut self, path: &str) -> Result<()> {
        let path = path.trim_matches('/');
        if path.is_empty() || self.seen.contains(path) {
            return Ok(());
        }
        self.entry(path, DIRECTORY | 0o755, 0, b"")
    }

    /// A file with the permission bits of `mode`.
    pub(super) fn file(&mut self, path: &str, mode: u32, data: &[u8]) -> Result<()> {
        self.entry(path, FILE | (mode & 0o7777), 0, data)
    }

    /// A symbolic link to `target`.
    pub(super) fn symlink(&mut self, path: &str, target: &str) -> Result<()> {
        self.entry(path, SYMLINK | 0o777, 0, target.as_bytes())
    }

    /// `/dev/console`, which the kernel opens for init.
    pub(super) fn console(&mut self) -> Result<()> {
        self.entry("dev/console", CHARACTER_DEVICE | 0o600, 5 << 8 | 1, b"")
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> Result<W> {
        self.record("TRAILER!!!", 0, 0, b"")?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn entry(&mut self, path: &str, mode: u32, device: u32, data: &[u8]) -> Result<()> {
        let path = path.trim_matches('/');
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent)?;
        }
        if self.seen.insert(path.to_owned()) {
            self.record(path, mode, device, data)
                .with_context(|| format!("{path} could not be added to the initramfs"))?;
        }
        Ok(())
    }

    fn record(&mut self, name: &str, mode: u32, device: u32, data: &[u8]) -> Result<()> {
        self.inode += 1;
        let size = u32::try_from(data.len()).context("it is larger than 4 GiB")?;
        let name_size = u32::try_from(name.len() + 1)?;
        // Inode, mode, uid, gid, links, mtime, size, device of the file
        // system, device of the node, name size, checksum.
        let (major, minor) = (device >> 8, device & 0xff);
        let fields = [self.inode, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name_size, 0];
        let mut header = String::from("070701");
        for field in fields {
            header += &format!("{field:08X}");
        }
        self.write(header.as_bytes())?;
        self.write(name.as_bytes())?;
        self.write(b"\0")?;
        self.align()?;
        self.write(data)?;
        self.align()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.length += bytes.len();
        Ok(self.out.write_all(bytes)?)
    }

    fn align(&mut self) -> Result<()> {
        let padding = self.length.next_multiple_of(4) - self.length;
        self.write(&[0; 3][..padding])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_aligned_and_the_trailer_comes_last() {
        let mut archive = Archive::new(Vec::new());
        archive.file("/a/b", 0o100_755, b"12345").unwrap();
        archive.directory("a").unwrap();
        archive.file("a/b", 0o644, b"again").unwrap();
        let bytes = archive.finish().unwrap();
        let starts: Vec<usize> =
            (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"070701")).collect();
        assert_eq!(starts, [0, 112, 236]);
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(&bytes[110..112], b"a\0");
        assert_eq!(&bytes[112 + 14..112 + 22], b"000081ED");
        assert_eq!(&bytes[112 + 54..112 + 62], b"00000005");
        assert_eq!(&bytes[112 + 110..236], b"a/b\0\0\x0012345\0\0\0".as_slice());
        assert!(bytes[236 + 110..].starts_with(b"TRAILER!!!\0"));
    }
}
