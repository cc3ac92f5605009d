//! Why the kernel did not take a program, as one line.

use std::io;

use aya::programs::{KProbeError, ProgramError};

use crate::kernel::ladder::Program;

/// Why a program was not attached where it belongs.
pub(super) fn refusal(program: &Program, error: &ProgramError) -> String {
    if let ProgramError::KProbeError(KProbeError::FileError { io_error, .. }) = error
        && io_error.kind() == io::ErrorKind::NotFound
    {
        return "this kernel was built without kprobes".to_owned();
    }
    if is_nowhere(error) {
        let name = program.place.name();
        return format!(
            "this kernel has no function {name}: the compiler made it a part of its callers"
        );
    }
    sentence(error)
}

/// Whether the kernel has the types of a function, but no address for it.
fn is_nowhere(error: &ProgramError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::NotFound) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An error of aya's as one line: the system's answer, and where the verifier
/// said no, its last word.
pub(super) fn sentence(error: &ProgramError) -> String {
    if let ProgramError::LoadError { io_error, verifier_log } = error {
        let log = verifier_log.to_string();
        tracing::debug!("the verifier's log:\n{log}");
        let statistics = ["processed ", "stack depth ", "verification time "];
        let last = log
            .lines()
            .rev()
            .find(|line| !line.is_empty() && !statistics.iter().any(|s| line.starts_with(s)))
            .unwrap_or("no log");
        return format!("the kernel refused to load it: {io_error} (verifier: {last})");
    }
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        line += &format!(": {error}");
        cause = error.source();
    }
    line
}
