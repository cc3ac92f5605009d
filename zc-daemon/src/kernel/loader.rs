//! Loads the object into the running kernel and attaches its probes.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf, EbpfLoader,
    programs::{BtfTracePoint, FEntry, FExit, Program, ProgramError},
    util::nr_cpus,
};
use aya_log::EbpfLogger;
use zc_common::slot::{Lost, Slot};

use super::{
    btf::Btf,
    cpus,
    hooks::{FAULTS, Hook, Need, Place, Probe, probes},
    misses::{self, Losses},
    object,
    settings::Settings,
    slots::Slots,
};

/// The programs' log, passed on to ours.
type Log = EbpfLogger<&'static dyn log::Log>;

/// A program that reads kernel memory where it may: refused if it must not.
const READER: &str = "sys_exit";

/// Why a program on a function is of no use where it may read nothing of the kernel's and
/// there is no helper to tell the registers of the running thread (before 5.15).
const BLIND: &str = "this locked-down kernel does not show which system call is under way";

/// What became of one probe.
#[derive(Debug)]
pub struct Attachment {
    /// The probe.
    pub probe: &'static Probe,
    /// The hook in use, if any.
    pub hook: Option<&'static Hook>,
    /// Hooks that were tried first, and why they would not do.
    pub refused: Vec<(&'static Hook, String)>,
}

/// How large the maps are to be.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Threads that can be followed at a time.
    pub threads: u32,
    /// Thread ids there can be (`/proc/sys/kernel/pid_max`).
    pub pids: u32,
}

impl Attachment {
    /// Whether the probe is not attached as this kernel has nothing of the kind.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        // Where it lies in lib/ it is there, but has no place for a hook.
        let reasons = ["this kernel has no function", "Device or resource busy"];
        let absent = |(_, why): &(&Hook, String)| reasons.iter().any(|reason| why.contains(reason));
        self.hook.is_none() && self.probe.may_be_missing && self.refused.iter().all(absent)
    }
}

/// The object, loaded and attached; dropping it detaches every probe.
pub struct Kernel {
    pub(super) ebpf: Ebpf,
    log: Log,
    /// The slots.
    pub slots: Slots,
    losses: Losses,
    /// What became of each probe, in the table's order.
    pub attachments: Vec<Attachment>,
    /// Whether programs may read kernel memory; if not, every descriptor's
    /// endpoint is unknown.
    pub reads_kernel: bool,
}

impl Kernel {
    /// Loads and attaches everything that this kernel takes.
    ///
    /// # Errors
    ///
    /// If the kernel has no BTF, refuses the maps, or refuses an essential probe.
    pub fn attach(sizes: Sizes) -> Result<Self> {
        let types = Btf::from_running_kernel()?;
        let settings = Settings::for_kernel(&types)?;
        let kernel_btf = aya::Btf::from_sys_fs().context("cannot parse the kernel's BTF")?;
        let mut loaded = Loaded::new(&settings, sizes, &types, &kernel_btf)?;
        let mut reads_kernel = true;
        if loaded.was_refused(READER) {
            let settings = settings.without_kernel_reads();
            let blind = Loaded::new(&settings, sizes, &types, &kernel_btf)?;
            if !blind.was_refused(READER) {
                loaded = blind;
                reads_kernel = false;
            }
        }
        loaded.attach(reads_kernel)
    }

    /// Passes on what the programs logged.
    pub fn flush_log(&mut self) {
        self.log.flush();
    }

    /// What was missed since attach, by reason.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell.
    pub fn lost(&self) -> Result<Vec<(&'static str, u64)>> {
        let own = self.losses.read()?;
        let mut lost: Vec<_> =
            Lost::ALL.iter().map(|reason| (reason.name(), own[reason.index()])).collect();
        let (mut recursion, mut recursion_copying, mut recursion_faults) = (0, 0, 0);
        for (name, program) in self.ebpf.programs() {
            let sum = if matches!(program, Program::BtfTracePoint(_)) {
                &mut recursion
            } else if name == FAULTS {
                &mut recursion_faults
            } else {
                &mut recursion_copying
            };
            if let Ok(fd) = program.fd() {
                *sum += misses::recursion(std::os::fd::AsFd::as_fd(fd))?;
            }
        }
        lost.push(("recursion", recursion));
        lost.push(("recursion_copying", recursion_copying));
        lost.push(("recursion_faults", recursion_faults));
        Ok(lost)
    }
}

