//! What is learned of a target while it is watched, beside what the ledger books.

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    host::{program, symbols::Symbols},
    view::verify::Status,
};

/// What was learned while it was watched.
#[derive(Default)]
pub(in crate::command) struct Watched {
    /// How the command ended.
    pub(in crate::command) status: Option<Status>,
    /// Whether zc ended it, as its time was over.
    pub(in crate::command) was_ended: bool,
    /// Whether one of the programs is written in Go.
    pub(in crate::command) go: bool,
    /// Whether one of the processes held an io_uring when it was first looked at.
    pub(in crate::command) ring: bool,
    /// Where their functions are; empty unless stacks are kept.
    pub(in crate::command) symbols: Symbols,
    /// Whether stacks are kept.
    stacks: bool,
    /// Whether programs are looked at.
    programs: bool,
    /// Processes, and the programs of theirs that were looked at.
    looked_at: BTreeSet<(u32, PathBuf)>,
}

impl Watched {
    /// Nothing yet; whether stacks are kept.
    pub(in crate::command) fn new(stacks: bool) -> Self {
        Self { stacks, programs: true, ..Self::default() }
    }

    /// The same, if nothing but stacks matters.
    pub(in crate::command) fn of_stacks() -> Self {
        Self { stacks: true, ..Self::default() }
    }

    /// Looks at processes, and at programs that are new.
    pub(in crate::command) fn look(&mut self, pids: &[u32]) {
        for pid in pids {
            if self.stacks {
                self.symbols.remember(*pid);
            }
            let Some(program) = program::of(*pid).filter(|_| self.programs) else { continue };
            if self.looked_at.insert((*pid, program)) {
                self.go |= program::is_go(*pid);
                self.ring |= program::holds_ring(*pid);
            }
        }
    }

    /// Why a command says nothing, if it failed.
    pub(in crate::command) fn failure(&self) -> Option<String> {
        let status = self.status.filter(|_| !self.was_ended)?;
        match (status.exit_code, status.signal) {
            (Some(0), _) => None,
            (Some(code), _) => Some(format!(
                "the command failed (status {code}): what it moved is not what it would have; see \
                 its own output"
            )),
            (None, signal) => Some(format!(
                "the command was ended by signal {}: what it moved is not what it would have",
                signal.unwrap_or_default()
            )),
        }
    }
}
