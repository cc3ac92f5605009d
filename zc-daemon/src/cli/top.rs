//! Flags of `zc top`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, builder::PossibleValuesParser};

use super::{Attach, By, Grouping, seconds};
use crate::engine::top::arrange::Sort;

/// A daemon to read.
#[derive(Debug, Args)]
pub struct Connect {
    /// Read a daemon (`zc run`) at this address, such as http://127.0.0.1:10042 or
    /// https://HOST:PORT, rather than attach probes; that takes no privileges.
    #[arg(long = "connect", value_name = "URL",
          conflicts_with_all = ["group_template", "threads"])]
    pub url: Option<String>,
    /// Whose certificates to trust, as PEM: the authority's that has signed the daemon's, or the
    /// daemon's own.
    #[arg(
        long = "connect.ca",
        value_name = "FILE",
        requires = "url",
        default_value = "/etc/ssl/certs/ca-certificates.crt"
    )]
    pub authorities: PathBuf,
    /// As which user, where the daemon knows some (its --web.config.file).
    #[arg(long = "connect.user", value_name = "NAME", requires_all = ["url", "password_file"])]
    pub user: Option<String>,
    /// The file that holds this user's password, on a line.
    #[arg(long = "connect.password-file", value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
}

/// What is shown, how, and from where.
#[derive(Debug, Args)]
pub struct Top {
    /// Which daemon to read, if one.
    #[command(flatten)]
    pub connect: Connect,
    /// Seconds between two looks.
    #[arg(long, default_value = "1", value_parser = seconds)]
    pub interval: Duration,
    /// Print one plain table of what happens between two looks, and end.
    #[arg(long)]
    pub once: bool,
    /// Print JSON: one document a line for each interval, or one in all with --once.
    #[arg(long)]
    pub json: bool,
    /// What rows are of; the key g changes it.
    #[arg(long, default_value = "group")]
    pub by: By,
    /// What rows are sorted by; the keys s and S change it.
    #[arg(long, default_value = "copied",
          value_parser = PossibleValuesParser::new(Sort::ALL.iter().map(|(name, _)| *name)))]
    pub sort: String,
    /// Show the last rows of that order first; the key r changes it.
    #[arg(long)]
    pub reverse: bool,
    /// Show only rows with this text in their name, group or process id, in whatever case;
    /// the key / changes it.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub filter: String,
    /// Show so many rows at most [default: all].
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<usize>,
    /// How processes are grouped, where zc counts itself.
    #[command(flatten)]
    pub grouping: Grouping,
    /// How to attach.
    #[command(flatten)]
    pub attach: Attach,
}
