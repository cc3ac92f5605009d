//! Files of YAML, read by the schemas that they must hold to.

use std::{path::PathBuf, process::Output};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::judge;

/// Asks the schemas of Kubernetes and of the Prometheus operator.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/release/validate.py");

/// What a file holds.
#[derive(Clone, Debug, Deserialize)]
pub struct File {
    /// Its documents.
    pub documents: Vec<Value>,
    /// What the schemas of their kinds refuse in them; a field that they do not know, too.
    pub errors: Vec<String>,
}

/// Files that have schemas: asking for all at once takes little longer than for one.
///
/// # Errors
///
/// If one is no YAML.
pub fn judged(paths: &[PathBuf]) -> Result<Vec<File>> {
    read("--valid", paths)
}

/// The document of a file that has no schema.
///
/// # Errors
///
/// If it is no YAML, or several documents.
pub fn any(path: PathBuf) -> Result<Value> {
    let mut file = read("--any", &[path])?.swap_remove(0);
    ensure!(file.documents.len() == 1, "not one document");
    Ok(file.documents.swap_remove(0))
}

fn read(how: &str, paths: &[PathBuf]) -> Result<Vec<File>> {
    let mut command = judge("python3")?;
    let Output { status, stdout, stderr } =
        command.arg(SCRIPT).arg(how).args(paths).output().context("cannot run Python")?;
    if !status.success() {
        bail!("{}", String::from_utf8_lossy(&stderr).trim());
    }
    Ok(serde_json::from_slice(&stdout)?)
}
