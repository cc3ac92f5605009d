//! Reads of kernel and user memory outside the types the verifier knows, and the
//! one atomic operation that every kernel's BPF has.

use core::{arch::asm, ffi::c_void, mem::MaybeUninit};

use aya_ebpf::{
    Global,
    helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_kernel_str, bpf_probe_read_user},
};

use crate::settings::{READ_KERNEL, on};

/// Reads a `T` of the kernel's at `address`; none if it faults or the kernel
/// does not allow it.
#[inline(always)]
pub fn kernel<T: Copy + Default>(address: u64) -> Option<T> {
    let mut value = MaybeUninit::uninit();
    // SAFETY: it was written; every `T` used here is a plain integer.
    read(address, &mut value).then(|| unsafe { value.assume_init() })
}

/// Reads into `value`; whether it could, else there is nothing in it. It is not cleared
/// before: that is a loop, a byte at a time.
#[inline(always)]
fn read<T: Copy>(address: u64, value: &mut MaybeUninit<T>) -> bool {
    if !on(&READ_KERNEL) {
        return false;
    }
    // SAFETY: the helper writes `size_of::<T>()` bytes into `value` or fails.
    let result = unsafe {
        bpf_probe_read_kernel(
            value.as_mut_ptr().cast::<c_void>(),
            size_of::<T>() as u32,
            address as *const c_void,
        )
    };
    result == 0
}

/// Reads two fields of the kernel's structure at `address`, in one go if the second follows
/// the first closely: most of a read is the call that makes it.
#[inline(always)]
pub fn two<A: Copy + Default, B: Copy + Default>(
    address: u64,
    [first, second]: [&'static Global<u32>; 2],
) -> Option<(A, B)> {
    let start = address + u64::from(first.load());
    let between = second.load().wrapping_sub(first.load()) as usize;
    if between.saturating_add(size_of::<B>()) <= 16 {
        within::<A, B, 16>(start, between)
    } else if between.saturating_add(size_of::<B>()) <= 40 {
        within::<A, B, 40>(start, between)
    } else {
        Some((kernel(start)?, kernel(address + u64::from(second.load()))?))
    }
}

/// The same of so many bytes that both lie within.
#[inline(always)]
fn within<A: Copy, B: Copy, const BYTES: usize>(start: u64, between: usize) -> Option<(A, B)> {
    /// As a stack is.
    #[derive(Clone, Copy)]
    #[repr(align(8))]
    struct Window<const BYTES: usize>([u8; BYTES]);

    let mut window = MaybeUninit::<Window<BYTES>>::uninit();
    if !read(start, &mut window) {
        return None;
    }
    let window = window.as_ptr().cast::<u8>();
    // SAFETY: both lie within the window; plain integers, which the kernel aligns.
    Some(unsafe {
        (window.cast::<A>().read_volatile(), window.add(between).cast::<B>().read_volatile())
    })
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

/// Reads a text of the kernel's at `address`, to its end or as much as there is room for, a
/// zero included; whether it could.
#[inline(always)]
pub fn text<T>(address: u64, into: *mut T) -> bool {
    if !on(&READ_KERNEL) {
        return false;
    }
    let source = address as *const c_void;
    // SAFETY: the helper writes at most `size_of::<T>()` bytes, as the verifier checks; every
    // `T` used here is an array of plain integers.
    let read = unsafe { bpf_probe_read_kernel_str(into.cast(), size_of::<T>() as u32, source) };
    read > 0
}

/// Reads at most 255 bytes of the running process' at `address`; how many. `into` must have
/// room for them.
#[inline(always)]
pub fn user_bytes(address: u64, length: u64, into: *mut u8) -> u64 {
    const MOST: u64 = 255;
    if !on(&READ_KERNEL) {
        return 0;
    }
    let mut length = if length < MOST { length } else { MOST };
    // SAFETY: bounds the length for the verifier, which does not see that it is.
    unsafe { asm!("{length} &= 255", length = inout(reg) length) };
    // SAFETY: as in `user`; the verifier checks the room.
    let result =
        unsafe { bpf_probe_read_user(into.cast(), length as u32, address as *const c_void) };
    if result == 0 { length } else { 0 }
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
