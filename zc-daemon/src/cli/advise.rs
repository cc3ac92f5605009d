//! Flags of `zc advise`.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::Args;

use super::time;
use crate::engine::bytes::Bytes;

/// Whom to look at, for how long, and how that is told.
#[derive(Debug, Args)]
pub struct Advise {
    /// Look at this process and its descendants [default: at all of this machine].
    #[arg(long, conflicts_with = "command", value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Option<u32>,
    /// Run this command, and look at it and its descendants.
    #[arg(value_name = "CMD", trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
    /// How long to look, such as 10s, 500ms or 2m; a command and what it has become is then
    /// sent SIGTERM, and 5 s later SIGKILL [default: 30s, and a command to its end].
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub duration: Option<Duration>,
    /// Leave out what relays fewer bytes a second.
    #[arg(long, value_name = "BYTES", default_value = "1MiB")]
    pub least: Bytes,
    /// Show what was looked at and is not advised, too, and why.
    #[arg(long)]
    pub all: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where to print [default: standard error beside a command, whose standard output is
    /// its own; else standard output].
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
