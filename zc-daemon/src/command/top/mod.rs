//! `zc top`: who copies what now.

mod advice;
mod live;
mod own;
mod plain;
mod remote;
pub mod screen;

use std::{
    io::{IsTerminal as _, stderr, stdin, stdout},
    process::ExitCode,
};

use anyhow::Result;

use self::{own::Own, remote::Remote};
use crate::{
    cli::{self, Top},
    engine::top::{
        Look,
        arrange::{Order, Sort},
        rates,
    },
    logging::Log,
    view::top::{By, Seen, app::App},
};

/// Shows it until told to end: on a terminal as a screen, else as plain text.
///
/// # Errors
///
/// If the kernel refuses the probes, or the daemon cannot be read.
pub fn run(flags: &Top, log: &Log) -> Result<ExitCode> {
    let mut source = source(flags)?;
    let mut app = app(flags);
    app.source = source.name().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if flags.once || flags.json || !(stdout().is_terminal() && stdin().is_terminal()) {
        runtime.block_on(plain::print(flags, source.as_mut(), app))?;
    } else {
        if stderr().is_terminal() {
            // It would be written across the screen.
            log.change("off")?;
        }
        runtime.block_on(live::show(source, app, flags))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where totals come from.
trait Source: Send {
    /// What it is called.
    fn name(&self) -> &str;

    /// All totals as they stand now; of processes, if they are wanted.
    fn look(&mut self, processes: bool) -> Result<Look>;
}

fn source(flags: &Top) -> Result<Box<dyn Source>> {
    Ok(match &flags.connect.url {
        Some(url) => Box::new(Remote::new(url, &flags.connect)?),
        None => Box::new(Own::new(flags)?),
    })
}

fn app(flags: &Top) -> App {
    App {
        by: match flags.by {
            cli::By::Group => By::Group,
            cli::By::Process => By::Process,
        },
        order: Order {
            sort: Sort::named(&flags.sort).unwrap_or_default(),
            reverse: flags.reverse,
            filter: flags.filter.clone(),
        },
        limit: flags.limit,
        // As no-color.org has it: set, and not empty.
        colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        ..App::default()
    }
}

/// What was done between two looks.
fn between(before: Option<&Look>, now: &Look) -> Seen {
    let processes = now.processes.as_ref().map(|now| {
        let before = before.and_then(|before| before.processes.as_ref());
        (before, now)
    });
    Seen {
        groups: rates::rows(before.map(|before| &before.groups), &now.groups, &now.standing),
        processes: processes.map(|(before, after)| rates::rows(before, after, &now.standing)),
        standing: now.standing.clone(),
    }
}
