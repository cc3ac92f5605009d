//! The checks that need no root.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{
    cmd, deny,
    ebpf::{self, Toolchain, top},
    layers,
    tally::Tally,
};

/// Every check, cheapest first.
pub(crate) fn all(tally: &mut Tally, toolchain: Toolchain) -> Result<()> {
    components()?;
    step("format", || {
        cargo(&["fmt", "--all", "--check"])?;
        cargo(&["fmt", "--check", "--manifest-path", "zc-ebpf/Cargo.toml"])
    })?;
    step("floors", layers::check)?;
    step("object", || ebpf::verify(toolchain))?;
    step("clippy", || {
        cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
        let fuzz = ["--package", "zc-daemon", "--features", "fuzz", "--bin", "zc-fuzz"];
        cargo(&[&["clippy", "--locked"], &fuzz[..], &["--", "-D", "warnings"]].concat())?;
        ebpf::clippy()
    })?;
    step("documentation", || {
        let mut doc = Command::new("cargo");
        doc.args([
            "doc",
            "--quiet",
            "--locked",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ]);
        cmd::run(doc.env("RUSTDOCFLAGS", "-D warnings").current_dir(top()))
    })?;
    step("unit tests", || {
        let mut tests = Command::new("cargo");
        tests
            .args(["test", "--locked", "--workspace", "--lib", "--bin", "zc", "--bin", "xtask"])
            .current_dir(top());
        tally.run(&mut tests)
    })?;
    step("licences", deny::check)
}

fn step(name: &str, check: impl FnOnce() -> Result<()>) -> Result<()> {
    eprintln!("xtask: checking {name}");
    check().with_context(|| format!("the check of {name} failed"))
}

fn cargo(arguments: &[&str]) -> Result<()> {
    cmd::run(Command::new("cargo").args(arguments).current_dir(top()))
}

/// Installs the parts of the toolchain that a minimal one lacks.
fn components() -> Result<()> {
    for (component, arguments) in
        [("rustfmt", ["fmt", "--version"]), ("clippy", ["clippy", "--version"])]
    {
        if cmd::output(Command::new("cargo").args(arguments)).is_err() {
            eprintln!("xtask: installing {component} by rustup (for the checks)");
            cmd::run(Command::new("rustup").args(["component", "add", component]))?;
        }
    }
    Ok(())
}
