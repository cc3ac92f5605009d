//! What `zc verify --json` says.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::verify::Verified;

/// Bytes by route, direction and quality.
pub type Copies = BTreeMap<[String; 3], u64>;

impl Verified {
    /// The whole of it, for people.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{:#}\n{}", self.report, self.log)
    }

    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> &str {
        self.report["verdict"].as_str().unwrap_or_default()
    }

    /// The least and the most copies per byte.
    ///
    /// # Errors
    ///
    /// If it says none.
    pub fn copies_per_byte(&self) -> Result<(f64, f64)> {
        let bound = |name| self.report["copies_per_byte"][name].as_f64();
        let bounds = bound("least").zip(bound("most"));
        bounds.context("the report has no copies per byte")
    }

    /// The code of the weightiest reason, if it accounts for so many bytes.
    #[must_use]
    pub fn reason(&self, least: u64) -> Option<&str> {
        let first = &self.report["reasons"][0];
        first["code"].as_str().filter(|_| first["bytes"].as_u64() >= Some(least))
    }

    /// Whether a hint says this.
    #[must_use]
    pub fn hints_at(&self, what: &str) -> bool {
        let hints = self.report["hints"].as_array();
        let mut hints = hints.into_iter().flatten().filter_map(Value::as_str);
        hints.any(|hint| hint.contains(what))
    }

    /// What was copied.
    ///
    /// # Errors
    ///
    /// If it does not say.
    pub fn copied(&self) -> Result<Copies> {
        let row = |row: &Value| {
            let words = ["route", "direction", "quality"].map(|name| row[name].as_str());
            let key = words.map(|word| word.unwrap_or_default().to_owned());
            Ok((key, bytes(row)?))
        };
        self.rows("copied")?.iter().map(row).collect()
    }

    /// Bytes of which it is not known whether they were copied.
    ///
    /// # Errors
    ///
    /// If it does not say.
    pub fn unknown(&self) -> Result<u64> {
        self.rows("copy_unknown")?.iter().map(bytes).sum()
    }

    /// Events that zc missed, of whatever process.
    #[must_use]
    pub fn lost(&self) -> Option<u64> {
        self.report["lost"].as_u64()
    }

    /// How the command ended.
    #[must_use]
    pub fn command(&self) -> &Value {
        &self.report["target"]["status"]
    }

    fn rows(&self, name: &str) -> Result<&Vec<Value>> {
        self.report[name].as_array().with_context(|| format!("the report has no {name}"))
    }
}

fn bytes(row: &Value) -> Result<u64> {
    row["bytes"].as_u64().with_context(|| format!("no bytes in {row}"))
}
