//! Lets go of programs: of probes that are given up, and of all at the end.

use std::{
    collections::HashSet,
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    programs::{self, ProgramError},
};

use super::{Kernel, kind};
use crate::kernel::{
    hooks::Place,
    ladder::{By, Program},
    misses,
};

impl Kernel {
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
        let on_functions: HashSet<_> = self
            .programs()
            .filter(|Program { by, place, .. }| {
                *by == By::Type && !matches!(place, Place::Tracepoint(_))
            })
            .map(|program| program.name)
            .collect();
        if on_functions.len() > FEW {
            tracing::info!(
                "zc detaches {} programs from functions of the kernel one after the other, which \
                 may take it some seconds",
                on_functions.len()
            );
        }
    }
}

/// Unloads a program, and so detaches it; one that is not loaded need not be.
pub(super) fn unload(ebpf: &mut Ebpf, program: &Program) -> Result<(), ProgramError> {
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
