//! The log, on standard error.

use std::io::IsTerminal as _;

use anyhow::{Context as _, Result, anyhow};
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, LogFormat};

/// Has it log more, or less.
pub struct Log(Box<dyn Fn(EnvFilter) -> Result<()> + Send + Sync>);

impl Log {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// If the level is no level and no filter.
    pub fn start(cli: &Cli) -> Result<Self> {
        let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter(&cli.log_level)?)
            .with_writer(std::io::stderr)
            .with_ansi(colour)
            .with_target(false);
        let failed = |error| anyhow!("the log does not change: {error}");
        Ok(match cli.log_format {
            LogFormat::Text => {
                let log = log.with_filter_reloading();
                let handle = log.reload_handle();
                log.init();
                Self(Box::new(move |filter| handle.reload(filter).map_err(failed)))
            }
            LogFormat::Json => {
                let log = log.json().with_filter_reloading();
                let handle = log.reload_handle();
                log.init();
                Self(Box::new(move |filter| handle.reload(filter).map_err(failed)))
            }
        })
    }

    /// Logs by another level from here on.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn change(&self, level: &str) -> Result<()> {
        (self.0)(filter(level)?)
    }
}

fn filter(level: &str) -> Result<EnvFilter> {
    EnvFilter::try_new(level)
        .with_context(|| format!("--log.level: {level:?} is no level and no filter"))
}
