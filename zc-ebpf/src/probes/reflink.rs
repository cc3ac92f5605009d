//! Files that share their blocks instead of copying them.

use crate::{call::Return, copies, memory};

on_return! {
    /// `int generic_remap_file_range_prep(struct file *file_in, loff_t pos_in,
    /// struct file *file_out, loff_t pos_out, loff_t *len, unsigned int remap_flags)`
    /// (fs/remap_range.c): the last step before a file system shares `len` bytes.
    generic_remap_file_range_prep(6) [4] => prepared;
}

#[inline(always)]
fn prepared(call: &impl Return) {
    let length = call.argument(4);
    if call.returned() as i32 == 0
        && let Some(length) = memory::kernel::<i64>(length)
    {
        copies::link(length);
    }
}
