//! Runs programs of the host and turns their failures into sentences.

use anyhow::{Context, Result, bail};
use std::process::Command;

/// Runs `command` to its end; its messages go where ours go.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| not_started(command))?;
    if !status.success() {
        bail!("`{}` failed ({status}); its own messages are above", show(command));
    }
    Ok(())
}

/// Runs `command` to its end and returns what it wrote to stdout.
/// What it wrote to stderr is in the error when it fails.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let out = command.output().with_context(|| not_started(command))?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        bail!("`{}` failed ({}): {}", show(command), out.status, said.trim());
    }
    Ok(out.stdout)
}

/// Whether this process may do what only root may.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn not_started(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    format!("{program} could not be started; is it installed and on the PATH?")
}

fn show(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
