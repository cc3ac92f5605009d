//! Files in persistent memory that are used in place (DAX): reads and writes copy between
//! it and what the call was given, without a page cache.

use aya_ebpf::{
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use zc_common::slot::Slot;

use super::sockets::{account, begin};
use crate::{
    copies::{Way, of_file},
    iter::{Iter, Memory},
    threads,
};

/// Set in [`Slot::within`] while such a file is read into pages of the kernel's: that is
/// done by `copy_mc_to_kernel`, as faults do.
const INTO_KERNEL: u64 = 1 << 63;

/// Whether a copy by `copy_mc_to_kernel` is part of such a read.
#[inline(always)]
pub(super) fn is_read(slot: *mut Slot) -> bool {
    // SAFETY: `slot` points into `SLOTS`; the word is its owner's own.
    unsafe { (*slot).within & INTO_KERNEL != 0 }
}

/// `ssize_t dax_iomap_rw(struct kiocb *iocb, struct iov_iter *iter,
/// const struct iomap_ops *ops)` (fs/dax.c).
#[fentry(function = "dax_iomap_rw")]
pub fn dax_iomap_rw_entry(ctx: FEntryContext) -> i32 {
    begin();
    // SAFETY: a typed `iov_iter` pointer: the loader checks the prototype.
    let iter = unsafe { Iter::new(ctx.arg(1)) };
    if !iter.is_source()
        && iter.memory() != Memory::User
        && let Some(slot) = threads::running()
    {
        // SAFETY: as in `is_read`.
        unsafe { (*slot).within = INTO_KERNEL };
    }
    0
}

/// The same: what it returns includes holes, which a read fills with zeroes.
#[fexit(function = "dax_iomap_rw")]
pub fn dax_iomap_rw(ctx: FExitContext) -> i32 {
    let returned: i64 = ctx.arg(3);
    // SAFETY: as on entry.
    let iter = unsafe { Iter::new(ctx.arg(1)) };
    // Before 6.5 a splice reads into a pipe, which takes a copy of what is no page.
    let memory = match iter.memory() {
        Memory::None => Memory::Kernel,
        memory => memory,
    };
    if iter.is_source() {
        of_file(Way::Write, ctx.arg(0), memory, returned);
    } else {
        of_file(Way::Read, ctx.arg(0), memory, returned.min(copied()));
    }
    begin();
    0
}

/// Bytes that the read under way has copied.
#[inline(always)]
fn copied() -> i64 {
    // SAFETY: as in `is_read`.
    threads::running().map_or(0, |slot| unsafe { (*slot).within & !INTO_KERNEL } as i64)
}

/// `size_t dax_copy_to_iter(struct dax_device *dax_dev, pgoff_t pgoff, void *addr,
/// size_t bytes, struct iov_iter *i)` (drivers/dax/super.c): a piece of a read that is no
/// hole.
#[fexit(function = "dax_copy_to_iter")]
pub fn dax_copy_to_iter(ctx: FExitContext) -> i32 {
    account(ctx.arg(5));
    0
}
