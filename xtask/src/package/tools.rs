//! The programs that packages are made by: pinned, built by cargo, kept in the cache.

use std::{path::PathBuf, process::Command, time::Instant};

use anyhow::{Context as _, Result};

use crate::{cmd, vm::kernels::cache_dir};

/// A program of crates.io, as it was published.
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
}

/// Makes the .deb.
pub(crate) const DEB: Tool = Tool { name: "cargo-deb", version: "3.8.0" };

impl Tool {
    /// Where it is; built first if it is not there. Without optimisation, as it runs for a
    /// second and would take minutes to build.
    pub(crate) fn path(&self) -> Result<PathBuf> {
        let cache = cache_dir()?;
        let root = cache.join(format!("{}-{}", self.name, self.version));
        let path = root.join("bin").join(self.name);
        if path.exists() {
            return Ok(path);
        }
        eprintln!("xtask: installing {} {} by cargo (for packages)", self.name, self.version);
        let began = Instant::now();
        let mut install = Command::new("cargo");
        install.args(["install", "--quiet", self.name, "--locked", "--debug"]);
        install.args(["--version", self.version, "--root"]).arg(&root);
        // What the tools have in common is built once.
        install.env("CARGO_TARGET_DIR", cache.join("tools")).env("CARGO_PROFILE_DEV_DEBUG", "0");
        cmd::run(&mut install).with_context(|| format!("cannot install {}", self.name))?;
        eprintln!("xtask: {} took {} s", self.name, began.elapsed().as_secs());
        Ok(path)
    }
}
