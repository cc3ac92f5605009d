//! The arguments of processes, by slot: read when a program is started, handed on to whom it
//! forks. Dead code unless they are kept ([`KEEP_ARGV`]).

use zc_common::slot::Arguments;

use crate::{
    maps::ARGV,
    memory,
    settings::{KEEP_ARGV, on},
};

/// Whether they are kept.
#[inline(always)]
pub fn are_kept() -> bool {
    on(&KEEP_ARGV)
}

/// Gives the owner of slot `to` the arguments of that of slot `from`, none if that is 0.
#[inline(never)]
#[unsafe(export_name = "inherit_arguments")]
pub fn inherit(from: u64, to: u64) -> u64 {
    let Some(own) = ARGV.get_ptr_mut(to as u32) else { return 0 };
    let own = own.cast::<u64>();
    match ARGV.get_ptr_mut(from as u32) {
        Some(other) if from != 0 => {
            let other = other.cast::<u64>();
            let mut position = 0;
            while position < Arguments::WORDS {
                // SAFETY: both point into `ARGV`, to so many words.
                unsafe { *own.add(position) = *other.add(position) };
                position += 1;
            }
        }
        // SAFETY: `own` points into `ARGV`; its first word is the length.
        _ => unsafe { *own = 0 },
    }
    0
}

/// Reads the arguments of the running process, which has just started a program.
#[inline(never)]
#[unsafe(export_name = "read_arguments")]
pub fn read(slot: u64, start: u64, length: u64) -> u64 {
    if let Some(own) = ARGV.get_ptr_mut(slot as u32)
        && slot != 0
    {
        // SAFETY: `own` points into `ARGV`.
        let bytes = unsafe { (&raw mut (*own).bytes).cast::<u8>() };
        let read = memory::user_bytes(start, length, bytes);
        // SAFETY: as above.
        unsafe { (*own).length = read };
    }
    0
}