/// Loads one program and nothing else, into maps of the least size: is it to this
/// kernel's verifier's taste?
///
/// # Errors
///
/// If this kernel has nothing zc can stand on.
pub fn load_alone(hook: &'static Hook) -> Result<Result<(), String>> {
    let types = Btf::from_running_kernel()?;
    let settings = Settings::for_kernel(&types)?;
    let kernel_btf = aya::Btf::from_sys_fs().context("cannot parse the kernel's BTF")?;
    let sizes = Sizes { threads: 1, pids: 1 };
    let mut loaded = Loaded::maps_only(&settings, sizes)?;
    Ok(loaded.load(hook, &types, &kernel_btf))
}

/// The same for the program of breakpoints, which only an audit loads.
///
/// # Errors
///
/// As [`load_alone`].
pub fn load_breakpoint_alone() -> Result<Result<(), String>> {
    let settings = Settings::for_kernel(&Btf::from_running_kernel()?)?;
    let mut loaded = Loaded::maps_only(&settings, Sizes { threads: 1, pids: 1 })?;
    let program = super::watch::program(&mut loaded.ebpf)?;
    Ok(program.load().map_err(|error| sentence(&error)))
}

/// The object with its programs loaded, not yet attached.
struct Loaded {
    ebpf: Ebpf,
    log: Log,
    reserved: u32,
    /// Why a program could not be loaded, by name; those that could are absent.
    refusals: HashMap<&'static str, String>,
}

impl Loaded {
    fn new(settings: &Settings, sizes: Sizes, types: &Btf, kernel: &aya::Btf) -> Result<Self> {
        let mut loaded = Self::maps_only(settings, sizes)?;
        let blind = |probe: &Probe| probe.sees_copies() && !settings.shows_the_call();
        let hooks = probes().flat_map(|probe| probe.hooks.iter().map(move |hook| (probe, hook)));
        let programs = hooks.flat_map(|(probe, hook)| hook.programs().map(move |p| (probe, p)));
        for (probe, hook) in programs {
            if blind(probe) {
                loaded.refusals.insert(hook.program, BLIND.to_owned());
            } else if !loaded.refusals.contains_key(hook.program)
                && let Err(why) = loaded.load(hook, types, kernel)
            {
                loaded.refusals.insert(hook.program, why);
            }
        }
        Ok(loaded)
    }

    /// The object with its maps, sized to the machine, and no program loaded.
    fn maps_only(settings: &Settings, sizes: Sizes) -> Result<Self> {
        let reserved = u32::try_from(nr_cpus().map_err(|(_, error)| error)?)?;
        if reserved as usize > Slot::MAX_CPUS {
            bail!("this machine has {reserved} CPUs; zc serves at most {}", Slot::MAX_CPUS);
        }
        let mut loader = EbpfLoader::new();
        for (name, value) in settings.iter() {
            loader.override_global(name, value, true);
        }
        let level = log_level();
        loader.override_global(aya_log::LEVEL, &level, true);
        let mut ebpf = loader
            .map_max_entries("SLOTS", reserved + sizes.threads)
            .map_max_entries("FREE", sizes.threads)
            .map_max_entries("SLOT_OF", sizes.pids)
            .load(object::BYTES)
            .context("the kernel refused zc's maps (for their size, see --threads)")?;
        // Taken now: a program that names the ring loads only while it is open.
        let log = EbpfLogger::init(&mut ebpf).context("the object has no ring for its log")?;
        Ok(Self { ebpf, log, reserved, refusals: HashMap::new() })
    }

    /// Loads one program, if its place has the signature it is for.
    fn load(&mut self, hook: &Hook, types: &Btf, kernel: &aya::Btf) -> Result<(), String> {
        let (arguments, what) = match hook.place {
            Place::Tracepoint(name) => (types.tracepoint(name), "tracepoint"),
            Place::Entry(name) | Place::Return(name) => (types.function(name), "function"),
        };
        let name = hook.place.name();
        let arguments = arguments.ok_or_else(|| format!("this kernel has no {what} {name}"))?;
        let fits = (hook.at_least..=hook.at_most).contains(&arguments.len())
            && hook
                .arguments
                .iter()
                .all(|(position, structure)| arguments.get(*position) == Some(&Some(*structure)));
        if !fits {
            return Err(format!("the {what} has other arguments on this kernel"));
        }
        if let Some(needed) = hook.needs
            && !has(types, needed)
        {
            let needed = needed.name();
            return Err(format!("it would not see all it should, as on kernels with {needed}"));
        }
        let loaded = match hook.place {
            Place::Tracepoint(_) => self.program::<BtfTracePoint>(hook)?.load(name, kernel),
            Place::Entry(_) => self.program::<FEntry>(hook)?.load(name, kernel),
            Place::Return(_) => self.program::<FExit>(hook)?.load(name, kernel),
        };
        match loaded {
            Ok(()) | Err(ProgramError::AlreadyLoaded) => Ok(()),
            Err(error) => Err(sentence(&error)),
        }
    }

