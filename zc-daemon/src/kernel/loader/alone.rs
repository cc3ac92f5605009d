//! Programs that are loaded to see whether the kernel takes them, or attached by themselves.

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf,
    programs::{BtfTracePoint, PerfEvent},
};

use super::{
    loaded::{Loaded, Types},
    refusal::sentence,
};
use crate::kernel::{
    breakpoints,
    btf::Btf,
    events,
    hooks::probes,
    ladder::{Ladder, Rung},
    settings::Settings,
    sizes::{Sample, Sizes},
};

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
pub(in crate::kernel) fn of_perf_events<'a>(
    ebpf: &'a mut Ebpf,
    name: &str,
) -> Result<&'a mut PerfEvent> {
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
pub(in crate::kernel) fn attach_alone(
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
