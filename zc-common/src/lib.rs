//! What the kernel half and the user half of zc must agree on: plain data,
//! `no_std`, no dependency, no `unsafe`.
//!
//! * [`audit`]: what breakpoints count, and how;
//! * [`mod@file`]: what stands behind a descriptor;
//! * [`classify`]: which flow a call is, from its shape and its descriptors;
//! * [`flow`]: how data moves (routes, endpoints) and what each way must copy;
//! * [`fallback`]: zero-copy promises that were not kept, and why;
//! * [`counter`]: the layout of a tally, one word a counter;
//! * [`syscall`]: the system call table: class and I/O shape of each number;
//! * [`slot`]: one thread's place in the `SLOTS` map: who owns it, its tally;
//! * [`site`]: stacks that copies were made on;
//! * [`relay`]: bytes that went out as they had come in;
//! * [`mod@calls`]: the system calls that are hooked one by one;
//! * [`settings`]: the globals that userspace sets before load;
//! * [`mod@textbook`]: what the table of paths says and the engine judges by, two floors of
//!   the user half of which neither sees the other.
//!
//! The boundary is words: everything the kernel half writes is a `u64`, and the
//! user half decodes it ([`slot::Reading::fill`]); no Rust enum, `bool` or
//! `Option` is ever read back from a map.

#![no_std]
#![forbid(unsafe_code)]

#[macro_use]
mod table;

pub mod audit;
pub mod calls;
pub mod classify;
pub mod counter;
pub mod fallback;
pub mod file;
pub mod flow;
pub mod relay;
pub mod settings;
pub mod site;
pub mod slot;
pub mod syscall;
pub mod textbook;
