//! The object with its programs loaded, not yet attached.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf, EbpfLoader,
    programs::{self, BtfTracePoint, FEntry, FExit, KProbe, ProgramError},
    util::nr_cpus,
};
use aya_log::EbpfLogger;
use zc_common::{
    settings::{KEEP_ARGV, KEEP_CGROUPS, KEEP_SITES, SAMPLE_COPIES, SAMPLE_MASK, SETTLE_EACH},
    slot::Slot,
};

use super::{Choice, Log, refusal::refusal};
use crate::kernel::{
    btf::Btf,
    hooks::{EACH_CALL, Place, Probe, probes},
    immediates,
    ladder::{By, Ladder, Program, Rung},
    object, relays,
    settings::Settings,
    sites,
    sizes::{Drawn, Kept, Sample, Sizes},
};

/// The probe whose programs read kernel memory where they may, each of its hooks': refused
/// if they must not.
const READER: &str = "transfers";

/// Why a program on a function is of no use where it may read nothing of the kernel's and
/// there is no helper to tell the registers of the running thread (before 5.15).
const BLIND: &str = "this locked-down kernel does not show which system call is under way";

/// The kernel's types, as zc and as aya reads them.
#[derive(Clone, Copy)]
pub(super) struct Types<'a> {
    pub(super) own: &'a Btf,
    pub(super) aya: &'a aya::Btf,
}

/// The object with its programs loaded, not yet attached. Those of kprobes are loaded when
/// it is their turn.
pub(super) struct Loaded {
    pub(super) ebpf: Ebpf,
    pub(super) log: Log,
    pub(super) reserved: u32,
    pub(super) reads_kernel: bool,
    /// Why a hook's programs could not be loaded, by the name of its own; those that could
    /// are absent.
    pub(super) refusals: HashMap<&'static str, String>,
    /// The probes of which a hook's programs were loaded by type, and that hook's own.
    pub(super) loaded: HashSet<(&'static str, &'static str)>,
}

impl Loaded {
    pub(super) fn new(
        settings: &Settings,
        sizes: Sizes,
        choice: Choice,
        types: Types<'_>,
    ) -> Result<Self> {
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
    pub(super) fn in_order(
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
    pub(super) fn maps_only(settings: &Settings, sizes: Sizes, each_call: bool) -> Result<Self> {
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
    pub(super) fn load_rung(&mut self, rung: Rung, types: Types<'_>) -> Result<(), String> {
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
    pub(super) fn program<'a, P>(&'a mut self, program: &Program) -> Result<&'a mut P, String>
    where
        &'a mut P: TryFrom<&'a mut programs::Program, Error = ProgramError>,
    {
        let Program { name, place, .. } = program;
        let program = self.ebpf.program_mut(name);
        let program = program.ok_or_else(|| format!("the object has no program {name}"))?;
        program.try_into().map_err(|error| format!("{name} is no program for {place:?}: {error}"))
    }

    /// Whether a hook of the probe that reads kernel memory was loaded.
    pub(super) fn has_reader(&self) -> bool {
        self.loaded.iter().any(|(probe, _)| *probe == READER)
    }
}

/// What the programs may log: nothing, unless debug lines are wanted; to the
/// verifier the rest is dead code.
fn log_level() -> u8 {
    let wanted = tracing::enabled!(target: "zc", tracing::Level::DEBUG);
    if wanted { aya_log::Level::Debug as u8 } else { 0 }
}
