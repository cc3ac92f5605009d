//! Loads the object into the running kernel and attaches its probes.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf, EbpfLoader,
    programs::{self, BtfTracePoint, FEntry, FExit, KProbe, KProbeError, PerfEvent, ProgramError},
    util::nr_cpus,
};
use aya_log::EbpfLogger;
use zc_common::{
    settings::{KEEP_ARGV, KEEP_CGROUPS, KEEP_SITES, SAMPLE_COPIES, SAMPLE_MASK, SETTLE_EACH},
    slot::{Care, Look, Lost, Slot},
};

use super::{
    arguments::{ARGV, Arguments},
    breakpoints,
    btf::Btf,
    cgroups::{CGROUPS, Cgroups},
    events,
    handed::{HANDED, Requests},
    hooks::{EACH_CALL, FAULTS, Place, Probe, is_call, probes},
    immediates,
    ladder::{By, Ladder, Program, Rung},
    misses::{self, Cpus, Info, Links},
    object, relays,
    settings::Settings,
    sites,
    sizes::{Drawn, Kept, Sample, Sizes},
    slots::{Slots, TAKEN},
};

/// The programs' log, passed on to ours.
type Log = EbpfLogger<&'static dyn log::Log>;

/// The probe whose programs read kernel memory where they may, each of its hooks': refused
/// if they must not.
const READER: &str = "transfers";

/// Why a program on a function is of no use where it may read nothing of the kernel's and
/// there is no helper to tell the registers of the running thread (before 5.15).
const BLIND: &str = "this locked-down kernel does not show which system call is under way";

/// Why a kprobe is of no use where programs may not read the kernel's memory.
const UNREADABLE: &str = "this locked-down kernel lets no kprobe read what arguments point to";

/// The kernel's types, as zc and as aya reads them.
#[derive(Clone, Copy)]
struct Types<'a> {
    own: &'a Btf,
    aya: &'a aya::Btf,
}

/// What became of one probe.
#[derive(Debug)]
pub struct Attachment {
    /// The probe.
    pub probe: &'static Probe,
    /// The hook in use, if any.
    pub hook: Option<Rung>,
    /// Hooks that were tried first, and why they would not do.
    pub refused: Vec<(Rung, String)>,
    /// Whether it was asked for; what was not may be up all the same.
    pub wanted: bool,
}

/// What is to be attached.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// By what.
    pub ladder: Ladder,
    /// Whether a probe is asked for, by its name.
    pub wanted: fn(&str) -> bool,
}

impl Choice {
    fn wants(self, probe: &Probe) -> bool {
        (self.wanted)(probe.name)
    }
}

/// Why a probe is not attached that was not asked for.
const UNWANTED: &str = "it was not asked for (--mode-switches)";

impl Attachment {
    /// Whether it is not attached as nobody asked for it.
    #[must_use]
    pub fn is_unwanted(&self) -> bool {
        !self.wanted && self.hook.is_none()
    }

