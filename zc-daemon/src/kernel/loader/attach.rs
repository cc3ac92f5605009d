//! Attaches what was loaded: of each probe the first of its hooks that works.

use std::collections::HashSet;

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf,
    programs::{BtfTracePoint, FEntry, FExit, KProbe},
};

use super::{
    Attachment, Choice, Kernel, SKIPPED,
    attachment::{UNWANTED, off, without_what_it_needs},
    detach::unload,
    loaded::{Loaded, Types},
    refusal::refusal,
};
use crate::kernel::{
    arguments::{ARGV, Arguments},
    cgroups::{CGROUPS, Cgroups},
    cpus,
    handed::{HANDED, Requests},
    hooks::{Place, Probe, probes},
    ladder::{By, Program, Rung},
    misses::{Cpus, Links},
    slots::{Slots, TAKEN},
};

/// Why a kprobe is of no use where programs may not read the kernel's memory.
const UNREADABLE: &str = "this locked-down kernel lets no kprobe read what arguments point to";

impl Loaded {
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

    /// Attaches each probe to the first of its hooks that works. The order of
    /// the table matters, and who runs where must be known on every CPU before
    /// anything is charged.
    pub(super) fn attach(mut self, choice: Choice, types: Types<'_>) -> Result<Kernel> {
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
                cpus::visit_each();
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
