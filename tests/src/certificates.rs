//! Certificates by openssl, as an operator makes them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

/// A certificate and its key.
#[derive(Debug)]
pub struct Certificate {
    /// The certificate, as PEM.
    pub certificate: PathBuf,
    /// Its key, as PEM.
    pub key: PathBuf,
}

/// An authority of its own.
///
/// # Errors
///
/// If openssl fails.
pub fn authority(folder: &Path, name: &str) -> Result<Certificate> {
    make(folder, name, &["-addext", "keyUsage=critical,keyCertSign"])
}

/// A certificate of an authority for these names, such as `DNS:a,IP:127.0.0.1`.
///
/// # Errors
///
/// If openssl fails.
pub fn issue(folder: &Path, name: &str, by: &Certificate, names: &str) -> Result<Certificate> {
    let names = format!("subjectAltName={names}");
    let (authority, key) = (path(&by.certificate)?, path(&by.key)?);
    let leaf = "basicConstraints=critical,CA:FALSE";
    make(folder, name, &["-CA", authority, "-CAkey", key, "-addext", &names, "-addext", leaf])
}

fn make(folder: &Path, name: &str, more: &[&str]) -> Result<Certificate> {
    let made = Certificate {
        certificate: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}.key")),
    };
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-days", "2", "-subj", &format!("/CN={name}")])
        .args(["-out", path(&made.certificate)?, "-keyout", path(&made.key)?])
        .args(more)
        .output()
        .context("cannot start openssl")?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(made)
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}
