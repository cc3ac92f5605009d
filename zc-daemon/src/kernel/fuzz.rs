//! Hostile bytes for what reads the kernel's types, and entries of maps. Each says whether they
//! were read as something.

use std::sync::atomic::AtomicU64;

use zc_common::slot::{Arguments, Slot};

use super::{arguments, btf::Btf};

pub(crate) fn btf(bytes: &[u8]) -> bool {
    let Ok(btf) = Btf::parse(bytes.to_vec()) else { return false };
    for (structure, member) in [("s", "a"), ("s", "b"), ("", "a"), ("s", "")] {
        let _ = btf.offset(structure, member);
        let _ = btf.enumerator(structure, member);
        let _ = btf.tracepoint(structure);
        let parameters = btf.function(structure);
        assert!(parameters.is_none_or(|all| btf.has_function(structure) && all.len() <= 0xffff));
    }
    btf.offset("s", "a").is_some()
}

pub(crate) fn argv_block(bytes: &[u8]) -> bool {
    let words: [AtomicU64; Arguments::WORDS] = std::array::from_fn(|position| {
        let chunk = bytes.chunks_exact(8).nth(position).unwrap_or_default();
        AtomicU64::new(u64::from_ne_bytes(chunk.try_into().unwrap_or_default()))
    });
    let block = arguments::block(&words);
    assert!(block.as_ref().is_none_or(|block| (1..=Slot::ARGV).contains(&block.len())));
    block.is_some()
}
