//! The file as it is written: the YAML of Prometheus' exporter-toolkit.
//!
//! Source: docs/web-configuration.md of that project.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result, anyhow};
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

/// A value that knows where it stands.
pub(super) type Placed<T> = Spanned<T>;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) tls_server_config: Option<Placed<Tls>>,
    pub(super) http_server_config: Option<Http>,
    pub(super) basic_auth_users: Option<BTreeMap<String, Placed<String>>>,
}

/// Its part on TLS.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) cert_file: Option<String>,
    pub(super) cert: Option<String>,
    pub(super) key_file: Option<String>,
    pub(super) key: Option<String>,
    pub(super) client_auth_type: Option<Placed<String>>,
    pub(super) client_ca_file: Option<String>,
    pub(super) client_ca: Option<String>,
    pub(super) client_allowed_sans: Option<Vec<Placed<String>>>,
    pub(super) min_version: Option<Placed<String>>,
    pub(super) max_version: Option<Placed<String>>,
    pub(super) cipher_suites: Option<Vec<Placed<String>>>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
    pub(super) curve_preferences: Option<Vec<Placed<String>>>,
}

/// Its part on HTTP.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    /// Taken and without effect: zc speaks HTTP/1.1.
    #[serde(rename = "http2")]
    pub(super) _http2: Option<bool>,
    pub(super) headers: Option<BTreeMap<String, Placed<String>>>,
}

/// Reads it.
///
/// # Errors
///
/// If it cannot be read, or is no such file: then with line and column.
pub(super) fn read(path: &Path) -> Result<File> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read {} (--web.config.file)", path.display()))?;
    parse(&text).with_context(|| path.display().to_string())
}

/// Parses it; an empty one asks for nothing.
pub(super) fn parse(text: &str) -> Result<File> {
    let nothing = text
        .lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#') || line == "---" || line == "{}");
    if nothing {
        return Ok(File::default());
    }
    serde_saphyr::from_str(text).map_err(|error| {
        let message = error.without_snippet().to_string();
        let at = error.location().map_or_else(String::new, |at| place(at) + ": ");
        // The library may say the place too, and more than a sentence.
        let message = message.lines().next().unwrap_or_default();
        let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
        anyhow!("{at}{message}; docs/web.md says what may stand there")
    })
}

/// Where something stands.
pub(super) fn place(at: Location) -> String {
    format!("line {}, column {}", at.line(), at.column())
}

/// That a value will not do.
pub(super) fn wrong<T>(value: &Placed<T>, why: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{}: {why}", place(value.referenced))
}
