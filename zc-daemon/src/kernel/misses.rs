//! What the programs missed: their own counts, and runs the kernel skipped.

use std::{
    collections::{HashMap, HashSet},
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
    time::Duration,
};

use anyhow::{Context as _, Result};
use aya::{
    maps::{Array, MapData},
    programs::{links::LinkType, loaded_links},
};
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

/// What the kernel says of a program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Info {
    /// Its number.
    pub id: u32,
    /// How long it ran while runs were timed.
    pub ran: Duration,
    /// How often, likewise.
    pub runs: u64,
    /// How often it was skipped because it was already running on the CPU
    /// (`bpf_prog_info.recursion_misses`; 0 where the kernel does not count them).
    pub recursion_misses: u64,
}

/// Asks the kernel about a program.
///
/// # Errors
///
/// If the kernel does not tell.
pub fn info(program: BorrowedFd<'_>) -> Result<Info> {
    // SAFETY: plain integers, for which all zeroes is a value.
    let mut info: bpf_prog_info = unsafe { std::mem::zeroed() };
    ask(program, &mut info).context("cannot ask for a program's misses")?;
    Ok(Info {
        id: info.id,
        ran: Duration::from_nanos(info.run_time_ns),
        runs: info.run_cnt,
        recursion_misses: info.recursion_misses,
    })
}

/// Links of kprobes, by the number of their program. To open them takes `CAP_SYS_ADMIN`; to
/// ask what they missed, nothing. A program stays attached as long as its link is held.
#[derive(Debug, Default)]
pub struct Links(HashMap<u32, Vec<OwnedFd>>);

impl Links {
    /// Opens those of some programs; none where the kernel does not count what they miss
    /// (before 6.7), or does not let this process look for links.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell of one.
    pub fn open(programs: &HashSet<u32>) -> Result<Self> {
        let mut links = Self::default();
        // One that goes meanwhile tells nothing.
        for link in loaded_links().filter_map(Result::ok) {
            if programs.contains(&link.program_id())
                && link.link_type().is_ok_and(|kind| kind == LinkType::PerfEvent)
                && let Ok(fd) = open_link(link.id())
                && missed_by(fd.as_fd())?.is_some()
            {
                links.0.entry(link.program_id()).or_default().push(fd);
            }
        }
        Ok(links)
    }

    /// Lets go of those of a program that is to be detached.
    pub fn close(&mut self, program: u32) {
        self.0.remove(&program);
    }

    /// How often the kernel did not come to run a program by its kprobe, by the program's
    /// number.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell.
    pub fn misses(&self) -> Result<HashMap<u32, u64>> {
        let missed = |links: &Vec<OwnedFd>| -> Result<u64> {
            links.iter().map(|link| Ok(missed_by(link.as_fd())?.unwrap_or_default())).sum()
        };
        self.0.iter().map(|(program, links)| Ok((*program, missed(links)?))).collect()
    }
}

/// Opens a link by its number.
fn open_link(id: u32) -> std::io::Result<OwnedFd> {
    let mut query = [id, 0, 0, 0];
    let fd = call(bpf_cmd::BPF_LINK_GET_FD_BY_ID, &mut query)?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What the kprobe of a link missed, if it is one and the kernel says.
fn missed_by(link: BorrowedFd<'_>) -> Result<Option<u64>> {
    /// The head of `struct bpf_link_info` of a kprobe, as far as `missed`.
    #[repr(C)]
    #[derive(Default)]
    struct KprobeInfo {
        kind: u32,
        id: u32,
        program: u32,
        _pad: u32,
        event: u32,
        _pad2: u32,
        name: u64,
        name_length: u32,
        offset: u32,
        address: u64,
        missed: u64,
    }
    /// `BPF_PERF_EVENT_KPROBE` and `BPF_PERF_EVENT_KRETPROBE`.
    const KPROBES: [u32; 2] = [3, 4];
    let mut info = KprobeInfo::default();
    let length = ask(link, &mut info).context("cannot ask for a link's misses")?;
    let told = length as usize >= size_of::<KprobeInfo>() && KPROBES.contains(&info.event);
    Ok(told.then_some(info.missed))
}

/// Fills `info` with what the kernel says of an object; how much that is.
fn ask<T>(object: BorrowedFd<'_>, info: &mut T) -> Result<u32> {
    #[repr(C)]
    struct Query {
        fd: u32,
        length: u32,
        info: u64,
    }
    let mut query = Query {
        fd: object.as_raw_fd().cast_unsigned(),
        length: u32::try_from(size_of::<T>())?,
        info: std::ptr::from_mut(info) as u64,
    };
    call(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut query)?;
    Ok(query.length)
}

/// `bpf(2)`. What the request points to is as long as it says.
fn call<T>(command: bpf_cmd, request: &mut T) -> std::io::Result<i32> {
    // SAFETY: the kernel reads and writes `request`, and what it points to, both of which
    // outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as libc::c_ulong,
            std::ptr::from_mut(request),
            size_of::<T>(),
        )
    };
    i32::try_from(result).ok().filter(|value| *value >= 0).ok_or_else(std::io::Error::last_os_error)
}
