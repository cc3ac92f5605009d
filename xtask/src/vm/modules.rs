//! Picks the modules that a guest loads, and the order to load them in.

use super::vmlinux::decompress;
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What the guest needs (virtio, ext4) and what tests use (veth, tls with its
/// cipher, file systems, persistent memory). Those that a kernel has built in, or lacks,
/// are passed over.
pub(super) const WANTED: &[&str] = &[
    "virtio_pci",
    "virtio_blk",
    "virtio_console",
    "virtio_net",
    "ext4",
    "veth",
    "tls",
    "ctr",
    "ghash_generic",
    "gcm",
    "xfs",
    "crc32c_cryptoapi",
    "btrfs",
    "fuse",
    "virtio_pmem",
    "nd_pmem",
];

/// Copies the wanted modules found under `from`, and those they depend on, to
/// `to`, uncompressed and named so that they sort in load order.
pub(super) fn collect(from: &Path, to: &Path) -> Result<()> {
    let mut known = HashMap::new();
    find(from, &mut known)?;
    let mut order = Vec::new();
    for name in WANTED {
        need(name, &known, &mut order)?;
    }
    for (position, (name, bytes)) in order.iter().enumerate() {
        fs::write(to.join(format!("{position:02}-{name}.ko")), bytes)?;
    }
    Ok(())
}

fn find(dir: &Path, known: &mut HashMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("{} is unreadable", dir.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            find(&entry.path(), known)?;
        } else if let Some((name, _)) = entry.file_name().to_string_lossy().split_once(".ko") {
            known.insert(name.replace('-', "_"), entry.path());
        }
    }
    Ok(())
}

/// Appends the module `name` to `order`, after what it depends on.
fn need(
    name: &str,
    known: &HashMap<String, PathBuf>,
    order: &mut Vec<(String, Vec<u8>)>,
) -> Result<()> {
    let Some(path) = known.get(name) else { return Ok(()) };
    if order.iter().any(|(done, _)| done == name) {
        return Ok(());
    }
    let bytes = decompress(&fs::read(path)?)?;
    for dependency in depends(&bytes) {
        need(&dependency, known, order)?;
    }
    order.push((name.to_owned(), bytes));
    Ok(())
}

/// The `depends=a,b` string among a module's NUL-terminated strings.
fn depends(module: &[u8]) -> Vec<String> {
    let fields = module.split(|byte| *byte == 0);
    let field = fields.into_iter().find_map(|field| field.strip_prefix(b"depends="));
    let text = String::from_utf8_lossy(field.unwrap_or_default());
    text.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_names_its_dependencies() {
        assert_eq!(
            depends(b"\x7fELF\0license=GPL\0depends=virtio-ring,virtio\0"),
            ["virtio_ring", "virtio"]
        );
        assert!(depends(b"\0depends=\0").is_empty());
        assert!(depends(b"").is_empty());
    }
}
