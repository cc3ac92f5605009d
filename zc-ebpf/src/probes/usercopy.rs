//! Copies whose size is checked before they are made (`CONFIG_HARDENED_USERCOPY`): the
//! rest of `copy_to_user` and `copy_from_user`, which themselves cannot be hooked.

use zc_common::{
    counter::Checked,
    flow::{Direction, Route},
};

use crate::{
    aside,
    call::{Call, Return},
    checked, copies,
    settings::FILENAME_INAME,
    sites,
    task::{Context, Current, NO_CALL},
    threads,
};

on_entry! {
    /// `void __check_object_size(const void *ptr, unsigned long n, bool to_user)`
    /// (mm/usercopy.c): called before every copy whose size the compiler does not know.
    check_object_size => check;
}

on_return! {
    /// `struct filename *do_getname(const char __user *filename, int flags,
    /// bool incomplete)` (fs/namei.c, since 7.1): a path is read, which has less room than
    /// before.
    do_getname(3) [] > begin_path => end_path;
}

beside_return! {
    do_getname_entry => begin_path;
}

#[inline(always)]
fn check(call: &impl Call) {
    let (bytes, to_user) = (call.argument(1), call.argument(2) as u8);
    let checked = if to_user != 0 { Checked::ToUser } else { Checked::FromUser };
    if is_path(call, bytes) {
        return;
    }
    let current = Current::take();
    match current.context() {
        Context::Call(number) if is_exec(number) => {}
        Context::Call(number) if copies::is_settled(number) => {
            if let Some(slot) = threads::of(current) {
                checked::note(slot, checked, bytes);
            }
        }
        // Between two calls only requests of an io_uring copy.
        Context::Call(number) if number != NO_CALL => {
            if aside::argument(checked as u64, bytes) != 0 {
                let direction = match checked {
                    Checked::ToUser => Direction::ToUser,
                    Checked::FromUser => Direction::FromUser,
                };
                sites::copied(call.context(), Route::Other as u8, direction, bytes);
            }
        }
        Context::Call(_) | Context::RingWorker | Context::Kernel => {}
    }
}

/// Whether a call makes another program of the process: what it copies (arguments, the
/// environment, the auxiliary vector) is neither program's.
#[inline(always)]
fn is_exec(number: u32) -> bool {
    // arch/x86/entry/syscalls/syscall_64.tbl.
    const EXECVE: u32 = 59;
    const EXECVEAT: u32 = 322;
    number == EXECVE || number == EXECVEAT
}

/// Whether it is the buffer of a path (`struct filename`, include/linux/fs.h, to 7.0): the
/// whole room is checked, whatever the length of the path. It is a page long, which the
/// name fills from its place in the structure on.
#[inline(always)]
fn is_path(call: &impl Call, bytes: u64) -> bool {
    /// `PATH_MAX` (include/uapi/linux/limits.h).
    const MOST: u64 = 4096;
    let place = u64::from(FILENAME_INAME.load());
    bytes.wrapping_add(place) == MOST
        && call.untyped(0).is_none_or(|address| address % MOST == place)
}

#[inline(always)]
fn begin_path(_: &impl Call) {
    set(true);
}

#[inline(always)]
fn end_path(_: &impl Return) {
    set(false);
}

#[inline(always)]
fn set(naming: bool) {
    if let Some(slot) = threads::running() {
        checked::name(slot, naming);
    }
}
