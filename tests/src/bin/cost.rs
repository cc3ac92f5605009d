//! Measures what zc costs: run by `cargo xtask bench`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use zc_tests::cost;

/// Measures what zc costs.
#[derive(Parser)]
enum Command {
    /// Count what a call takes, traced and untraced, where a clock counts instructions.
    Count {
        /// The object of programs that do nothing.
        object: PathBuf,
        /// Where a file can be written.
        folder: PathBuf,
    },
    /// Time workloads with and without the daemon, by turns.
    Pairs {
        /// The object of programs that do nothing.
        object: PathBuf,
        /// How many.
        pairs: u32,
        /// Where a file can be written.
        folder: PathBuf,
    },
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Count { object, folder } => cost::count(&object, &folder),
        Command::Pairs { object, pairs, folder } => cost::pairs::run(&object, pairs, &folder),
    }
}
