//! What the programs missed: their own counts, and runs the kernel skipped.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use anyhow::{Context as _, Result};
use aya::maps::{Array, MapData};
use aya_obj::generated::{bpf_cmd, bpf_prog_info};
use zc_common::slot::{CpuState, Lost, Slot};

const WORDS: usize = CpuState::WORDS * Slot::MAX_CPUS;

/// The `.bss` of the object: one [`CpuState`] a CPU.
pub struct Cpus {
    map: Array<MapData, [u64; WORDS]>,
    count: usize,
}

/// What the CPUs have in theirs.
pub struct Seen {
    /// The slots of the threads that run.
    pub running: Vec<u32>,
    /// Events missed since attach, by reason.
    pub lost: [u64; Lost::COUNT],
}

impl Cpus {
    /// Takes the `.bss` map, of so many CPUs.
    ///
    /// # Errors
    ///
    /// If it has another shape than the one this daemon was built with.
    pub fn new(bss: aya::maps::Map, count: usize) -> Result<Self> {
        let map = Array::try_from(bss).context("the object's .bss has an unknown shape")?;
        Ok(Self { map, count })
    }

    /// What they have now.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn read(&self) -> Result<Seen> {
        let words = self.map.get(&0, 0).context("cannot read what the CPUs keep")?;
        let mut seen = Seen { running: Vec::new(), lost: [0; Lost::COUNT] };
        for cpu in words.chunks_exact(CpuState::WORDS).take(self.count) {
            seen.running.extend(u32::try_from(cpu[0]));
            for (sum, lost) in seen.lost.iter_mut().zip(&cpu[CpuState::FIRST_LOST..]) {
                *sum += lost;
            }
        }
        Ok(seen)
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
