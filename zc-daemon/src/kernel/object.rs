//! The eBPF object, built by `cargo xtask build-ebpf` and committed.

/// Aligned as an ELF reader wants it.
#[repr(align(8))]
struct Aligned<T: ?Sized>(T);

static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!("../../object/zc.bpf.o"));

/// The ELF file.
pub static BYTES: &[u8] = &OBJECT.0;

/// The start of the object's SHA-256, as its manifest has it.
#[must_use]
pub fn digest() -> String {
    const LENGTH: usize = 12;
    let manifest = include_str!("../../object/zc.bpf.toml");
    let line = manifest.lines().find_map(|line| line.strip_prefix("object_sha256 = \""));
    line.unwrap_or_default().chars().take(LENGTH).collect()
}
