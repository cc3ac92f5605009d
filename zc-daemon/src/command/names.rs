//! What the numbers in slots are called: the kernel's notes first, then the host's files.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

use anyhow::Result;
use zc_common::slot::{CgroupPath, Owner};

use crate::{
    engine::identity::{self, Names},
    host::{
        cgroup::{self, Hierarchy},
        names,
    },
    kernel::{arguments::Arguments, cgroups::Cgroups},
};

/// Paths of cgroups that are remembered beyond those that are there, before the ones that are
/// gone are forgotten.
const FORGET: usize = 4096;

/// How often a pass looks which cgroups are there, at most: each walks the whole hierarchy.
const LOOKS: u32 = 8;

/// The names of this machine.
pub(super) struct HostNames {
    made: Cgroups,
    arguments: Arguments,
    hierarchy: Option<Hierarchy>,
    /// Where kubelet keeps the logs of pods.
    logs: PathBuf,
    paths: HashMap<u64, String>,
    /// How many of the paths were there when they were last looked up.
    there: usize,
    /// Cgroups that are gone. Who was in them is seen before they are forgotten.
    gone: HashSet<u64>,
    /// Cgroups that were looked for in vain: they were gone.
    unknown: HashSet<u64>,
    users: HashMap<u32, String>,
    pods: HashMap<String, (String, String)>,
    looked: Looked,
}

/// What was looked up since the pass began, so that it is not done for each process.
#[derive(Default)]
struct Looked {
    cgroups: u32,
    users: bool,
    pods: bool,
}

impl HostNames {
    /// Looks everything up: what is made later, the kernel notes.
    pub(super) fn new(
        made: Cgroups,
        arguments: Arguments,
        hierarchy: Option<Hierarchy>,
        logs: PathBuf,
    ) -> Self {
        let mut names = Self {
            made,
            arguments,
            hierarchy,
            logs,
            paths: HashMap::new(),
            there: 0,
            gone: HashSet::new(),
            unknown: HashSet::new(),
            users: HashMap::new(),
            pods: HashMap::new(),
            looked: Looked::default(),
        };
        names.look_for_cgroups();
        names
    }

    /// Looks which cgroups are there, but not too often a pass; whether it did.
    fn look_for_cgroups(&mut self) -> bool {
        let Some(hierarchy) = self.hierarchy.as_ref().filter(|_| self.looked.cgroups < LOOKS)
        else {
            return false;
        };
        self.looked.cgroups += 1;
        let paths = cgroup::paths(hierarchy);
        self.there = paths.len();
        self.paths.extend(paths);
        true
    }

    /// Forgets cgroups that were gone by the last pass; once there are many, looks which are.
    fn forget(&mut self) {
        for id in self.gone.drain() {
            self.paths.remove(&id);
        }
        if self.unknown.len() > FORGET {
            self.unknown.clear();
        }
        if let Some(hierarchy) = &self.hierarchy
            && self.paths.len() > self.there + FORGET
        {
            let there = cgroup::paths(hierarchy);
            self.gone.extend(self.paths.keys().filter(|id| !there.contains_key(id)));
            self.there = there.len();
        }
    }

    fn take_made(&mut self) -> Result<()> {
        for (id, path) in self.made.take()? {
            let Some(path) = whole(&path) else { continue };
            let before = self.paths.insert(id, path.clone());
            if let Some(before) = before.filter(|before| *before != path) {
                moved(&mut self.paths, &before, &path);
            }
        }
        Ok(())
    }
}

/// A cgroup has another path now, and with it all below it.
pub(super) fn moved(paths: &mut HashMap<u64, String>, before: &str, now: &str) {
    for path in paths.values_mut() {
        let below = path.strip_prefix(before).filter(|below| below.starts_with('/'));
        if let Some(below) = below {
            *path = format!("{now}{below}");
        }
    }
}

/// A path as text; none if it was cut.
pub(super) fn whole(path: &CgroupPath) -> Option<String> {
    let last = path.len() - 1;
    let end = path.iter().position(|byte| *byte == 0).filter(|end| *end < last)?;
    Some(identity::text(&path[..end]).into_owned())
}

impl Names for HostNames {
    fn begin(&mut self) -> Result<()> {
        self.looked = Looked::default();
        self.forget();
        self.take_made()
    }

    fn cgroup(&mut self, id: u64) -> Option<String> {
        if id == 0 || self.unknown.contains(&id) {
            return None;
        }
        // It may have been made since the pass began, or its path not have been noted.
        if !self.paths.contains_key(&id)
            && let Err(error) = self.take_made()
        {
            tracing::warn!("the paths of cgroups cannot be read: {error:#}");
        }
        if !self.paths.contains_key(&id) && self.look_for_cgroups() && !self.paths.contains_key(&id)
        {
            self.unknown.insert(id);
        }
        self.paths.get(&id).cloned()
    }

    fn user(&mut self, uid: u32) -> Option<String> {
        if !self.users.contains_key(&uid) && !std::mem::replace(&mut self.looked.users, true) {
            self.users.extend(names::users());
        }
        Some(self.users.get(&uid).cloned().unwrap_or_else(|| uid.to_string()))
    }

    fn pod(&mut self, uid: &str) -> Option<(String, String)> {
        if !self.pods.contains_key(uid) && !std::mem::replace(&mut self.looked.pods, true) {
            self.pods = names::pods(&self.logs);
        }
        self.pods.get(uid).cloned()
    }

    fn argv(&mut self, slot: u32, owner: &Owner) -> Option<Vec<u8>> {
        self.arguments.of(slot).or_else(|| names::arguments(owner.process.tgid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_a_cgroup_moves_with_it() {
        let rows = [(1, "/a"), (2, "/a/b/c"), (3, "/ab"), (4, "/x/a/b")];
        let mut paths: HashMap<_, _> = rows.map(|(id, path)| (id, path.to_owned())).into();
        moved(&mut paths, "/a", "/d");
        let expected = [(1, "/a"), (2, "/d/b/c"), (3, "/ab"), (4, "/x/a/b")];
        assert_eq!(paths, expected.map(|(id, path)| (id, path.to_owned())).into());
    }
}
