//! zc's eBPF programs.
//!
//! One file a probe in [`probes`]; each decodes its hook's arguments, charges
//! the running thread's slot and returns. No program loops over data, sends an
//! event or takes a lock; the one map operation that can block another CPU
//! (taking a free slot) happens once in a thread's life. Where call sites are kept, each
//! charge takes stacks too, and a site that is new takes a lock; so does a cgroup that is made.
//!
//! Functions are inlined, or take plain numbers and have a name given to them: a
//! mangled name holds a hash of where the source lies, and the object must be the
//! same everywhere; a named function is verified by itself, pointers and all.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod arguments;
mod aside;
mod call;
mod charge;
mod checked;
mod copies;
mod descriptor;
mod frames;
mod iter;
mod maps;
mod memory;
mod owners;
mod probes;
mod relays;
mod rings;
mod settings;
mod sites;
mod task;
mod threads;
mod transfer;

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // No program may reach this: the verifier would refuse it.
    loop {}
}

/// The kernel lends `bpf_probe_read_kernel` and its like to GPL-compatible
/// programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