    /// Whether the probe is not attached as this kernel has nothing of the kind.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        // Where it lies in lib/ it is there, but has no place for a hook.
        let absent = |(rung, why): &(Rung, String)| {
            let no_place = match rung.by {
                By::Type => "Device or resource busy",
                By::Kprobe => "Invalid argument",
            };
            ["this kernel has no function", no_place].iter().any(|reason| why.contains(reason))
        };
        let tried = !self.refused.is_empty();
        self.hook.is_none() && self.probe.may_be_missing && tried && self.refused.iter().all(absent)
    }
}

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

    /// What the kernel says of each program that is attached, by its name.
    ///
    /// # Errors
    ///
    /// If it does not tell.
    pub fn infos(&self) -> Result<BTreeMap<String, Info>> {
        let rungs = self.attachments.iter().filter_map(|attachment| attachment.hook);
        let mut infos = BTreeMap::new();
        for Program { name, .. } in rungs.flat_map(Rung::programs) {
            if let Some(program) = self.ebpf.program(&name)
                && let Ok(fd) = program.fd()
            {
                infos.insert(name.into_owned(), misses::info(fd.as_fd())?);
            }
        }
        Ok(infos)
    }

    /// Gives up probes; [`Kernel::let_go`] detaches those of their programs that no other one
    /// uses. `why` is kept as the reason for which their hooks will not do.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell of its programs.
    pub fn shed(&mut self, probes: &[&'static str], why: &str) -> Result<()> {
        let mut given_up = Vec::new();
        for attachment in &mut self.attachments {
            if probes.contains(&attachment.probe.name)
                && let Some(rung) = attachment.hook.take()
            {
                attachment.refused.push((rung, why.to_owned()));
                given_up.extend(rung.programs());
            }
        }
        let infos = self.infos()?;
        given_up.retain(|program| !infos.contains_key(&*program.name));
        self.leaving.append(&mut given_up);
        Ok(())
    }

    /// Detaches programs of probes that were given up: each may take the kernel a while, which
    /// waits until no CPU is in it, so it is left to a later call what is not done soon. What
    /// those charge meanwhile is not looked at.
    ///
    /// # Errors
    ///
    /// If the kernel does not let go of a program.
    pub fn let_go(&mut self) -> Result<()> {
        const SOON: Duration = Duration::from_millis(500);
        let began = Instant::now();
        while began.elapsed() < SOON
            && let Some(program) = self.leaving.pop()
        {
            if let Some(loaded) = self.ebpf.program(&program.name)
                && let Ok(fd) = loaded.fd()
            {
                // What it missed stays missed.
                let info = misses::info(fd.as_fd())?;
                self.skipped[kind(&program.name, loaded)] += info.recursion_misses;
                self.links.close(info.id);
            }
            unload(&mut self.ebpf, &program)
                .with_context(|| format!("cannot detach {}", program.name))?;
        }
        Ok(())
    }
}

