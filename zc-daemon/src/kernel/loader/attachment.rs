//! What is to be attached, and what became of it.

use crate::kernel::{
    hooks::Probe,
    ladder::{By, Ladder, Rung},
};

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
    pub(super) fn wants(self, probe: &Probe) -> bool {
        (self.wanted)(probe.name)
    }
}

/// Why a probe is not attached that was not asked for.
pub(super) const UNWANTED: &str = "it was not asked for (--mode-switches)";

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

/// What becomes of a probe that takes the bytes of another one off its own, if that one
/// is down: what it would count is too much.
pub(super) fn without_what_it_needs(
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
pub(super) fn off(probe: &'static Probe, rungs: &[Rung], why: &str) -> Attachment {
    let refused = rungs.iter().map(|rung| (*rung, why.to_owned())).collect();
    Attachment { probe, hook: None, refused, wanted: true }
}
