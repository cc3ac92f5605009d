//! Cgroups: who is in them, and how they are called.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

/// A cgroup and all below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// The inode numbers of their directories, by which the kernel knows them.
    pub ids: BTreeSet<u64>,
    /// The processes that are in them now.
    pub pids: BTreeSet<u32>,
}

/// `CGROUP2_SUPER_MAGIC` (`include/uapi/linux/magic.h`).
const CGROUP2: i64 = 0x6367_7270;

/// The directory of a cgroup that is named by it, or by its path below the root of the
/// hierarchy, as in `/proc/PID/cgroup`.
///
/// # Errors
///
/// If there is no such cgroup of version 2.
pub fn find(path: &Path) -> Result<PathBuf> {
    let below = path.strip_prefix("/").unwrap_or(path);
    let candidates = std::iter::once(path.to_owned()).chain(root().map(|root| root.join(below)));
    let mut found = candidates.filter(|candidate| candidate.is_dir() && is_cgroup(candidate));
    found.next().with_context(|| {
        format!(
            "{} is no cgroup of version 2; find one in /proc/PID/cgroup or with systemd-cgls",
            path.display()
        )
    })
}

fn is_cgroup(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|fs| fs.f_type == CGROUP2)
}

/// Where the hierarchy of version 2 is mounted.
fn root() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    // What is mounted, where, and as what.
    let mut rows = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    rows.find(|row| row.get(2) == Some(&"cgroup2")).map(|row| PathBuf::from(row[1]))
}

/// The directory of the cgroup of a systemd unit.
///
/// # Errors
///
/// If systemd does not run, or the unit does not.
pub fn of_unit(unit: &str) -> Result<PathBuf> {
    let output = Command::new("systemctl")
        .args(["show", "--property=ControlGroup", "--value", "--", unit])
        .output()
        .context("systemctl cannot be run; without systemd, name a cgroup (--cgroup)")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let path = said.trim();
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        bail!("systemctl does not tell the cgroup of {unit}: {}", why.trim());
    }
    ensure!(!path.is_empty(), "the unit {unit} does not run; start it, or see systemctl status");
    find(Path::new(path))
}

/// A hierarchy of cgroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its number, as in `/proc/PID/cgroup`: 0 for version 2.
    pub number: u32,
    /// Which it is: `v2`, or a controller of version 1.
    pub name: &'static str,
    /// Where it is mounted.
    pub root: PathBuf,
}

/// What tells services apart, best first: version 2, which systemd uses where it can, then the
/// controllers of version 1 that most runtimes use.
pub const HIERARCHIES: &[&str] = &[
    V2,
    "pids",
    "memory",
    "cpu",
    "cpuacct",
    "devices",
    "blkio",
    "freezer",
    "cpuset",
    "net_cls",
    "perf_event",
    "hugetlb",
];
const V2: &str = "v2";

/// The hierarchy of this name; of none, the best that anybody uses.
///
/// # Errors
///
/// If the one that is named is not mounted.
pub fn hierarchy(name: Option<&str>) -> Result<Option<Hierarchy>> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("/proc is not mounted")?;
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut mounted = mounted(&mounts, &own);
    if let Some(name) = name {
        let found = mounted.into_iter().find(|hierarchy| hierarchy.name == name);
        let found = found.with_context(|| {
            format!("no hierarchy of cgroups {name} is mounted; see /proc/self/mounts")
        })?;
        return Ok(Some(found));
    }
    let used = mounted.iter().position(|hierarchy| {
        let entries = fs::read_dir(&hierarchy.root).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
    });
    let chosen = used.unwrap_or(0);
    Ok((chosen < mounted.len()).then(|| mounted.swap_remove(chosen)))
}

/// The hierarchies that are mounted, best first.
pub(super) fn mounted(mounts: &str, own: &str) -> Vec<Hierarchy> {
    // What is mounted, where, as what, and how.
    let mounts: Vec<Vec<_>> = mounts.lines().map(|line| line.split(' ').collect()).collect();
    let find = |name: &&'static str| -> Option<Hierarchy> {
        let is_it = |row: &&Vec<&str>| match (row.get(2), row.get(3)) {
            (Some(&"cgroup2"), _) => *name == V2,
            (Some(&"cgroup"), Some(options)) => options.split(',').any(|option| option == *name),
            _ => false,
        };
        let root = PathBuf::from(mounts.iter().find(is_it)?[1]);
        let number = if *name == V2 { 0 } else { number(own, name)? };
        Some(Hierarchy { number, name, root })
    };
    HIERARCHIES.iter().filter_map(find).collect()
}

/// The number of the hierarchy of a controller.
fn number(own: &str, controller: &str) -> Option<u32> {
    own.lines().find_map(|line| {
        let (number, rest) = line.split_once(':')?;
        let (controllers, _) = rest.split_once(':')?;
        let is_it = controllers.split(',').any(|name| name == controller);
        number.parse().ok().filter(|_| is_it)
    })
}

/// The path of each cgroup of a hierarchy, below its root, by the cgroup's id.
#[must_use]
pub fn paths(hierarchy: &Hierarchy) -> HashMap<u64, String> {
    let mut paths = HashMap::new();
    let mut left = vec![(hierarchy.root.clone(), "/".to_owned())];
    while let Some((directory, path)) = left.pop() {
        let Ok(metadata) = fs::metadata(&directory) else { continue };
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        for entry in entries.filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())) {
            let name = entry.file_name();
            let parent = path.trim_end_matches('/');
            left.push((entry.path(), format!("{parent}/{}", name.to_string_lossy())));
        }
        paths.insert(metadata.ino(), path);
    }
    paths
}

/// Who is in a cgroup, or in one below it. What is removed meanwhile has nobody in it.
#[must_use]
pub fn members(directory: &Path) -> Members {
    let mut members = Members::default();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        let Ok(metadata) = fs::metadata(&directory) else { continue };
        members.ids.insert(metadata.ino());
        let listed = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        members.pids.extend(listed.lines().filter_map(|line| line.parse::<u32>().ok()));
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        let below = entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()));
        left.extend(below.map(|entry| entry.path()));
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
        cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0\n\
        cgroup /sys/fs/cgroup/pids cgroup rw,relatime,pids 0 0\n\
        cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0\n\
        cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
    const OWN: &str = "8:pids:/a\n3:cpu,cpuacct:/\n1:name=systemd:/\n0::/a\n";

    #[test]
    fn hierarchies_are_told_by_mounts_and_numbers() {
        let rows: Vec<_> = mounted(MOUNTS, OWN)
            .into_iter()
            .map(|hierarchy| (hierarchy.name, hierarchy.number, hierarchy.root))
            .collect();
        let at = |name: &str| Path::new("/sys/fs/cgroup").join(name);
        let expected = [
            ("v2", 0, at("unified")),
            ("pids", 8, at("pids")),
            ("cpu", 3, at("cpu,cpuacct")),
            ("cpuacct", 3, at("cpu,cpuacct")),
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn paths_are_below_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("system.slice/a.service");
        fs::create_dir_all(&inner).unwrap();
        let root = folder.path().to_owned();
        let paths = paths(&Hierarchy { number: 0, name: V2, root });
        let id = |path: &Path| fs::metadata(path).unwrap().ino();
        assert_eq!(paths[&id(&inner)], "/system.slice/a.service");
        assert_eq!(paths[&id(folder.path())], "/");
        assert_eq!(paths.len(), 3);
    }
}
