//! Hostile bytes for the file of settings.

use std::{path::Path, sync::OnceLock};

use clap::Command;

use super::{command, file};

/// Whether they are a file of settings; if not, what is said is one line with a place.
pub(crate) fn settings(bytes: &[u8]) -> bool {
    static COMMAND: OnceLock<Command> = OnceLock::new();
    let command = COMMAND.get_or_init(command);
    match file::read(Path::new("zc.toml"), &String::from_utf8_lossy(bytes), command) {
        Ok(given) => !given.is_empty(),
        Err(error) => {
            let said = error.to_string();
            assert!(said.lines().count() == 1 && said.starts_with("zc.toml:"), "{said:?}");
            false
        }
    }
}
