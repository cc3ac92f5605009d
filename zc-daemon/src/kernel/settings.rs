//! What the programs are told before load: offsets of this kernel's fields, and
//! which helpers it has.

use anyhow::{Result, bail};
use zc_common::settings::{
    ABSENT, ARITIES, CONTROLLER, CURRENT_TASK_BTF, ENUMERATORS, FIELDS, Field, HIERARCHY,
    READ_KERNEL, SENDFILE_LINKS, TASK_PT_REGS,
};

use super::btf::Btf;

/// Values of the programs' globals, by name.
#[derive(Clone, Debug)]
pub struct Settings {
    globals: Vec<(&'static str, u32)>,
}

/// A hierarchy of cgroups of version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its number, as in `/proc/PID/cgroup`.
    pub number: u32,
    /// A controller of it.
    pub controller: &'static str,
}

/// Fields without which nothing can be charged to anyone.
const NEEDED: &str = "task_struct";
/// But these: a kernel may have no cgroups, and no io_uring.
const OPTIONAL: &[&str] = &["TASK_CGROUPS", "TASK_IO_URING"];

impl Settings {
    /// Reads the offsets from the kernel's types.
    ///
    /// # Errors
    ///
    /// If a field of `task_struct` is missing.
    pub fn for_kernel(btf: &Btf) -> Result<Self> {
        let mut globals = Vec::with_capacity(FIELDS.len() + 2);
        for field in FIELDS {
            let offset = find(btf, field);
            let needed = field.structure == NEEDED && !OPTIONAL.contains(&field.global);
            if offset.is_none() && needed {
                bail!(
                    "this kernel's {} has no field {}; zc does not know how to follow threads on \
                     it: please report the kernel's version",
                    field.structure,
                    field.members.join(" or ")
                );
            }
            globals.push((field.global, offset.unwrap_or(ABSENT)));
        }
        for row in ENUMERATORS {
            globals.push((row.global, btf.enumerator(row.enumeration, row.name).unwrap_or(ABSENT)));
        }
        for row in ARITIES {
            let arguments = btf.function(row.function).map(|arguments| arguments.len());
            let arity = arguments.and_then(|count| u32::try_from(count).ok());
            globals.push((row.global, arity.unwrap_or(ABSENT)));
        }
        let has = |name| u32::from(btf.has_function(name));
        globals.push((CURRENT_TASK_BTF, has("bpf_get_current_task_btf")));
        globals.push((TASK_PT_REGS, has("bpf_task_pt_regs")));
        globals.push((SENDFILE_LINKS, has("splice_file_to_pipe")));
        globals.push((READ_KERNEL, 1));
        globals.push((HIERARCHY, 0));
        globals.push((CONTROLLER, ABSENT));
        Ok(Self { globals })
    }

    /// The same, looking cgroups up in a hierarchy of version 1.
    ///
    /// # Errors
    ///
    /// If the kernel does not know its controller.
    pub fn with_hierarchy(mut self, btf: &Btf, hierarchy: Hierarchy) -> Result<Self> {
        // `blkio` is what io was called first.
        let name = if hierarchy.controller == "blkio" { "io" } else { hierarchy.controller };
        let controller = btf.enumerator("cgroup_subsys_id", &format!("{name}_cgrp_id"));
        let Some(controller) = controller else {
            bail!("this kernel has no controller {name}; choose another with --cgroup-hierarchy")
        };
        self.set(HIERARCHY, hierarchy.number);
        self.set(CONTROLLER, controller);
        Ok(self)
    }

    fn set(&mut self, wanted: &str, to: u32) {
        let named = self.globals.iter_mut().filter(|(name, _)| *name == wanted);
        named.for_each(|(_, value)| *value = to);
    }

    /// The same, for a kernel that does not let programs read its memory
    /// (lockdown in confidentiality mode).
    #[must_use]
    pub fn without_kernel_reads(&self) -> Self {
        let mut settings = self.clone();
        settings.set(READ_KERNEL, 0);
        settings
    }

    /// Whether a program on a function can tell which system call it is in.
    #[must_use]
    pub fn shows_the_call(&self) -> bool {
        let is_on = |wanted| self.iter().any(|(name, value)| name == wanted && *value != 0);
        is_on(READ_KERNEL) || is_on(CURRENT_TASK_BTF) && is_on(TASK_PT_REGS)
    }

    /// Every global and its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &u32)> {
        self.globals.iter().map(|(name, value)| (*name, value))
    }
}

fn find(btf: &Btf, field: &Field) -> Option<u32> {
    field.members.iter().find_map(|member| btf.offset(field.structure, member))
}
