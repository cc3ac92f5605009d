//! Copies whose size is checked before they are made (`CONFIG_HARDENED_USERCOPY`): the
//! rest of `copy_to_user` and `copy_from_user`, which themselves cannot be hooked.

use aya_ebpf::{
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use zc_common::counter::Checked;

use crate::{checked, threads};

/// `void __check_object_size(const void *ptr, unsigned long n, bool to_user)`
/// (mm/usercopy.c): called before every copy whose size the compiler does not know.
#[fentry(function = "__check_object_size")]
pub fn check_object_size(ctx: FEntryContext) -> i32 {
    let (bytes, to_user): (u64, u8) = (ctx.arg(1), ctx.arg(2));
    if let Some(slot) = threads::running() {
        let checked = if to_user != 0 { Checked::ToUser } else { Checked::FromUser };
        checked::note(slot, checked, bytes);
    }
    0
}

/// `struct filename *getname_flags(const char __user *filename, int flags, ...)`, its
/// short form `getname`, and since 7.1 `do_getname` within it (fs/namei.c): what is
/// checked is the buffer that the path is read into.
macro_rules! names {
    ($($entry:ident, $exit:ident;)+) => {
        $(
            #[fentry]
            pub fn $entry(_: FEntryContext) -> i32 {
                set(true);
                0
            }

            #[fexit]
            pub fn $exit(_: FExitContext) -> i32 {
                set(false);
                0
            }
        )+
    };
}

names! {
    getname_entry, getname;
    getname_flags_entry, getname_flags;
    do_getname_entry, do_getname;
}

#[inline(always)]
fn set(naming: bool) {
    if let Some(slot) = threads::running() {
        checked::name(slot, naming);
    }
}
