//! Files that share their blocks instead of copying them.

use aya_ebpf::{macros::fexit, programs::FExitContext};

use crate::{copies, memory};

/// `int generic_remap_file_range_prep(struct file *file_in, loff_t pos_in,
/// struct file *file_out, loff_t pos_out, loff_t *len, unsigned int remap_flags)`
/// (fs/remap_range.c): the last step before a file system shares `len` bytes.
#[fexit(function = "generic_remap_file_range_prep")]
pub fn generic_remap_file_range_prep(ctx: FExitContext) -> i32 {
    let length: u64 = ctx.arg(4);
    if ctx.arg::<i32>(6) == 0
        && let Some(length) = memory::kernel::<i64>(length)
    {
        copies::link(length);
    }
    0
}
