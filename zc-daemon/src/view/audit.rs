//! What `zc audit` prints: calls and bytes by function, and whether the ledger agrees.

use std::fmt::Write as _;

use serde::Serialize;

use super::inert;

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of this format.
    pub version: u32,
    /// The running kernel.
    pub kernel: String,
    /// The process.
    pub pid: u32,
    /// What it is called.
    pub comm: String,
    /// Whether it ended while it was watched.
    pub ended: bool,
    /// How long it was watched.
    pub seconds: f64,
    /// The functions watched.
    pub functions: Vec<Function>,
    /// Functions of payload that this kernel has and that were not watched.
    pub unwatched: Vec<&'static str>,
    /// The breakpoints held against the ledger; none if no payload was watched, as the
    /// ledger does not count the rest.
    pub comparison: Option<Comparison>,
}

/// What breakpoints counted in one function.
#[derive(Debug, Serialize)]
pub struct Function {
    /// Its name.
    pub function: &'static str,
    /// Whether what it copies is payload, as the ledger counts it.
    pub payload: bool,
    /// Calls.
    pub calls: u64,
    /// The bytes they were to copy.
    pub bytes: u64,
}

/// Two counts of the same bytes.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// By breakpoints: the sum over functions of payload.
    pub breakpoint_bytes: u64,
    /// By the ledger, measured.
    pub measured_bytes: u64,
    /// By the ledger, of what it cannot measure: these functions may have copied them.
    pub possible_bytes: u64,
    /// Events that the ledger knows it missed meanwhile, of whatever process.
    pub lost: u64,
    /// `exact`, `bounded`, `unverified` or `differs`.
    pub verdict: &'static str,
}

impl Report {
    /// The report as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut page = format!(
            "process {} ({}), watched for {:.1} s{}, kernel {}\n\n{:<32} {:>12} {:>16}\n",
            self.pid,
            self.comm,
            self.seconds,
            if self.ended { " to its end" } else { "" },
            self.kernel,
            "function",
            "calls",
            "bytes"
        );
        for row in &self.functions {
            let _ = writeln!(page, "{:<32} {:>12} {:>16}", row.function, row.calls, row.bytes);
        }
        page.push('\n');
        match &self.comparison {
            Some(comparison) => page.push_str(&self.compared(comparison)),
            None => page.push_str(
                "not compared: these functions copy structures, names and numbers, which the \
                 ledger leaves out; watch --set payload for what it counts\n",
            ),
        }
        inert::page(&page)
    }

    fn compared(&self, comparison: &Comparison) -> String {
        let Comparison { breakpoint_bytes: seen, measured_bytes: booked, .. } = comparison;
        let possible = comparison.possible_bytes;
        let mut page = format!(
            "breakpoints saw {seen} bytes of payload, the ledger measured {booked} and infers \
             {possible} more\n{}: ",
            comparison.verdict
        );
        let unwatched = self.unwatched.join(", ");
        let _ = match comparison.verdict {
            "exact" => writeln!(page, "both counted the same bytes"),
            "bounded" => writeln!(page, "the rest is within what the ledger infers"),
            "unverified" => writeln!(
                page,
                "{} bytes may have gone through what was not watched ({unwatched}); watch it with \
                 --functions",
                booked - seen
            ),
            _ => writeln!(
                page,
                "{} bytes; what was being copied as the audit began and ended is counted by one \
                 side alone; if it stays so, please report it",
                i128::from(*seen) - i128::from(*booked)
            ),
        };
        if comparison.lost > 0 {
            let _ = writeln!(page, "note: the ledger missed {} events meanwhile", comparison.lost);
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(comparison: Option<Comparison>) -> Report {
        let read = Function { function: "_copy_to_iter", payload: true, calls: 2, bytes: 8192 };
        Report {
            version: 1,
            kernel: "6.12".to_owned(),
            pid: 7,
            comm: "dd".to_owned(),
            ended: true,
            seconds: 1.25,
            functions: vec![read],
            unwatched: vec!["_copy_from_iter_flushcache"],
            comparison,
        }
    }

    fn compared(measured_bytes: u64, lost: u64, verdict: &'static str) -> String {
        let (breakpoint_bytes, possible_bytes) = (8192, 0);
        report(Some(Comparison { breakpoint_bytes, measured_bytes, possible_bytes, lost, verdict }))
            .text()
    }

    #[test]
    fn agreement_is_said_in_a_sentence() {
        let text = compared(8192, 0, "exact");
        assert!(text.starts_with("process 7 (dd), watched for 1.2 s to its end, kernel 6.12\n"));
        assert!(text.contains("_copy_to_iter                               2             8192\n"));
        assert!(text.ends_with("exact: both counted the same bytes\n"), "{text}");
    }

    #[test]
    fn disagreement_names_the_difference_and_the_next_step() {
        assert!(compared(9000, 0, "unverified").contains("808 bytes may have gone through"));
        let text = compared(9000, 3, "differs");
        assert!(text.contains("differs: -808 bytes") && text.contains("missed 3 events"), "{text}");
        assert!(report(None).text().contains("not compared"));
    }
}
