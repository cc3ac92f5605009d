//! SIGHUP: what can change without a restart does, and what cannot is said.

use anyhow::{Context as _, Result};
use tokio::signal::unix::Signal;

use super::grouping;
use crate::{
    cli::{Command, Run},
    config::{Config, RELOADED},
    engine::{identity::Field, sampler::Asker},
    logging::Log,
    service::notify::{self, State},
};

/// What runs, and by which settings.
pub(super) struct Reloader {
    pub(super) config: Config,
    pub(super) log: Log,
    pub(super) asker: Asker,
    /// Whether the kernel half keeps arguments, for a template that looks at them.
    pub(super) keeps_argv: bool,
}

impl Reloader {
    /// Reads the file again whenever it is asked to.
    pub(super) async fn whenever(mut self, mut asked: Signal) {
        while asked.recv().await.is_some() {
            notify::tell(State::Reloading);
            let reloaded = self.reload();
            match &reloaded {
                Ok(changed) if changed.is_empty() => {
                    tracing::info!("SIGHUP: no setting has changed");
                }
                Ok(changed) => tracing::info!("SIGHUP: changed {}", changed.join(", ")),
                Err(error) => {
                    tracing::error!("SIGHUP: everything stays as it was: {error:#}");
                }
            }
            let how = if reloaded.is_ok() { "reloaded" } else { "goes on by the settings it had" };
            notify::tell(State::Ready(how));
        }
    }

    /// What has changed.
    fn reload(&mut self) -> Result<Vec<String>> {
        let (new, changed) = self.config.again()?;
        let Command::Run(run) = &new.cli.command else { return Ok(Vec::new()) };
        let (changed, stay): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|key| RELOADED.contains(&key.as_str()));
        // The file of a template may have changed though its name has not.
        self.change_groups(run)?;
        if changed.iter().any(|key| key == "log.level") {
            self.log.change(&new.cli.log_level)?;
        }
        let (interval, most) = (run.interval, run.grouping.max_groups);
        let expiry = run.grouping.group_expiry;
        self.asker.change(move |ledger, pause| {
            *pause = interval;
            ledger.limit(most, expiry);
        })?;
        for key in stay {
            tracing::warn!("SIGHUP: {key} changes with a restart only; it stays as it was");
        }
        self.config = new;
        Ok(changed)
    }

    fn change_groups(&self, run: &Run) -> Result<()> {
        let template = grouping::template(&run.grouping)?;
        anyhow::ensure!(
            self.keeps_argv || !template.uses(Field::Argv),
            "the new template looks at arguments, which takes a restart"
        );
        self.asker.change(|ledger, _| ledger.sort_by(template)).context("zc ends")
    }
}
