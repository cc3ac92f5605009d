//! The system calls that are left: a table, made into seccomp filters.
//!
//! What is not in it fails with `EPERM`: a C library that tries a newer call first falls back
//! to the one it knows, and zc goes on. What no serving daemon ever calls, as it is what one
//! that was broken into would do next, ends the process.

mod table;

use std::{collections::BTreeMap, io};

use anyhow::{Context as _, Result};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter_all_threads,
};

use table::{Call, ENDING, MISSING, Row, When};

/// A set of system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// What the daemon needs to read, to book and to serve.
    Serving,
    /// What its clerk needs.
    Clerk,
}

/// Rules, by the number of their call; a call of no rule passes whatever it is asked.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Leaves all threads of this process these calls alone, for good.
///
/// # Errors
///
/// If the kernel was built without seccomp, or another filter forbids one.
pub fn confine(to: Calls) -> Result<()> {
    // The last one is not to forbid the others.
    for program in programs(to)? {
        apply_filter_all_threads(&program)
            .map_err(io::Error::other)
            .context("the kernel does not confine system calls (seccomp)")?;
    }
    Ok(())
}

/// The filters, in their order: the kernel takes the strictest answer, and of equals the last.
fn programs(to: Calls) -> Result<[BpfProgram; 3]> {
    let errno = |number: i32| SeccompAction::Errno(number.unsigned_abs());
    let always = |calls: &[Call]| calls.iter().map(|(_, number)| (*number, Vec::new())).collect();
    let denied = [
        compile(always(ENDING), SeccompAction::Allow, SeccompAction::KillProcess)?,
        compile(always(MISSING), SeccompAction::Allow, errno(libc::ENOSYS))?,
    ];
    let left = compile(rules(to.rows())?, errno(libc::EPERM), SeccompAction::Allow)?;
    let [ending, missing] = denied;
    Ok([ending, missing, left])
}

fn compile(rules: Rules, others: SeccompAction, these: SeccompAction) -> Result<BpfProgram> {
    let arch = std::env::consts::ARCH.try_into();
    let arch = arch.context("zc cannot confine system calls on this processor")?;
    let filter = SeccompFilter::new(rules, others, these, arch)?;
    Ok(filter.try_into()?)
}

fn rules(rows: &[Row]) -> Result<Rules> {
    let mut rules = Rules::new();
    for row in rows {
        for (_, number) in row.calls {
            let of_this = rules.entry(*number).or_default();
            for when in row.when {
                of_this.push(SeccompRule::new(vec![when.condition()?])?);
            }
        }
    }
    Ok(rules)
}

impl When {
    fn condition(self) -> Result<SeccompCondition> {
        let (argument, compare, value) = match self {
            Self::Is(argument, value) => (argument, SeccompCmpOp::Eq, value),
            Self::Without(argument, bits) => (argument, SeccompCmpOp::MaskedEq(bits), 0),
            Self::With(argument, bits) => (argument, SeccompCmpOp::MaskedEq(bits), bits),
            Self::OwnId(argument) => (argument, SeccompCmpOp::Eq, u64::from(std::process::id())),
        };
        // The kernel takes these arguments as 32 bits: what else is in the register is nothing.
        Ok(SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compare, value)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_make_filters() {
        for calls in [Calls::Serving, Calls::Clerk] {
            // `BPF_MAXINSNS` (include/uapi/linux/bpf_common.h).
            assert!(programs(calls).unwrap().iter().all(|program| program.len() < 4096));
        }
    }

    #[test]
    fn no_call_is_left_that_ends_the_process() {
        for row in Calls::Serving.rows().iter().chain(Calls::Clerk.rows()) {
            let ends = |call: &&Call| ENDING.contains(call);
            assert_eq!(row.calls.iter().find(ends), None);
        }
    }

    /// `UPDATE=1` rewrites it.
    #[test]
    fn docs_privileges_shows_the_tables() {
        const BEGIN: &str = "<!-- calls -->\n";
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/privileges.md");
        let page = std::fs::read_to_string(file).unwrap();
        let (head, _) = page.split_once(BEGIN).unwrap();
        let expected = format!("{head}{BEGIN}{}", table::markdown());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(file, &expected).unwrap();
        } else {
            assert_eq!(page, expected, "run UPDATE=1 cargo test -p zc-daemon --lib");
        }
    }
}
