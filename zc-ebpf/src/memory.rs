//! Reads of kernel and user memory outside the types the verifier knows, and the
//! one atomic operation that every kernel's BPF has.

use core::{arch::asm, ffi::c_void};

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};

use crate::settings::{READ_KERNEL, on};

/// Reads a `T` of the kernel's at `address`; none if it faults or the kernel
/// does not allow it.
#[inline(always)]
pub fn kernel<T: Copy + Default>(address: u64) -> Option<T> {
    if !on(&READ_KERNEL) {
        return None;
    }
    let mut value = T::default();
    // SAFETY: the helper writes exactly `size_of::<T>()` bytes into `value` or
    // fails; every `T` used here is a plain integer.
    let result = unsafe {
        bpf_probe_read_kernel(
            (&raw mut value).cast::<c_void>(),
            size_of::<T>() as u32,
            address as *const c_void,
        )
    };
    (result == 0).then_some(value)
}

/// Reads a `T` of the running process' at `address`; none if it faults, or where
/// kernel memory cannot be read: aya then takes the kernel for one that has only
/// the older `bpf_probe_read`, rewrites this call too, and lockdown refuses it.
#[inline(always)]
pub fn user<T: Copy + Default>(address: u64) -> Option<T> {
    if !on(&READ_KERNEL) {
        return None;
    }
    let mut value = T::default();
    // SAFETY: as above, from user memory, page faults disabled.
    let result = unsafe {
        bpf_probe_read_user(
            (&raw mut value).cast::<c_void>(),
            size_of::<T>() as u32,
            address as *const c_void,
        )
    };
    (result == 0).then_some(value)
}

/// A word of a context, by position from 0. In assembly, as the compiler would make one
/// load at a computed place of several at constant ones, which the verifier does not
/// allow.
#[inline(always)]
pub fn word<const POSITION: usize>(context: *const c_void) -> u64 {
    let value: u64;
    // SAFETY: the verifier checks that the context has such a word.
    unsafe {
        asm!(
            "{value} = *(u64 *)({context} + {offset})",
            value = out(reg) value,
            context = in(reg) context,
            offset = const 8 * POSITION,
        );
    }
    value
}

/// Adds to a long word of a map in one instruction, for words with several writers.
#[inline(always)]
pub fn add_long(word: *mut u64, amount: u64) {
    // SAFETY: as below.
    unsafe {
        asm!("lock *(u64 *)({word} + 0) += {amount}", word = in(reg) word, amount = in(reg) amount);
    }
}

/// Adds to a word of a map in one instruction (`BPF_XADD`), wrapping.
#[inline(always)]
pub fn add(word: *mut u32, amount: u32) {
    // SAFETY: the verifier checks that `word` lies within a map's value; the
    // instruction touches nothing else.
    unsafe {
        asm!("lock *(u32 *)({word} + 0) += {amount}", word = in(reg) word, amount = in(reg) u64::from(amount));
    }
}
