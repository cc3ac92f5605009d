//! Flags of `zc verify`.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{ArgGroup, Args};

use super::{Attach, share, time};
use crate::engine::{
    bytes::Bytes,
    policy::{Policy, RouteName},
};

/// Who is judged, by what, and how that is told.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("target").required(true))]
pub struct Verify {
    /// Judge this process and its descendants.
    #[arg(long, group = "target", value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Option<u32>,
    /// Judge all processes in this cgroup (of version 2) and below, such as
    /// system.slice/nginx.service or its directory.
    #[arg(long, group = "target", value_name = "PATH")]
    pub cgroup: Option<PathBuf>,
    /// Judge all processes of this systemd unit.
    #[arg(long, group = "target", value_name = "NAME")]
    pub unit: Option<String>,
    /// Run this command, and judge it and its descendants until it ends.
    #[arg(
        group = "target",
        value_name = "CMD",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub command: Vec<OsString>,
    /// How long to watch, such as 10s, 500ms or 2m; a command and what it has become is then
    /// sent SIGTERM, and 5 s later SIGKILL, which counts as no failure of it [default: until the
    /// command or the process ends, or SIGINT].
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub duration: Option<Duration>,
    /// What it is held to.
    #[command(flatten)]
    pub limits: Limits,
    /// Count the copies of --pid by hardware breakpoints too, and say so if they contradict
    /// what was measured (see zc audit for what that costs); it is then judged alone, without
    /// its descendants.
    #[arg(long, conflicts_with_all = ["command", "cgroup", "unit"])]
    pub audit: bool,
    /// How many of the stacks that copied most to show. To take them costs every process of
    /// this machine some 9000 instructions a copy; 0 takes none [default: 3 of a command, else 0].
    #[arg(long, value_name = "COUNT")]
    pub stacks: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where to print [default: standard error beside a command, whose standard output is
    /// its own; else standard output].
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write a JUnit test report too.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write static analysis results (SARIF 2.1.0) too.
    #[arg(long, value_name = "FILE")]
    pub sarif: Option<PathBuf>,
    /// Print annotations for GitHub Actions too, on standard error [default: if GITHUB_ACTIONS
    /// is true].
    #[arg(long)]
    pub github: bool,
    /// What zc may take of one core, its programs and itself, such as 1%. Past it for three
    /// looks in a row, zc gives up the most expensive probe that it can do without, and cannot
    /// tell what relied on that [default: no limit].
    #[arg(long, env = "ZC_BUDGET", value_parser = share)]
    pub budget: Option<f64>,
    /// How to attach.
    #[command(flatten)]
    pub attach: Attach,
}

impl Verify {
    /// How many stacks to show.
    #[must_use]
    pub fn stacks(&self) -> usize {
        let few = if self.command.is_empty() { 0 } else { 3 };
        self.stacks.unwrap_or(few)
    }
}

/// The policy: flags, and a file for what they leave open.
#[derive(Debug, Args)]
pub struct Limits {
    /// Bytes that may be copied for each byte moved [default: 0.05, if there is no other
    /// limit].
    #[arg(long, value_name = "NUMBER")]
    pub max_copies_per_byte: Option<f64>,
    /// Bytes that may be copied in all, such as 4096, 64KiB or 1MB.
    #[arg(long, value_name = "BYTES")]
    pub max_copied: Option<Bytes>,
    /// Judge this route alone, which must move something; may be given more than once.
    #[arg(long = "route", value_name = "ROUTE")]
    pub routes: Vec<RouteName>,
    /// Leave out routes that move or copy fewer bytes.
    #[arg(long, value_name = "BYTES")]
    pub ignore_below: Option<Bytes>,
    /// Take copies that are inferred from system calls, not measured, where the kernel
    /// allows no more.
    #[arg(long)]
    pub allow_inferred: bool,
    /// A policy in TOML, with the names of these flags as keys (route: "routes"); flags go
    /// before it.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

impl Limits {
    /// What the flags say.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            max_copies_per_byte: self.max_copies_per_byte,
            max_copied: self.max_copied,
            routes: self.routes.clone(),
            ignore_below: self.ignore_below,
            allow_inferred: self.allow_inferred,
        }
    }
}
