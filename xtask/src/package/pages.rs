//! Manual pages and completions, written by `zc-pages` from the command line's definition.

use std::{fs, path::Path, process::Command};

use anyhow::Result;

use crate::cmd;

/// Writes them into `pages`, beside the programs; the manual packed as packages have it.
pub(super) fn make(built: &Path) -> Result<()> {
    let pages = built.join("pages");
    cmd::run(Command::new(built.join("zc-pages")).arg(&pages))?;
    for entry in fs::read_dir(pages.join("man"))? {
        // Without name and time, which would differ from build to build.
        cmd::run(Command::new("gzip").args(["-9", "--no-name"]).arg(entry?.path()))?;
    }
    Ok(())
}
