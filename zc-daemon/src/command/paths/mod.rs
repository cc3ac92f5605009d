//! `zc paths`: every path as real traffic, held against the textbook.

mod child;
mod runner;

use std::{io::Write as _, process::ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use runner::Runner;

use super::{attach, books::Books};
use crate::{
    cli::{Paths, To},
    engine::tree::Root,
    kernel::{
        network::Network,
        path::{PATHS, Path},
        place::Place,
    },
};

/// Runs the paths and prints the table.
///
/// # Errors
///
/// If a path is not known, or there is no place, no receiver or no probe to run them with.
pub fn run(flags: &Paths) -> Result<ExitCode> {
    let chosen = choose(&flags.only)?;
    let place = place(flags)?;
    let books = Books::open(attach(flags.attach)?, Root::Process(0))?;
    let (network, note) = network(flags.to)?;
    let mut runner = Runner::new(books, place, network, flags.size)?;
    let mut rows = Vec::new();
    let bar = progress(chosen.len());
    for path in chosen {
        bar.set_message(path.title);
        rows.push(runner.row(path)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let report = runner.report(rows, note);
    let text = match (flags.json, flags.markdown) {
        (true, _) => serde_json::to_string_pretty(&report)? + "\n",
        (_, true) => report.markdown(),
        _ => report.text(),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The paths of these names, in the table's order; all, if none are named.
fn choose(names: &[String]) -> Result<Vec<&'static Path>> {
    let unknown = names.iter().find(|name| PATHS.iter().all(|path| path.name != **name));
    if let Some(unknown) = unknown {
        let known: Vec<_> = PATHS.iter().map(|path| path.name).collect();
        bail!("--only {unknown}: there is no such path; there are {}", known.join(", "));
    }
    let wanted = |path: &&Path| names.is_empty() || names.iter().any(|name| name == path.name);
    Ok(PATHS.iter().filter(wanted).collect())
}

fn place(flags: &Paths) -> Result<Place> {
    let Some(dir) = &flags.dir else {
        return Place::first_on_a_disk(&[std::env::temp_dir(), "/var/tmp".into(), ".".into()]);
    };
    ensure!(dir.is_dir(), "--dir {}: there is no such folder", dir.display());
    Place::new(dir)
}

/// The network, and what to say of it.
fn network(to: Option<To>) -> Result<(Network, Option<String>)> {
    match to {
        Some(To::Loopback) => Ok((Network::loopback()?, None)),
        Some(To::Veth) => Ok((Network::veth().context("--to veth")?, None)),
        Some(To::Host(sink)) => Ok((Network::to(sink)?, None)),
        None => match Network::veth() {
            Ok(network) => Ok((network, None)),
            Err(why) => {
                let note = format!("no veth, so the loopback took its place: {why:#}");
                Ok((Network::loopback()?, Some(note)))
            }
        },
    }
}

/// Drawn on standard error, if that is a terminal.
fn progress(paths: usize) -> ProgressBar {
    let bar = ProgressBar::new(paths as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} {msg}");
    style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
}