    /// The program of a hook, of the type that its place asks for.
    fn program<'a, P>(&'a mut self, hook: &Hook) -> Result<&'a mut P, String>
    where
        &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
    {
        let name = hook.program;
        let program = self.ebpf.program_mut(name);
        let program = program.ok_or_else(|| format!("the object has no program {name}"))?;
        program.try_into().map_err(|error| format!("{name} is no program for {hook}: {error}"))
    }

    /// Attaches one loaded program.
    fn attach_program(&mut self, hook: &Hook) -> Result<(), String> {
        if let Some(why) = self.refusals.get(hook.program) {
            return Err(why.clone());
        }
        let attached = match hook.place {
            Place::Tracepoint(_) => self.program::<BtfTracePoint>(hook)?.attach().map(drop),
            Place::Entry(_) => self.program::<FEntry>(hook)?.attach().map(drop),
            Place::Return(_) => self.program::<FExit>(hook)?.attach().map(drop),
        };
        attached.map_err(|error| sentence(&error))
    }

    fn was_refused(&self, program: &str) -> bool {
        self.refusals.contains_key(program)
    }

    /// Attaches each probe to the first of its hooks that works. The order of
    /// the table matters, and who runs where must be known on every CPU before
    /// anything is charged.
    fn attach(mut self, reads_kernel: bool) -> Result<Kernel> {
        let map = |ebpf: &mut Ebpf, name: &str| {
            ebpf.take_map(name).with_context(|| format!("the object has no map {name}"))
        };
        let free = map(&mut self.ebpf, "FREE")?;
        let slot_of = map(&mut self.ebpf, "SLOT_OF")?;
        let slots = Slots::new(&map(&mut self.ebpf, "SLOTS")?, &slot_of, free, self.reserved)?;
        let losses = Losses::new(map(&mut self.ebpf, ".bss")?)?;
        let mut attached = HashMap::new();
        let mut attachments: Vec<Attachment> = Vec::new();
        for probe in probes() {
            let attachment = match without_what_it_needs(probe, &attachments) {
                Some(refused) => refused,
                None => self.attach_probe(probe, &mut attached)?,
            };
            attachments.push(attachment);
            if probe.tells_who_runs() {
                cpus::visit_each();
            }
        }
        let Self { ebpf, log, .. } = self;
        Ok(Kernel { ebpf, log, slots, losses, attachments, reads_kernel })
    }

    fn attach_probe(
        &mut self,
        probe: &'static Probe,
        attached: &mut HashMap<&'static str, ()>,
    ) -> Result<Attachment> {
        let mut refused = Vec::new();
        for hook in probe.hooks {
            if attached.contains_key(hook.program) {
                return Ok(Attachment { probe, hook: Some(hook), refused });
            }
            // What a hook needs beside its own program comes first.
            let result = hook.with.map_or(Ok(()), |with| self.attach_program(with));
            let result = result.and_then(|()| self.attach_program(hook));
            match result {
                Ok(()) => {
                    attached.insert(hook.program, ());
                    return Ok(Attachment { probe, hook: Some(hook), refused });
                }
                Err(why) => refused.push((hook, why)),
            }
        }
        if probe.essential {
            let tried: Vec<_> =
                refused.iter().map(|(hook, why)| format!("{hook}: {why}")).collect();
            bail!("zc cannot work without the probe {}: {}", probe.name, tried.join("; "));
        }
        Ok(Attachment { probe, hook: None, refused })
    }
}

/// Whether the kernel has what a hook needs.
fn has(types: &Btf, needed: Need) -> bool {
    match needed {
        Need::Function(name) => types.has_function(name),
        Need::Enumerator(enumeration, name) => types.enumerator(enumeration, name).is_some(),
    }
}

/// What becomes of a probe that takes the bytes of another one off its own, if that one
/// is down: what it would count is too much.
fn without_what_it_needs(probe: &'static Probe, attachments: &[Attachment]) -> Option<Attachment> {
    let down = attachments.iter().find(|attachment| {
        let needed = probe.less.contains(&attachment.probe.name);
        needed && attachment.hook.is_none() && !attachment.is_missing()
    })?;
    let why = format!("the probe {} is down, whose bytes it takes off its own", down.probe.name);
    let refused = probe.hooks.iter().map(|hook| (hook, why.clone())).collect();
    Some(Attachment { probe, hook: None, refused })
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
