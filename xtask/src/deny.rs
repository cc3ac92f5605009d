//! Licences, bans and sources of every dependency, by cargo-deny.

use std::process::Command;

use anyhow::Result;

use crate::{cmd, ebpf::top, vm::kernels::cache_dir};

const VERSION: &str = "0.20.2";

/// Checks both workspaces, installing cargo-deny if it is not here. Advisories
/// need a database from the network and are left to `cargo deny check`.
pub(crate) fn check() -> Result<()> {
    let root = cache_dir()?.join(format!("cargo-deny-{VERSION}"));
    let program = root.join("bin/cargo-deny");
    if !program.exists() {
        eprintln!("xtask: installing cargo-deny {VERSION} by cargo (some minutes)");
        cmd::run(
            Command::new("cargo")
                .args(["install", "cargo-deny", "--locked", "--version", VERSION, "--root"])
                .arg(&root),
        )?;
    }
    for manifest in ["Cargo.toml", "zc-ebpf/Cargo.toml"] {
        cmd::run(
            Command::new(&program)
                .current_dir(top())
                .args(["--log-level", "error", "--all-features", "--manifest-path", manifest])
                .arg("--config")
                .arg(top().join("deny.toml"))
                .args(["check", "licenses", "bans", "sources"]),
        )?;
    }
    Ok(())
}
