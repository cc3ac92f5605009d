//! Writes the manual pages and the shells' completions of `zc`, all from its command line's
//! one definition: for those who build packages (`cargo xtask package`).

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::{Command, CommandFactory as _};
use clap_complete::{Shell, generate_to};
use zc_daemon::cli::Cli;

/// The shells, as each one's packages want to find their completions.
const SHELLS: [(Shell, &str); 3] =
    [(Shell::Bash, "zc"), (Shell::Zsh, "_zc"), (Shell::Fish, "zc.fish")];

fn main() -> ExitCode {
    match start(env::args_os().skip(1).map(PathBuf::from).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("zc-pages: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn start(arguments: Vec<PathBuf>) -> Result<()> {
    let [folder] = &arguments[..] else {
        bail!("usage: zc-pages FOLDER, which is made if it is not there");
    };
    let command = Cli::command().disable_help_subcommand(true);
    manual(&command, &empty(folder, "man")?)?;
    completions(command, &empty(folder, "completions")?)
}

/// A page for the command and one for each of its subcommands that is not hidden.
fn manual(command: &Command, folder: &Path) -> Result<()> {
    clap_mangen::generate_to(command.clone(), folder)
        .with_context(|| format!("cannot write manual pages into {}", folder.display()))
}

fn completions(mut command: Command, folder: &Path) -> Result<()> {
    for (shell, name) in SHELLS {
        let made = generate_to(shell, &mut command, "zc", folder)
            .with_context(|| format!("cannot write completions into {}", folder.display()))?;
        fs::rename(&made, folder.join(name))?;
    }
    Ok(())
}

/// A folder in another, with nothing in it that is not written now.
fn empty(parent: &Path, name: &str) -> Result<PathBuf> {
    let folder = parent.join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
