//! Takes the kernel's ELF image out of a bzImage. QEMU boots it as it is,
//! which spares the guest seconds of decompressing under emulation.

use crate::cmd;
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::Path;
use std::process::Command;

/// Magic numbers of compressed files, and what turns each into plain bytes.
const TOOLS: &[(&[u8], &str)] = &[
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x1f\x8b", "gzip"),
];

/// Writes the ELF image inside the bzImage `from` to `to`.
pub(super) fn extract(from: &Path, to: &Path) -> Result<()> {
    let image = fs::read(from)?;
    let payload = payload(&image)
        .with_context(|| format!("{} has no x86 boot header with a payload", from.display()))?;
    let elf = decompress(payload).with_context(|| format!("unpacking {}", from.display()))?;
    ensure!(elf.starts_with(b"\x7fELF"), "{} does not hold an ELF image", from.display());
    Ok(fs::write(to, elf)?)
}

/// The compressed kernel, found by the boot header's `payload_offset` and
/// `payload_length` (Documentation/arch/x86/boot.rst). The payload's last
/// four bytes are the plain size, no part of the compressed stream.
fn payload(image: &[u8]) -> Option<&[u8]> {
    let word = |at: usize| {
        let bytes = image.get(at..at + 4)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    (image.get(0x202..0x206)? == b"HdrS").then_some(())?;
    let setup_sectors = match image.get(0x1f1)? {
        0 => 4,
        sectors => usize::from(*sectors),
    };
    let start = (setup_sectors + 1) * 512 + word(0x248)?;
    let length = word(0x24c)?.checked_sub(4)?;
    image.get(start..start.checked_add(length)?)
}

/// Unpacks `bytes` with the tool that their magic number asks for; bytes with
/// none of the magic numbers are plain.
pub(super) fn decompress(bytes: &[u8]) -> Result<Vec<u8>> {
    let Some((_, tool)) = TOOLS.iter().find(|(magic, _)| bytes.starts_with(magic)) else {
        return Ok(bytes.to_vec());
    };
    // A file, not a pipe: nobody has to read and write at once.
    let mut file: File = tempfile::tempfile().context("no temporary file to unpack from")?;
    file.write_all(bytes)?;
    file.rewind()?;
    cmd::output(Command::new(tool).arg("-dcq").stdin(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_found_by_the_boot_header() {
        let mut image = vec![0; 0x400];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x248] = 2;
        image[0x24c] = 9;
        image.extend(b"..\x7fELF!size");
        assert_eq!(payload(&image), Some(&b"\x7fELF!"[..]));
        image.truncate(0x404);
        assert_eq!(payload(&image), None);
        assert_eq!(payload(b"short"), None);
    }
}
