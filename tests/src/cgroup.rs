//! Cgroups that go with a test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use zc_daemon::host::cgroup::hierarchy;

/// A cgroup of its own, removed in the end, with those above it that it needed.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    made: Vec<PathBuf>,
}

impl Cgroup {
    /// One of version 2, which is mounted if it is not.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn new(name: &str) -> Result<Self> {
        let root = match root_of("v2") {
            Some(root) => root,
            None => {
                let root = PathBuf::from("/sys/fs/cgroup");
                let mut mount = Command::new("mount");
                let mounted = mount.args(["-t", "cgroup2", "none"]).arg(&root).status()?;
                ensure!(mounted.success(), "no hierarchy of version 2 can be mounted");
                root
            }
        };
        Self::within(&root, name)
    }

    /// One at this path below the root of a hierarchy.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn within(root: &Path, path: &str) -> Result<Self> {
        let mut cgroup = Self { path: root.to_owned(), made: Vec::new() };
        for name in path.split('/') {
            cgroup.path.push(name);
            if !cgroup.path.exists() {
                let path = cgroup.path.display();
                fs::create_dir(&cgroup.path).with_context(|| format!("cannot make {path}"))?;
                cgroup.made.push(cgroup.path.clone());
            }
        }
        Ok(cgroup)
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves a process into it.
    ///
    /// # Errors
    ///
    /// If the kernel does not.
    pub fn add(&self, pid: u32) -> Result<()> {
        let path = self.path.join("cgroup.procs");
        fs::write(&path, pid.to_string())
            .with_context(|| format!("cannot add to {}", path.display()))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Whoever was in it has ended, which the kernel may notice a moment later; else there
        // is nothing to be done.
        for path in self.made.iter().rev() {
            let _ = (0..50).any(|_| {
                let gone = fs::remove_dir(path).is_ok();
                if !gone {
                    sleep(Duration::from_millis(20));
                }
                gone
            });
        }
    }
}

/// Where a hierarchy is mounted, if it is.
#[must_use]
pub fn root_of(name: &str) -> Option<PathBuf> {
    hierarchy(Some(name)).ok().flatten().map(|hierarchy| hierarchy.root)
}