impl Drop for Kernel {
    /// Says why it takes a while: the kernel waits for a grace period or two for each program on
    /// a function, one after the other (`unregister_ftrace_direct`, kernel/trace/ftrace.c in
    /// Linux 6.18).
    fn drop(&mut self) {
        const FEW: usize = 8;
        let rungs = self.attachments.iter().filter_map(|attachment| attachment.hook);
        let typed = rungs.filter(|rung| rung.by == By::Type).flat_map(Rung::programs);
        let on_functions = typed
            .filter(|program| !matches!(program.place, Place::Tracepoint(_)))
            .map(|program| program.name)
            .collect::<HashSet<_>>();
        if on_functions.len() > FEW {
            tracing::info!(
                "zc detaches {} programs from functions of the kernel, each of which takes it a \
                 tenth of a second or more",
                on_functions.len()
            );
        }
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

/// Unloads a program, and so detaches it; one that is not loaded need not be.
fn unload(ebpf: &mut Ebpf, program: &Program) -> Result<(), ProgramError> {
    let unloaded = match ebpf.program_mut(&program.name) {
        Some(programs::Program::BtfTracePoint(program)) => program.unload(),
        Some(programs::Program::KProbe(program)) => program.unload(),
        Some(programs::Program::FEntry(program)) => program.unload(),
        Some(programs::Program::FExit(program)) => program.unload(),
        _ => Ok(()),
    };
    match unloaded {
        Err(ProgramError::NotLoaded) => Ok(()),
        unloaded => unloaded,
    }
}

/// Loads the programs of each hook and attaches none, into maps of the least size, but for
/// so many call sites, of which such a sample is kept: are they to this kernel's verifier's taste?
///
/// # Errors
///
/// If this kernel has nothing zc can stand on.
pub fn load_each(sites: u32, sample: Sample) -> Result<Vec<(Rung, Result<(), String>)>> {
    let own = Btf::from_running_kernel()?;
    let settings = Settings::for_kernel(&own)?;
    let aya = aya::Btf::from_sys_fs().context("cannot parse the kernel's BTF")?;
    let mut loaded = Loaded::maps_only(&settings, Sizes { sites, sample, ..Sizes::LEAST }, false)?;
    let types = Types { own: &own, aya: &aya };
    let rungs = probes().flat_map(|probe| probe.ladder(Ladder::Best));
    Ok(rungs.map(|rung| (rung, loaded.load_rung(rung, types))).collect())
}

/// The same for the programs of perf events, which only an audit or a flame graph loads.
///
/// # Errors
///
/// As [`load_each`].
pub fn load_those_of_perf_events() -> Result<Vec<(&'static str, Result<(), String>)>> {
    let settings = Settings::for_kernel(&Btf::from_running_kernel()?)?;
    let mut loaded = Loaded::maps_only(&settings, Sizes::LEAST, false)?;
    let mut load = |name| {
        let program = of_perf_events(&mut loaded.ebpf, name)?;
        Ok((name, program.load().map_err(|error| sentence(&error))))
    };
    [breakpoints::PROGRAM, events::PROGRAM].into_iter().map(&mut load).collect()
}

/// A program of perf events.
pub(super) fn of_perf_events<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut PerfEvent> {
    let program =
        ebpf.program_mut(name).with_context(|| format!("the object has no program {name}"))?;
    program.try_into().with_context(|| format!("the object's program {name} is of another type"))
}

/// The object with one program, attached to a tracepoint, and no other one; its maps are
/// prepared before.
///
/// # Errors
///
/// If this kernel does not take it.
pub(super) fn attach_alone(
    name: &str,
    tracepoint: &str,
    sizes: Sizes,
    prepare: impl FnOnce(&mut Ebpf) -> Result<()>,
) -> Result<Ebpf> {
    let settings = Settings::for_kernel(&Btf::from_running_kernel()?)?;
    let types = aya::Btf::from_sys_fs().context("cannot parse the kernel's BTF")?;
    let mut loaded = Loaded::maps_only(&settings, sizes, false)?;
    prepare(&mut loaded.ebpf)?;
    let program = loaded.ebpf.program_mut(name);
    let program = program.with_context(|| format!("the object has no program {name}"))?;
    let program: &mut BtfTracePoint =
        program.try_into().with_context(|| format!("{name} is for no tracepoint"))?;
    if let Err(error) = program.load(tracepoint, &types).and_then(|()| program.attach()) {
        bail!("this kernel does not take the program {name}: {}", sentence(&error));
    }
    Ok(loaded.ebpf)
}

/// The object with its programs loaded, not yet attached. Those of kprobes are loaded when
/// it is their turn.
struct Loaded {
    ebpf: Ebpf,
    log: Log,
    reserved: u32,
    reads_kernel: bool,
    /// Why a hook's programs could not be loaded, by the name of its own; those that could
    /// are absent.
    refusals: HashMap<&'static str, String>,
    /// The probes of which a hook's programs were loaded by type, and that hook's own.
    loaded: HashSet<(&'static str, &'static str)>,
}

impl Loaded {
    fn new(settings: &Settings, sizes: Sizes, choice: Choice, types: Types<'_>) -> Result<Self> {
        let each_call = probes().any(|probe| probe.name == EACH_CALL && choice.wants(probe));
        let mut loaded = Self::maps_only(settings, sizes, each_call)?;
        for probe in probes().filter(|probe| choice.wants(probe)) {
            let rungs = loaded.in_order(probe, choice.ladder, |loaded, program| {
                loaded.loaded.iter().any(|(_, held)| *held == program)
            });
            // What comes after one that was loaded is loaded if that cannot be attached.
            let typed = rungs.into_iter().filter(|rung| rung.by == By::Type);
            for rung in typed {
                let name = rung.hook.program;
                if probe.sees_copies() && !settings.shows_the_call() {
                    loaded.refusals.insert(name, BLIND.to_owned());
                } else if loaded.try_rung(rung, types) {
                    loaded.loaded.insert((probe.name, name));
                    break;
                }
            }
        }
        Ok(loaded)
    }

    /// The rungs of a probe: that on whose hook another probe stands first, as it costs
    /// nothing more.
    fn in_order(
        &self,
        probe: &Probe,
        ladder: Ladder,
        stands: impl Fn(&Self, &'static str) -> bool,
    ) -> Vec<Rung> {
        let mut rungs: Vec<_> = probe.ladder(ladder).collect();
        rungs.sort_by_key(|rung| !stands(self, rung.hook.program));
        rungs
    }

    /// Loads the programs of a rung, unless they were refused before; whether they are there.
    fn try_rung(&mut self, rung: Rung, types: Types<'_>) -> bool {
        let name = rung.hook.program;
        if self.refusals.contains_key(name) {
            return false;
        }
        match self.load_rung(rung, types) {
            Ok(()) => true,
            Err(why) => {
                self.refusals.insert(name, why);
                false
            }
        }
    }

    /// The object with its maps, sized to the machine, and no program loaded.
    fn maps_only(settings: &Settings, sizes: Sizes, each_call: bool) -> Result<Self> {
        let reserved = u32::try_from(nr_cpus().map_err(|(_, error)| error)?)?;
        if reserved as usize > Slot::MAX_CPUS {
            bail!("this machine has {reserved} CPUs; zc serves at most {}", Slot::MAX_CPUS);
        }
        let mut loader = EbpfLoader::new();
        let level = log_level();
        loader.override_global(aya_log::LEVEL, &level, true);
        let Kept { argv, cgroups, .. } = sizes.identity;
        let Sample { period, of } = sizes.sample;
        let own = [
            (SETTLE_EACH, u32::from(each_call)),
            (KEEP_SITES, u32::from(sizes.sites != 0 && of != Drawn::Events)),
            (SAMPLE_MASK, period.saturating_sub(1)),
            (SAMPLE_COPIES, u32::from(of != Drawn::Bytes)),
            (KEEP_ARGV, u32::from(argv)),
            (KEEP_CGROUPS, u32::from(cgroups != 0)),
        ];
        let globals: HashMap<_, _> =
            settings.iter().map(|(name, value)| (name, *value)).chain(own).collect();
        for (name, value) in &globals {
            loader.override_global(name, value, true);
        }
        let code = immediates::fold(object::BYTES, &globals)?;
        let ([stacks, more_stacks], [room, more_room]) = (sites::STACKS, sizes.stacks());
        for room in sizes.maps(reserved) {
            loader.map_max_entries(room.map, room.entries);
        }
        let mut ebpf = loader
            .map_max_entries(sites::SITES, sizes.sites.max(1))
            .map_max_entries(relays::RELAYS, sizes.ways.max(1))
            .map_max_entries(relays::BROUGHT, sizes.buffers.max(1))
            .map_max_entries(stacks, room)
            .map_max_entries(more_stacks, more_room)
            .load(&code)
            .context(
                "the kernel refused zc's maps (for their size, see --threads; \
                 kernel.perf_event_max_stack must not be less than 127)",
            )?;
        if sizes.sites != 0 {
            sites::open(&mut ebpf)?;
        }
        // Taken now: a program that names the ring loads only while it is open.
        let log = EbpfLogger::init(&mut ebpf).context("the object has no ring for its log")?;
        let (refusals, loaded) = (HashMap::new(), HashSet::new());
        Ok(Self { ebpf, log, reserved, reads_kernel: true, refusals, loaded })
    }

    /// Loads the programs of a rung, if its place has the signature they are for.
    fn load_rung(&mut self, rung: Rung, types: Types<'_>) -> Result<(), String> {
        rung.fits(types.own)?;
        rung.programs().iter().try_for_each(|program| self.load(program, types.aya))
    }

    fn load(&mut self, program: &Program, types: &aya::Btf) -> Result<(), String> {
        let name = program.place.name();
        let loaded = match (program.by, program.place) {
            (By::Kprobe, _) => self.program::<KProbe>(program)?.load(),
            (By::Type, Place::Tracepoint(_)) => {
                self.program::<BtfTracePoint>(program)?.load(name, types)
            }
            (By::Type, Place::Entry(_)) => self.program::<FEntry>(program)?.load(name, types),
            (By::Type, Place::Return(_)) => self.program::<FExit>(program)?.load(name, types),
        };
        match loaded {
            Ok(()) | Err(ProgramError::AlreadyLoaded) => Ok(()),
            Err(error) => Err(refusal(program, &error)),
        }
    }

    /// A program of the object, of the type that its place asks for.
    fn program<'a, P>(&'a mut self, program: &Program) -> Result<&'a mut P, String>
    where
        &'a mut P: TryFrom<&'a mut programs::Program, Error = ProgramError>,
    {
        let Program { name, place, .. } = program;
        let program = self.ebpf.program_mut(name);
        let program = program.ok_or_else(|| format!("the object has no program {name}"))?;
        program.try_into().map_err(|error| format!("{name} is no program for {place:?}: {error}"))
    }

    /// Attaches the programs of a rung: all of them or none.
    fn attach_rung(&mut self, rung: Rung, types: Types<'_>) -> Result<(), String> {
        match (rung.by, self.refusals.get(rung.hook.program)) {
            (By::Type, Some(why)) => return Err(why.clone()),
            (By::Type, None) => self.load_rung(rung, types)?,
            (By::Kprobe, _) if !self.reads_kernel => return Err(UNREADABLE.to_owned()),
            (By::Kprobe, _) => self.load_rung(rung, types)?,
        }
        let programs = rung.programs();
        let attached = programs.iter().try_for_each(|program| self.attach_program(program));
        if attached.is_err() {
            // One that cannot be unloaded was not attached either.
            programs.iter().for_each(|program| drop(unload(&mut self.ebpf, program)));
        }
        attached
    }

    /// Attaches one loaded program.
    fn attach_program(&mut self, program: &Program) -> Result<(), String> {
        let name = program.place.name();
        let attached = match (program.by, program.place) {
            (By::Kprobe, _) => self.program::<KProbe>(program)?.attach(name, 0).map(drop),
            (By::Type, Place::Tracepoint(_)) => {
                self.program::<BtfTracePoint>(program)?.attach().map(drop)
            }
            (By::Type, Place::Entry(_)) => self.program::<FEntry>(program)?.attach().map(drop),
            (By::Type, Place::Return(_)) => self.program::<FExit>(program)?.attach().map(drop),
        };
        attached.map_err(|error| refusal(program, &error))
    }

    /// Whether a hook of the probe that reads kernel memory was loaded.
    fn has_reader(&self) -> bool {
        self.loaded.iter().any(|(probe, _)| *probe == READER)
    }

    /// Attaches each probe to the first of its hooks that works. The order of
    /// the table matters, and who runs where must be known on every CPU before
    /// anything is charged.
    fn attach(mut self, choice: Choice, types: Types<'_>) -> Result<Kernel> {
        let map = |ebpf: &mut Ebpf, name: &str| {
            ebpf.take_map(name).with_context(|| format!("the object has no map {name}"))
        };
        let free = map(&mut self.ebpf, "FREE")?;
        let slot_of = map(&mut self.ebpf, "SLOT_OF")?;
        // Programs yet to be loaded name these by their descriptors: they stay open until then.
        let all_slots = map(&mut self.ebpf, "SLOTS")?;
        let arguments = map(&mut self.ebpf, ARGV)?;
        let taken = map(&mut self.ebpf, TAKEN)?;
        let slots = Slots::new(&all_slots, slot_of, free, &taken, self.reserved)?;
        let requests = Requests::new(map(&mut self.ebpf, HANDED)?)?;
        let cpus = Cpus::new(map(&mut self.ebpf, ".bss")?, self.reserved as usize)?;
        let cgroups = Cgroups::new(map(&mut self.ebpf, CGROUPS)?)?;
        let mut attached = HashSet::new();
        let mut attachments: Vec<Attachment> = Vec::new();
        for probe in probes() {
            let rungs = self.in_order(probe, choice.ladder, |_, program| {
                attached.contains(&(program, By::Type))
            });
            let unwanted = (!choice.wants(probe))
                .then(|| Attachment { wanted: false, ..off(probe, &rungs, UNWANTED) });
            let off = unwanted.or_else(|| without_what_it_needs(probe, &rungs, &attachments));
            let attachment = match off {
                Some(off) => off,
                None => self.attach_probe(probe, &rungs, types, &mut attached)?,
            };
            attachments.push(attachment);
            if probe.tells_who_runs() {
                super::cpus::visit_each();
            }
        }
        for attachment in attachments.iter_mut().filter(|attachment| !attachment.wanted) {
            // Another probe could not do without its program, which serves both.
            let mut rungs = attachment.probe.ladder(choice.ladder);
            attachment.hook = rungs.find(|rung| attached.contains(&(rung.hook.program, rung.by)));
            if attachment.hook.is_some() {
                attachment.refused.clear();
            }
        }
        let Self { ebpf, log, reads_kernel, .. } = self;
        Ok(Kernel {
            ebpf,
            log,
            slots,
            requests,
            cpus,
            leaving: Vec::new(),
            skipped: [0; SKIPPED.len()],
            attachments,
            reads_kernel,
            links: Links::default(),
            identity: Some((cgroups, Arguments::new(&arguments)?)),
        })
    }

    fn attach_probe(
        &mut self,
        probe: &'static Probe,
        rungs: &[Rung],
        types: Types<'_>,
        attached: &mut HashSet<(&'static str, By)>,
    ) -> Result<Attachment> {
        let mut refused = Vec::new();
        for rung in rungs {
            let key = (rung.hook.program, rung.by);
            let result =
                if attached.contains(&key) { Ok(()) } else { self.attach_rung(*rung, types) };
            match result {
                Ok(()) => {
                    attached.insert(key);
                    return Ok(Attachment { probe, hook: Some(*rung), refused, wanted: true });
                }
                Err(why) => refused.push((*rung, why)),
            }
        }
        if probe.essential {
            let tried: Vec<_> =
                refused.iter().map(|(rung, why)| format!("{rung}: {why}")).collect();
            bail!("zc cannot work without the probe {}: {}", probe.name, tried.join("; "));
        }
        Ok(Attachment { probe, hook: None, refused, wanted: true })
    }
}

/// Why a program was not attached where it belongs.
fn refusal(program: &Program, error: &ProgramError) -> String {
    if let ProgramError::KProbeError(KProbeError::FileError { io_error, .. }) = error
        && io_error.kind() == io::ErrorKind::NotFound
    {
        return "this kernel was built without kprobes".to_owned();
    }
    if is_nowhere(error) {
        let name = program.place.name();
        return format!(
            "this kernel has no function {name}: the compiler made it a part of its callers"
        );
    }
    sentence(error)
}

/// Whether the kernel has the types of a function, but no address for it.
fn is_nowhere(error: &ProgramError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::NotFound) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What becomes of a probe that takes the bytes of another one off its own, if that one
/// is down: what it would count is too much.
fn without_what_it_needs(
    probe: &'static Probe,
    rungs: &[Rung],
    attachments: &[Attachment],
) -> Option<Attachment> {
    let down = attachments.iter().find(|attachment| {
        let needed = probe.less.contains(&attachment.probe.name);
        needed && attachment.hook.is_none() && !attachment.is_missing()
    })?;
    let why = format!("the probe {} is down, whose bytes it takes off its own", down.probe.name);
    Some(off(probe, rungs, &why))
}

/// A probe that is not attached, whatever its hook.
fn off(probe: &'static Probe, rungs: &[Rung], why: &str) -> Attachment {
    let refused = rungs.iter().map(|rung| (*rung, why.to_owned())).collect();
    Attachment { probe, hook: None, refused, wanted: true }
}

/// What the programs may log: nothing, unless debug lines are wanted; to the
/// verifier the rest is dead code.
fn log_level() -> u8 {
    let wanted = tracing::enabled!(target: "zc", tracing::Level::DEBUG);
    if wanted { aya_log::Level::Debug as u8 } else { 0 }
}

/// An error of aya's as one line: the system's answer, and where the verifier
/// said no, its last word.
fn sentence(error: &ProgramError) -> String {
    if let ProgramError::LoadError { io_error, verifier_log } = error {
        let log = verifier_log.to_string();
        tracing::debug!("the verifier's log:\n{log}");
        let statistics = ["processed ", "stack depth ", "verification time "];
        let last = log
            .lines()
            .rev()
            .find(|line| !line.is_empty() && !statistics.iter().any(|s| line.starts_with(s)))
            .unwrap_or("no log");
        return format!("the kernel refused to load it: {io_error} (verifier: {last})");
    }
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        line += &format!(": {error}");
        cause = error.source();
    }
    line
}
