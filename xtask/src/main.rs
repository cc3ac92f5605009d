//! zc's task runner: everything that is done to the project is a command here,
//! and CI runs nothing else.

mod apt;
mod bench;
mod built;
mod check;
mod cmd;
mod deny;
mod deploy;
mod ebpf;
mod fuzz;
mod layers;
mod package;
mod pip;
mod play;
mod programs;
mod run;
mod table;
mod tally;
mod test;
mod vm;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::test::{Instead, VmFlags};

/// Builds, checks, tests and runs zc.
#[derive(Parser)]
#[command(name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build zc and start it, as root through sudo when needed.
    Run {
        /// Arguments of zc [default: run].
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The whole suite: checks, root tests on this kernel, the same in VMs.
    Test {
        /// Leave the VMs out.
        #[arg(long)]
        no_vm: bool,
    },
    /// What needs no root: format, lints, unit tests, object and docs current, licences.
    Check,
    /// Rebuild the committed eBPF object, installing the toolchain it needs.
    BuildEbpf {
        /// Change nothing; fail if the object is not what its source builds to.
        #[arg(long)]
        check: bool,
    },
    /// Measure what zc costs; fails for no number.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Hold what is deployed to what it is deployed on: dashboards to Grafana's own types.
    Deploy(deploy::DeployFlags),
    /// Hold zc's parsers against hostile bytes; `--list` says which there are, `--help` how.
    #[command(disable_help_flag = true)]
    Fuzz {
        /// [TARGET…] [--seconds N] [--seed S] [--input FILE]
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Make the files of a release: .deb, .rpm, static program, tarball, SBOM, checksums.
    Package(package::PackageFlags),
    /// Run the root tests, or a shell command, on stock kernels under QEMU.
    Vm(VmFlags),
}

fn main() -> ExitCode {
    match start(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Run { arguments } => run::run(&arguments),
        Command::Test { no_vm } => test::all(!no_vm),
        Command::Check => check::all(&mut tally::Tally::default(), ebpf::Toolchain::IfPresent),
        Command::BuildEbpf { check: false } => ebpf::build(),
        Command::BuildEbpf { check: true } => ebpf::verify(ebpf::Toolchain::Install),
        Command::Deploy(flags) => deploy::deploy(&flags),
        Command::Fuzz { arguments } => fuzz::run(&arguments),
        Command::Bench(bench) => bench::run(&bench),
        Command::Package(flags) => package::run(&flags),
        Command::Vm(VmFlags { instead: Some(Instead::Play(flags)), .. }) => play::play(&flags),
        Command::Vm(flags) => test::in_vms(&flags),
    }
}
