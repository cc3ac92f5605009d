//! Loads the object into the running kernel and attaches its probes: `loaded` loads programs,
//! `attach` attaches them, `detach` lets go of them again; `alone` is for those that count
//! nothing by themselves.

mod alone;
mod attach;
mod attachment;
mod detach;
mod loaded;
mod refusal;

use std::{
    collections::{BTreeMap, HashMap},
    os::fd::AsFd as _,
};

use anyhow::{Context as _, Result};
use aya::{Ebpf, programs};
use aya_log::EbpfLogger;
use zc_common::slot::{Care, Look, Lost};

pub(super) use self::alone::{attach_alone, of_perf_events};
use self::loaded::{Loaded, Types};
pub use self::{
    alone::{load_each, load_those_of_perf_events},
    attachment::{Attachment, Choice},
};
use super::{
    arguments::Arguments,
    btf::Btf,
    cgroups::Cgroups,
    handed::Requests,
    hooks::{FAULTS, is_call},
    ladder::{By, Program, Rung},
    misses::{self, Cpus, Info, Links},
    settings::Settings,
    sizes::Sizes,
    slots::Slots,
};

/// The programs' log, passed on to ours.
type Log = EbpfLogger<&'static dyn log::Log>;

/// The object, loaded and attached; dropping it detaches every probe.
pub struct Kernel {
    pub(super) ebpf: Ebpf,
    log: Log,
    /// The slots.
    pub slots: Slots,
    requests: Requests,
    cpus: Cpus,
    /// Programs that are to be detached.
    leaving: Vec<Program>,
    /// What programs that are detached missed, as [`SKIPPED`].
    skipped: [u64; SKIPPED.len()],
    /// What became of each probe, in the table's order.
    pub attachments: Vec<Attachment>,
    /// Whether programs may read kernel memory; if not, every descriptor's
    /// endpoint is unknown.
    pub reads_kernel: bool,
    /// Links of kprobes, once [`Kernel::open_links`] was called.
    links: Links,
    /// Who was charged, until somebody takes it.
    identity: Option<(Cgroups, Arguments)>,
}

impl Kernel {
    /// Loads and attaches everything chosen that this kernel takes.
    ///
    /// # Errors
    ///
    /// If the kernel has no BTF, refuses the maps, or refuses an essential probe.
    pub fn attach(sizes: Sizes, choice: Choice) -> Result<Self> {
        let own = Btf::from_running_kernel()?;
        let mut settings = Settings::for_kernel(&own)?;
        if let Some(hierarchy) = sizes.identity.hierarchy {
            settings = settings.with_hierarchy(&own, hierarchy)?;
        }
        let aya = aya::Btf::from_sys_fs().context("cannot parse the kernel's BTF")?;
        let types = Types { own: &own, aya: &aya };
        let mut loaded = Loaded::new(&settings, sizes, choice, types)?;
        if !loaded.has_reader() {
            let settings = settings.without_kernel_reads();
            let blind = Loaded::new(&settings, sizes, choice, types)?;
            if blind.has_reader() {
                loaded = Loaded { reads_kernel: false, ..blind };
            }
        }
        let attached = loaded.attach(choice, types);
        drop((own, aya));
        release_memory();
        attached
    }

    /// Passes on what the programs logged.
    pub fn flush_log(&mut self) {
        self.log.flush();
    }

    /// The cgroups that are made, and the arguments of processes; once.
    pub fn take_identity(&mut self) -> Option<(Cgroups, Arguments)> {
        self.identity.take()
    }

    /// Hands every slot in use to `book` and gives back those it returns `true` for.
    ///
    /// # Errors
    ///
    /// If the slots cannot be read.
    pub fn read(&mut self, care: Care, book: impl FnMut(Look<'_>) -> bool) -> Result<()> {
        if care == Care::Thorough {
            self.requests.make_room()?;
        }
        let running = self.cpus.read()?.running;
        self.slots.read(&running, care, book)
    }

    /// What was missed since attach, by reason.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell.
    pub fn lost(&self) -> Result<Vec<(&'static str, u64)>> {
        let mut own = self.cpus.read()?.lost;
        own[Lost::RequestRoom.index()] += self.requests.forgotten();
        let mut lost: Vec<_> =
            Lost::ALL.iter().map(|reason| (reason.name(), own[reason.index()])).collect();
        let mut skipped = self.skipped;
        for (name, program) in self.ebpf.programs() {
            if let Ok(fd) = program.fd() {
                skipped[kind(name, program)] += misses::info(fd.as_fd())?.recursion_misses;
            }
        }
        lost.extend(SKIPPED.into_iter().zip(skipped));
        Ok(lost)
    }

    /// Opens what tells how often kprobes were missed, which takes `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell of one that it lets be opened.
    pub fn open_links(&mut self) -> Result<()> {
        let mut rungs = self.attachments.iter().filter_map(|attachment| attachment.hook);
        if rungs.any(|rung| rung.by == By::Kprobe) {
            let programs = self.infos()?.values().map(|info| info.id).collect();
            self.links = Links::open(&programs)?;
        }
        Ok(())
    }

    /// Closes the maps that only programs use from here on: they keep them.
    pub fn close_maps(&mut self) {
        let names: Vec<_> = self.ebpf.maps().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            drop(self.ebpf.take_map(&name));
        }
    }

    /// How often the kernel did not come to run a program by its kprobe, by the program's
    /// number.
    ///
    /// # Errors
    ///
    /// If it does not tell.
    pub fn link_misses(&self) -> Result<HashMap<u32, u64>> {
        self.links.misses()
    }

    /// The programs of hooks that are in use; of several probes' once for each.
    fn programs(&self) -> impl Iterator<Item = Program> {
        self.attachments.iter().filter_map(|attachment| attachment.hook).flat_map(Rung::programs)
    }

    /// What the kernel says of each program that is attached, by its name.
    ///
    /// # Errors
    ///
    /// If it does not tell.
    pub fn infos(&self) -> Result<BTreeMap<String, Info>> {
        let mut infos = BTreeMap::new();
        for Program { name, .. } in self.programs() {
            if let Some(program) = self.ebpf.program(&name)
                && let Ok(fd) = program.fd()
            {
                infos.insert(name.into_owned(), misses::info(fd.as_fd())?);
            }
        }
        Ok(infos)
    }
}

/// Gives back to the kernel what the tables of its types have taken: ten times what the
/// daemon needs from here on, and the allocator would keep it.
fn release_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no memory of ours, and may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Runs that the kernel skipped, by what the program is on.
const SKIPPED: [&str; 3] = ["recursion", "recursion_copying", "recursion_faults"];

/// Which of [`SKIPPED`] a program's runs belong to.
fn kind(name: &str, program: &programs::Program) -> usize {
    if matches!(program, programs::Program::BtfTracePoint(_)) || is_call(name) {
        0
    } else if name == FAULTS {
        2
    } else {
        1
    }
}
