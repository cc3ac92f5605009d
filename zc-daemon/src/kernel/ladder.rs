//! A probe's ladder: its hooks by the kernel's types, then the same ones by kprobes.

use std::{borrow::Cow, fmt};

use super::{
    btf::Btf,
    hooks::{Hook, Place, Probe},
};

/// What functions are hooked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ladder {
    /// fentry and fexit; kprobes where all of a probe's are refused.
    Best,
    /// kprobes alone.
    Kprobes,
}

impl Probe {
    /// What is tried, in this order.
    pub fn ladder(&self, ladder: Ladder) -> impl Iterator<Item = Rung> + use<> {
        let hooks = self.hooks.iter();
        let typed =
            hooks.clone().filter(move |hook| ladder == Ladder::Best || !hook.is_on_function());
        let kprobes = hooks.filter(|hook| hook.is_on_function() && hook.by_kprobe);
        typed.map(Rung::typed).chain(kprobes.map(|hook| Rung { hook, by: By::Kprobe }))
    }
}

/// What a hook is attached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// A program whose arguments have the kernel's own types: tp_btf, fentry, fexit.
    Type,
    /// A kprobe and, on the return of a function, a kretprobe. It is of the function of
    /// exactly this name: a copy that a compiler made (`.isra.0`) has other arguments.
    Kprobe,
}

/// A step of a probe's ladder: a hook, and what it is attached by.
#[derive(Clone, Copy, Debug)]
pub struct Rung {
    /// The hook.
    pub hook: &'static Hook,
    /// What it is attached by.
    pub by: By,
}

/// A program of a rung.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name in the object.
    pub name: Cow<'static, str>,
    /// Where it is attached.
    pub place: Place,
    /// What by.
    pub by: By,
}

impl Rung {
    /// A hook by the kernel's types.
    #[must_use]
    pub const fn typed(hook: &'static Hook) -> Self {
        Self { hook, by: By::Type }
    }

    /// Whether its places have the signatures that its programs are for.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong.
    pub fn fits(self, types: &Btf) -> Result<(), String> {
        let with = if self.by == By::Type { self.hook.with } else { &[] };
        with.iter().chain([self.hook]).try_for_each(|hook| hook.fits(types))
    }

    /// Its programs, in the order they are attached.
    #[must_use]
    pub fn programs(self) -> Vec<Program> {
        let Self { hook, by } = self;
        let kprobe =
            |place: Place, end| Program { name: (hook.program.to_owned() + end).into(), place, by };
        match (by, hook.place) {
            // What a hook needs beside its own program comes first.
            (By::Type, _) => hook
                .with
                .iter()
                .chain([hook])
                .map(|hook| Program { name: hook.program.into(), place: hook.place, by })
                .collect(),
            (By::Kprobe, Place::Return(name)) => {
                vec![kprobe(Place::Entry(name), "_kprobe"), kprobe(hook.place, "_kretprobe")]
            }
            (By::Kprobe, place) => vec![kprobe(place, "_kprobe")],
        }
    }
}

impl Hook {
    /// Whether its place has the signature that its program is for.
    fn fits(&self, types: &Btf) -> Result<(), String> {
        let name = self.place.name();
        let (arguments, what) = match self.place {
            Place::Tracepoint(name) => (types.tracepoint(name), "tracepoint"),
            Place::Entry(name) | Place::Return(name) => (types.function(name), "function"),
        };
        let arguments = arguments.ok_or_else(|| format!("this kernel has no {what} {name}"))?;
        let fits = (self.at_least..=self.at_most).contains(&arguments.len())
            && self
                .arguments
                .iter()
                .all(|(position, structure)| arguments.get(*position) == Some(&Some(*structure)));
        if !fits {
            return Err(format!("the {what} has other arguments on this kernel"));
        }
        match self.needs.filter(|needed| !needed.is_met(types)) {
            Some(needed) => {
                let name = needed.name();
                Err(format!("it would not see all it should, as on kernels with {name}"))
            }
            None => Ok(()),
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match (self.by, self.hook.place) {
            (By::Type, Place::Tracepoint(_)) => "tp_btf",
            (By::Type, Place::Entry(_)) => "fentry",
            (By::Type, Place::Return(_)) => "fexit",
            (By::Kprobe, Place::Return(_)) => "kretprobe",
            (By::Kprobe, Place::Tracepoint(_) | Place::Entry(_)) => "kprobe",
        };
        write!(f, "{kind}/{}", self.hook.place.name())?;
        match self.hook.with {
            [] | [_] => Ok(()),
            more => write!(f, " and {} more", more.len()),
        }
    }
}
