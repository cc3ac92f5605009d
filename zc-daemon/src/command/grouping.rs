//! From the flags of grouping to a ledger: the template, and what it must know.

use std::fs;

use anyhow::{Context as _, Result, anyhow};

use super::names::HostNames;
use crate::{
    cli::Grouping,
    engine::{
        group::{Groups, Sorter},
        identity::Field,
        ledger::Ledger,
        template::{BUILT_IN, Template},
    },
    host::cgroup::{self, Hierarchy},
    kernel::{loader::Kernel, settings, sizes::Kept},
};

/// How processes will be grouped.
pub(super) struct Plan {
    template: Template,
    hierarchy: Option<Hierarchy>,
}

impl Plan {
    /// Reads the template and looks for cgroups.
    ///
    /// # Errors
    ///
    /// If the template is wrong, or the hierarchy that is named is not mounted.
    pub(super) fn new(flags: &Grouping) -> Result<Self> {
        let template = template(flags)?;
        let hierarchy = cgroup::hierarchy(flags.cgroup_hierarchy.as_deref())?;
        Ok(Self { template, hierarchy })
    }

    /// What the kernel half must keep for it.
    pub(super) fn kept(&self) -> Kept {
        let number = |hierarchy: &Hierarchy| settings::Hierarchy {
            number: hierarchy.number,
            controller: hierarchy.name,
        };
        Kept {
            cgroups: if self.hierarchy.is_some() { Kept::CGROUPS } else { 0 },
            hierarchy: self.hierarchy.as_ref().filter(|h| h.number != 0).map(number),
            argv: self.template.uses(Field::Argv),
        }
    }

    /// The ledger, once the kernel notes what is made.
    pub(super) fn ledger(self, flags: &Grouping, kernel: &mut Kernel) -> Result<Ledger> {
        let (made, arguments) = kernel.take_identity().context("the maps are in use")?;
        let logs = flags.pod_logs.clone();
        let names = HostNames::new(made, arguments, self.hierarchy, logs);
        let groups = Groups::new(flags.max_groups, flags.group_expiry);
        Ok(Ledger::of(groups, Sorter::new(self.template, Box::new(names))))
    }
}

/// The template that is asked for.
pub(super) fn template(flags: &Grouping) -> Result<Template> {
    let Some(path) = &flags.group_template else {
        let found = BUILT_IN.iter().find(|(name, _)| *name == flags.group_by);
        let (_, text) = found.context("--group-by names no template")?;
        return Template::parse(text).map_err(|error| anyhow!("{error}"));
    };
    let text = fs::read_to_string(path)
        .with_context(|| format!("--group-template: cannot read {}", path.display()))?;
    Template::parse(&text)
        .map_err(|error| anyhow!("--group-template: {}: {}", path.display(), error.trim_end()))
}
