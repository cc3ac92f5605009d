//! What an operator is given: rules and alerts for Prometheus, runbooks, dashboards for Grafana.
//!
//! [`recordings`] and [`alerts`] are the tables of rules; [`rules`] writes them as Prometheus
//! reads them, [`runbooks`] as people do when an alert fires, [`cookbook`] what one may ask. [`grafana`] has the dashboards.
//! `deploy/` and `docs/` hold what they come to, and a test holds the two together.
//! [`prometheus`] is a real one, which `tests/tests/prometheus.rs` has scrape a real daemon,
//! and [`standin`] one where all is wrong.

pub mod alerts;
pub mod cookbook;
pub mod grafana;
pub mod prometheus;
pub mod recordings;
pub mod rules;
pub mod runbooks;
pub mod standin;

use std::path::PathBuf;

/// A file of the project.
#[must_use]
pub fn file(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

/// Holds a file of the project to what the tables come to; with `UPDATE=1` writes it anew.
#[cfg(test)]
fn hold(path: &str, text: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file(path), text).unwrap();
    }
    let there = std::fs::read_to_string(file(path)).unwrap_or_default();
    assert!(there == text, "{path} is stale: run UPDATE=1 cargo test -p zc-tests --lib");
}
