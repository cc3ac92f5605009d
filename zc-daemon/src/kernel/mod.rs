//! The edge to the kernel: the only user of `aya`, and of `unsafe`.
//!
//! [`hooks`] says what there is to attach, [`loader`] attaches it, [`slots`]
//! reads what was charged. The engine sees none of this: it is handed
//! [`zc_common::slot::Reading`]s.

pub mod btf;
pub mod capabilities;
mod copying;
mod cpus;
pub mod hooks;
pub mod loader;
pub mod misses;
pub mod object;
pub mod settings;
pub mod slots;
