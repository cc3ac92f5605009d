//! Page faults by what backs the page, as the kernel itself accounts them.

use aya_ebpf::{Global, macros::fexit, programs::FExitContext};
use zc_common::{
    counter::{Backing, Counter, Fault},
    settings::ABSENT,
};

use crate::{
    charge,
    settings::{
        FAULT_FLAG_TRIED, VM_FAULT_COMPLETED, VM_FAULT_FALLBACK, VM_FAULT_HWPOISON,
        VM_FAULT_HWPOISON_LARGE, VM_FAULT_MAJOR, VM_FAULT_OOM, VM_FAULT_RETRY, VM_FAULT_SIGBUS,
        VM_FAULT_SIGSEGV, VMA_OPS,
    },
    threads,
};

/// `FAULT_FLAG_TRIED` where it is no enumerator (`include/linux/mm.h`, 5.10).
const TRIED: u32 = 0x20;

/// `vm_fault_t handle_mm_fault(struct vm_area_struct *vma, unsigned long address,
/// unsigned int flags, struct pt_regs *regs)` (mm/memory.c, 5.10 to 7.3): what
/// `mm_account_fault` adds to `min_flt` or `maj_flt` of the running task is charged to it
/// here. Faults that the kernel takes for a process (`regs` is null) count in both.
#[fexit(function = "handle_mm_fault")]
pub fn handle_mm_fault(ctx: FExitContext) -> i32 {
    let (flags, outcome): (u32, u32) = (ctx.arg(2), ctx.arg(4));
    if outcome & uncounted() != 0 {
        return 0;
    }
    let tried = match FAULT_FLAG_TRIED.load() {
        ABSENT => TRIED,
        flag => flag,
    };
    let major = outcome & bit(&VM_FAULT_MAJOR) != 0 || flags & tried != 0;
    let backing = backing(ctx.arg(0), outcome);
    if let Some(slot) = threads::running() {
        let fault = if major { Fault::Major } else { Fault::Minor };
        charge::add(slot, Counter::backed(fault, backing), 1);
    }
    0
}

/// The outcomes that `mm_account_fault` leaves out: `VM_FAULT_ERROR`, and faults that are
/// to be tried again.
#[inline(always)]
fn uncounted() -> u32 {
    let failed = bit(&VM_FAULT_OOM)
        | bit(&VM_FAULT_SIGBUS)
        | bit(&VM_FAULT_SIGSEGV)
        | bit(&VM_FAULT_HWPOISON)
        | bit(&VM_FAULT_HWPOISON_LARGE)
        | bit(&VM_FAULT_FALLBACK);
    failed | bit(&VM_FAULT_RETRY)
}

/// An outcome that this kernel does not have is none of its faults'.
#[inline(always)]
fn bit(outcome: &'static Global<u32>) -> u32 {
    match outcome.load() {
        ABSENT => 0,
        bit => bit,
    }
}

/// What backs a mapping. Where its lock was given up on the way (`VM_FAULT_COMPLETED`,
/// since 6.0) it may be gone: only a write to a shared mapping of a file ends so
/// (`fault_dirty_shared_page`, mm/memory.c, 6.1 to 7.3).
#[inline(always)]
fn backing(mapping: *const u8, outcome: u32) -> Backing {
    if outcome & bit(&VM_FAULT_COMPLETED) != 0 {
        return Backing::File;
    }
    let field = mapping.wrapping_add(VMA_OPS.load() as usize).cast::<u64>();
    // SAFETY: a typed `vm_area_struct` pointer: the loader checks the prototype, and the
    // verifier the load.
    if unsafe { field.read_volatile() } == 0 { Backing::Anonymous } else { Backing::File }
}
