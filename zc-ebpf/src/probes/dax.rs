//! Files in persistent memory that are used in place (DAX): reads and writes copy between
//! it and what the call was given, without a page cache.

use zc_common::slot::Slot;

use super::sockets::{account, begin};
use crate::{
    call::{Call, Return},
    copies::{Way, of_file},
    iter::{Iter, Memory},
    threads,
};

/// Set in [`Slot::within`] while such a file is read into pages of the kernel's: that is
/// done by `copy_mc_to_kernel`, as faults do.
const INTO_KERNEL: u64 = 1 << 63;

on_return! {
    /// `ssize_t dax_iomap_rw(struct kiocb *iocb, struct iov_iter *iter,
    /// const struct iomap_ops *ops)` (fs/dax.c): what it returns includes holes, which a
    /// read fills with zeroes.
    dax_iomap_rw(3) [0, 1] > begin_access => end_access;

    /// `size_t dax_copy_to_iter(struct dax_device *dax_dev, pgoff_t pgoff, void *addr,
    /// size_t bytes, struct iov_iter *i)` (drivers/dax/super.c): a piece of a read that is
    /// no hole.
    dax_copy_to_iter(5) [] => piece;
}

beside_return! {
    dax_iomap_rw_entry => begin_access;
}

/// Whether a copy by `copy_mc_to_kernel` is part of a read into pages of the kernel's.
#[inline(always)]
pub(super) fn is_read(slot: *mut Slot) -> bool {
    // SAFETY: `slot` points into `SLOTS`; the word is its owner's own.
    unsafe { (*slot).within & INTO_KERNEL != 0 }
}

#[inline(always)]
fn begin_access(call: &impl Call) {
    begin();
    let iter = call.argument(1);
    if !Iter::is_source(call, iter)
        && Iter::memory(call, iter) != Memory::User
        && let Some(slot) = threads::running()
    {
        // SAFETY: as in `is_read`.
        unsafe { (*slot).within = INTO_KERNEL };
    }
}

#[inline(always)]
fn end_access(call: &impl Return) {
    let (kiocb, iter, returned) = (call.argument(0), call.argument(1), call.returned() as i64);
    // Before 6.5 a splice reads into a pipe, which takes a copy of what is no page.
    let memory = match Iter::memory(call, iter) {
        Memory::None => Memory::Kernel,
        memory => memory,
    };
    if Iter::is_source(call, iter) {
        of_file(call, Way::Write, kiocb, memory, returned);
    } else if let Some(copied) = copied() {
        of_file(call, Way::Read, kiocb, memory, returned.min(copied));
    }
    begin();
}

/// Bytes that the read under way has copied; none if some were not seen.
#[inline(always)]
fn copied() -> Option<i64> {
    // SAFETY: as in `is_read`.
    let within = threads::running().map_or(0, |slot| unsafe { (*slot).within } & !INTO_KERNEL);
    (within < Slot::UNSEEN).then_some(within as i64)
}

#[inline(always)]
fn piece(call: &impl Return) {
    account(call.returned() as i64);
}
