//! The `zc` binary: parse, dispatch, exit.

use std::{io::IsTerminal as _, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Parser as _;
use tracing_subscriber::EnvFilter;
use zc_daemon::{
    cli::{Cli, Command, LogFormat},
    command, kernel,
};

/// Something went wrong before anything could be said: bad flags, no permission,
/// no kernel support.
const CANNOT: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match start(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("zc: {error:#}");
            ExitCode::from(CANNOT)
        }
    }
}

fn start(cli: Cli) -> Result<ExitCode> {
    log_to_stderr(&cli)?;
    match cli.command {
        Command::Run(flags) => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .context("cannot start the runtime")?;
            runtime.block_on(command::run::run(flags))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Reference { name } => {
            kernel::reference::run(&name)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Paths(flags) => command::paths::run(&flags),
        Command::Path { name, setting } => {
            kernel::path::run(&name, &setting)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Audit(flags) => on_this_thread(command::audit::run(flags)),
        Command::Verify(flags) => on_this_thread(command::verify::run(*flags)),
        Command::Sites(flags) => command::sites::run(&flags),
        Command::Doctor(flags) => command::doctor::run(&flags),
    }
}

fn on_this_thread(command: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(command)
}

fn log_to_stderr(cli: &Cli) -> Result<()> {
    let filter = EnvFilter::try_new(&cli.log_level)
        .with_context(|| format!("--log.level: {:?} is no level and no filter", cli.log_level))?;
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(false);
    match cli.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
