//! Pages copied because they are written while shared (copy-on-write).

use aya_ebpf::{macros::fexit, programs::FExitContext};
use zc_common::flow::{Direction, Route};

use super::dax;
use crate::{
    charge,
    task::{self, Context},
    threads,
};

/// `unsigned long copy_mc_to_kernel(void *dst, const void *src, unsigned int len)`
/// (arch/x86/lib/copy_mc.c): returns what it did not copy. Faults copy by it; so do
/// reads of persistent memory, counted by `dax_iomap_rw`, and the kernel's own threads
/// that move pages; both are left out.
#[fexit(function = "copy_mc_to_kernel")]
pub fn copy_mc_to_kernel(ctx: FExitContext) -> i32 {
    let (length, left): (u32, u64) = (ctx.arg(2), ctx.arg(3));
    let copied = u64::from(length).saturating_sub(left);
    if copied != 0
        && task::context() != Context::Kernel
        && let Some(slot) = threads::running()
        && !dax::is_read(slot)
    {
        charge::copied_aside(slot, Route::Fault as u8, Direction::InKernel, copied);
    }
    0
}
