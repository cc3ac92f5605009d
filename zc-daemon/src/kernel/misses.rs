//! What the programs missed: their own counts, and runs the kernel skipped.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use anyhow::{Context as _, Result};
use aya::maps::{Array, MapData};
use aya_obj::generated::{bpf_cmd, bpf_prog_info};
use zc_common::slot::{CpuState, Lost, Slot};

const WORDS: usize = CpuState::WORDS * Slot::MAX_CPUS;

/// The `.bss` of the object: one [`CpuState`] a CPU.
pub struct Losses(Array<MapData, [u64; WORDS]>);

impl Losses {
    /// Takes the `.bss` map.
    ///
    /// # Errors
    ///
    /// If it has another shape than the one this daemon was built with.
    pub fn new(bss: aya::maps::Map) -> Result<Self> {
        Ok(Self(Array::try_from(bss).context("the object's .bss has an unknown shape")?))
    }

    /// Events missed since attach, by reason, over all CPUs.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn read(&self) -> Result<[u64; Lost::COUNT]> {
        let words = self.0.get(&0, 0).context("cannot read the counts of lost events")?;
        let mut sums = [0; Lost::COUNT];
        for cpu in words.chunks_exact(CpuState::WORDS) {
            for (sum, lost) in sums.iter_mut().zip(&cpu[CpuState::FIRST_LOST..]) {
                *sum += lost;
            }
        }
        Ok(sums)
    }
}

/// How often the kernel skipped a program because it was already running on the
/// CPU (`bpf_prog_info.recursion_misses`; 0 where the kernel does not count them).
///
/// # Errors
///
/// If the kernel does not tell.
pub fn recursion(program: BorrowedFd<'_>) -> Result<u64> {
    #[repr(C)]
    #[derive(Default)]
    struct Query {
        fd: u32,
        length: u32,
        info: u64,
    }
    // SAFETY: plain integers, for which all zeroes is a value.
    let mut info: bpf_prog_info = unsafe { std::mem::zeroed() };
    let mut query = Query {
        fd: program.as_raw_fd().cast_unsigned(),
        length: u32::try_from(size_of::<bpf_prog_info>())?,
        info: (&raw mut info) as u64,
    };
    // SAFETY: BPF_OBJ_GET_INFO_BY_FD reads `query` and writes at most `length`
    // bytes to `info`; both outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            bpf_cmd::BPF_OBJ_GET_INFO_BY_FD as libc::c_ulong,
            &raw mut query,
            size_of::<Query>(),
        )
    };
    if result != 0 {
        return Err(std::io::Error::last_os_error()).context("cannot ask for a program's misses");
    }
    Ok(info.recursion_misses)
}
