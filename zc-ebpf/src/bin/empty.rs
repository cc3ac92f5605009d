//! Programs that do nothing: what a hook costs by itself, for `cargo xtask bench cost`. No
//! part of zc's own object.

#![expect(missing_docs, reason = "the macros make functions without any")]
#![no_std]
#![no_main]

use aya_ebpf::{
    macros::{btf_tracepoint, fexit},
    programs::{BtfTracePointContext, FExitContext},
};

/// On the return of a function.
#[fexit]
pub fn empty_exit(_: FExitContext) -> i32 {
    0
}

/// On a tracepoint, whichever it is loaded for.
#[btf_tracepoint]
pub fn empty_tracepoint(_: BtfTracePointContext) -> i32 {
    0
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
