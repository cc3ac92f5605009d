//! The `zc` binary: parse, dispatch, exit.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use zc_daemon::{
    cli::Command,
    command,
    config::{Config, Refused},
    kernel,
    logging::Log,
    privileges,
};

/// Something went wrong before anything could be said: bad flags, no permission,
/// no kernel support.
const CANNOT: u8 = 2;

fn main() -> ExitCode {
    let started = match Config::from(std::env::args_os()) {
        Ok(config) => start(config),
        Err(Refused::Usage(error)) => error.exit(),
        Err(Refused::File(error)) => Err(error),
    };
    match started {
        Ok(code) => code,
        Err(error) => {
            eprintln!("zc: {error:#}");
            ExitCode::from(CANNOT)
        }
    }
}

fn start(config: Config) -> Result<ExitCode> {
    let log = Log::start(&config.cli)?;
    if let Command::Run(flags) = &config.cli.command {
        let flags = flags.clone();
        command::run::run(&flags, config, log)?;
        return Ok(ExitCode::SUCCESS);
    }
    match config.cli.command {
        // Is under way already.
        Command::Run(_) => Ok(ExitCode::SUCCESS),
        Command::CheckConfig(flags) => command::check_config::run(&flags, &config.settings),
        Command::Reference { name } => {
            kernel::reference::run(&name)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Clerk => {
            privileges::clerk::serve(kernel::meter::time_runs)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Paths(flags) => command::paths::run(&flags),
        Command::Path { name, setting } => {
            kernel::path::run(&name, &setting)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Top(flags) => command::top::run(&flags, &log),
        Command::Audit(flags) => on_this_thread(command::audit::run(flags)),
        Command::Verify(flags) => on_this_thread(command::verify::run(*flags)),
        Command::Flame(flags) => on_this_thread(command::flame::run(*flags)),
        Command::Record(flags) => on_this_thread(command::record::run(*flags)),
        Command::Report(flags) => command::report::run(&flags),
        Command::Diff(flags) => command::diff::run(&flags),
        Command::Advise(flags) => on_this_thread(command::advise::run(flags)),
        Command::Sites(flags) => command::sites::run(&flags),
        Command::Doctor(flags) => command::doctor::run(&flags),
    }
}

fn on_this_thread(command: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(command)
}
