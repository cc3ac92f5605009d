//! Copies whose size is checked before they are made (`CONFIG_HARDENED_USERCOPY`): the
//! rest of `copy_to_user` and `copy_from_user`, which themselves cannot be hooked.

use aya_ebpf::{
    EbpfContext as _,
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use zc_common::counter::Checked;

use crate::{checked, memory, settings::FILENAME_INAME, threads};

/// `void __check_object_size(const void *ptr, unsigned long n, bool to_user)`
/// (mm/usercopy.c): called before every copy whose size the compiler does not know.
#[fentry(function = "__check_object_size")]
pub fn check_object_size(ctx: FEntryContext) -> i32 {
    let (bytes, to_user): (u64, u8) = (ctx.arg(1), ctx.arg(2));
    let checked = if to_user != 0 { Checked::ToUser } else { Checked::FromUser };
    if !is_path(&ctx, bytes)
        && let Some(slot) = threads::running()
    {
        checked::note(slot, checked, bytes);
    }
    0
}

/// Whether it is the buffer of a path (`struct filename`, include/linux/fs.h, to 7.0): the
/// whole room is checked, whatever the length of the path. It is a page long, which the
/// name fills from its place in the structure on.
#[inline(always)]
fn is_path(ctx: &FEntryContext, bytes: u64) -> bool {
    /// `PATH_MAX` (include/uapi/linux/limits.h).
    const MOST: u64 = 4096;
    let place = u64::from(FILENAME_INAME.load());
    bytes.wrapping_add(place) == MOST && {
        // A `const void *` that verifiers before 6.12 let no program load.
        let address = memory::kernel::<u64>(ctx.as_ptr() as u64);
        address.is_none_or(|address| address % MOST == place)
    }
}

/// `struct filename *do_getname(const char __user *filename, int flags, bool incomplete)`
/// (fs/namei.c, since 7.1): the same where a path has less room.
#[fentry(function = "do_getname")]
pub fn do_getname_entry(_: FEntryContext) -> i32 {
    set(true);
    0
}

/// The same: the path has been read.
#[fexit(function = "do_getname")]
pub fn do_getname(_: FExitContext) -> i32 {
    set(false);
    0
}

#[inline(always)]
fn set(naming: bool) {
    if let Some(slot) = threads::running() {
        checked::name(slot, naming);
    }
}
