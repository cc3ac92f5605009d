//! Cgroups of version 2: who is in them.

use std::{
    collections::BTreeSet,
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
