//! Totals that a daemon tells over HTTP.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use rustls::crypto::ring::default_provider;
use serde::de::DeserializeOwned;
use ureq::{
    Agent,
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
};

use super::Source;
use crate::{
    cli::Connect,
    engine::top::{
        Look,
        told::{Groups, Processes},
    },
};

/// A daemon.
pub(super) struct Remote {
    url: String,
    agent: Agent,
    /// The header of who asks, if the daemon wants to know.
    authorization: Option<String>,
}

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer that is read.
const LONGEST: u64 = 256 << 20;

impl Remote {
    /// The daemon at an address, which is not asked yet.
    pub(super) fn new(url: &str, flags: &Connect) -> Result<Self> {
        let url = url.trim_end_matches('/');
        let (scheme, host) = url.split_once("://").unwrap_or_default();
        ensure!(
            ["http", "https"].contains(&scheme) && !host.is_empty(),
            "--connect {url}: write http://HOST:PORT or https://HOST:PORT"
        );
        let mut config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .proxy(None)
            .http_status_as_error(false);
        if scheme == "https" {
            config = config.tls_config(tls(&flags.authorities)?);
        }
        let authorization = match (&flags.user, &flags.password_file) {
            (Some(user), Some(file)) => Some(basic(user, file)?),
            _ => None,
        };
        Ok(Self { url: url.to_owned(), agent: config.build().into(), authorization })
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let url = format!("{}{path}", self.url);
        let mut request = self.agent.get(&url);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let mut answer = request.call().with_context(|| {
            format!(
                "{} cannot be read; is `zc run` up there (--web.listen-address), is it let through, \
                 and is its certificate of an authority in --connect.ca, if it speaks TLS?",
                self.url
            )
        })?;
        if answer.status() == 401 {
            bail!("{url} wants another user or password; see --connect.user");
        }
        if answer.status() != 200 {
            bail!("{url} answers {}; is that zc, and may you read it?", answer.status());
        }
        let body = answer.body_mut().with_config().limit(LONGEST).reader();
        serde_json::from_reader(std::io::BufReader::new(body))
            .with_context(|| format!("{url} is no answer of zc"))
    }
}

/// TLS with who is known by these authorities, by the same means as the daemon's.
fn tls(authorities: &Path) -> Result<TlsConfig> {
    let shown = authorities.display();
    let name = "name the daemon's authority by --connect.ca";
    let pem = fs::read(authorities)
        .with_context(|| format!("the certificates {shown} cannot be read; {name}"))?;
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    });
    let certificates = certificates
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("{shown} is no PEM of certificates; {name}"))?;
    ensure!(!certificates.is_empty(), "{shown} holds no certificate; {name}");
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(certificates)))
        .unversioned_rustls_crypto_provider(Arc::new(default_provider()))
        .build())
}

/// A header of basic authentication (RFC 7617).
fn basic(user: &str, file: &Path) -> Result<String> {
    let shown = file.display();
    let text = fs::read_to_string(file)
        .with_context(|| format!("the password in {shown} cannot be read"))?;
    let password = text.lines().next().unwrap_or_default();
    ensure!(!password.is_empty(), "{shown} holds no password; write it on the first line");
    Ok(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
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
