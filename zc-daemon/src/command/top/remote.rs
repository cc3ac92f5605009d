//! Totals that a daemon tells over HTTP.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::de::DeserializeOwned;
use ureq::Agent;

use super::Source;
use crate::engine::top::{
    Look,
    told::{Groups, Processes},
};

/// A daemon.
pub(super) struct Remote {
    url: String,
    agent: Agent,
}

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer that is read.
const LONGEST: u64 = 256 << 20;

impl Remote {
    /// The daemon at an address, which is not asked yet.
    pub(super) fn new(url: &str) -> Result<Self> {
        let url = url.trim_end_matches('/');
        ensure!(
            url.strip_prefix("http://").is_some_and(|host| !host.is_empty()),
            "--connect {url}: write http://HOST:PORT; a daemon that speaks TLS only is read by \
             way of a proxy"
        );
        let config = Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None);
        let agent = config.http_status_as_error(false).build().into();
        Ok(Self { url: url.to_owned(), agent })
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let url = format!("{}{path}", self.url);
        let mut answer = self.agent.get(&url).call().with_context(|| {
            format!(
                "{} cannot be read; is `zc run` up there (--web.listen-address), and is it let through?",
                self.url
            )
        })?;
        if answer.status() != 200 {
            bail!("{url} answers {}; is that zc, and may you read it?", answer.status());
        }
        let body = answer.body_mut().with_config().limit(LONGEST).reader();
        serde_json::from_reader(std::io::BufReader::new(body))
            .with_context(|| format!("{url} is no answer of zc"))
    }
}

impl Source for Remote {
    fn name(&self) -> &str {
        &self.url
    }

    fn look(&mut self, processes: bool) -> Result<Look> {
        let groups: Groups = self.get("/api/v1/groups?by=route")?;
        let known = |version| ensure_known(&self.url, version);
        known(groups.version)?;
        let processes = if processes {
            let processes: Processes = self.get("/api/v1/processes")?;
            known(processes.version)?;
            let listing = processes.listing();
            Some(listing.with_context(|| {
                format!("{} is an older zc, which does not say when processes were read", self.url)
            })?)
        } else {
            None
        };
        Ok(Look { groups: groups.listing(), processes, standing: groups.standing() })
    }
}

fn ensure_known(url: &str, version: u32) -> Result<()> {
    ensure!(version == 1, "{url} speaks version {version} of its format; this zc knows 1");
    Ok(())
}
