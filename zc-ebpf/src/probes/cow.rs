//! Pages copied because they are written while shared (copy-on-write).

use zc_common::flow::{Direction, Route};

use super::dax;
use crate::{
    call::Return,
    charge, sites,
    task::{Context, Current},
    threads,
};

on_return! {
    /// `unsigned long copy_mc_to_kernel(void *dst, const void *src, unsigned int len)`
    /// (arch/x86/lib/copy_mc.c): returns what it did not copy. Faults copy by it; so do
    /// reads of persistent memory, counted by `dax_iomap_rw`, and the kernel's own threads
    /// that move pages; both are left out.
    copy_mc_to_kernel(3) [2] => copied;
}

#[inline(always)]
fn copied(call: &impl Return) {
    let length = u64::from(call.argument(2) as u32);
    let copied = length.saturating_sub(call.returned());
    let current = Current::take();
    if copied != 0
        && current.context() != Context::Kernel
        && let Some(slot) = threads::of(current)
        && !dax::is_read(slot)
    {
        let (route, direction) = (Route::Fault as u8, Direction::InKernel);
        charge::copied_aside(slot, route, direction, copied);
        sites::copied(call.context(), route, direction, copied);
    }
}
