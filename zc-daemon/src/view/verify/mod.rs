//! What `zc verify` prints: the verdict, what it is on, why bytes were copied and what to
//! do about it. `docs/verify.md` documents the JSON.

mod github;
mod junit;
mod sarif;
mod text;

use serde::Serialize;

use super::{audit::Comparison, inert, json::Totals, site::Sites};
use crate::engine::{judgement::Judgement, policy::Policy, reason::Reason};

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of this format.
    pub version: u32,
    /// `pass`, `broken` or `cannot_tell`.
    pub verdict: &'static str,
    /// What is not within the policy: sentences.
    pub broken: Vec<String>,
    /// What cannot be told: sentences.
    pub unsure: Vec<String>,
    /// Bytes moved on the routes that are judged.
    pub bytes: u64,
    /// Bytes copied of them.
    pub copied_bytes: Range<u64>,
    /// The same for each byte moved; none if none was.
    pub copies_per_byte: Option<Range<f64>>,
    /// What it was held to.
    pub policy: Policy,
    /// Who was judged.
    pub target: Target,
    /// The running kernel.
    pub kernel: String,
    /// How long it was watched.
    pub seconds: f64,
    /// All that it did, on whatever route.
    #[serde(flatten)]
    pub totals: Totals,
    /// How well each route that moved or copied bytes is measured here.
    pub coverage: Vec<Covered>,
    /// Why bytes were copied, the weightiest first.
    pub reasons: Vec<Why>,
    /// What to change in programs that are known.
    pub hints: Vec<&'static str>,
    /// The stacks that copied most, if they were kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sites: Option<Sites>,
    /// Events missed meanwhile, of any process.
    pub lost: u64,
    /// What breakpoints counted, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<Comparison>,
}

/// Between two values, both included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Range<T> {
    /// What is known.
    pub least: T,
    /// What cannot be ruled out.
    pub most: T,
}

/// Who was judged.
#[derive(Debug, Serialize)]
pub struct Target {
    /// `command`, `pid`, `cgroup` or `unit`.
    pub kind: &'static str,
    /// The command line, the id, the path or the name.
    pub name: String,
    /// Processes that belonged to it.
    pub processes: usize,
    /// Those of them that run still.
    pub running: usize,
    /// How a command ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its status, if it ended by itself.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// How well a route is measured.
#[derive(Debug, Serialize)]
pub struct Covered {
    /// The route.
    pub route: &'static str,
    /// Its coverage.
    pub quality: &'static str,
}

/// A reason.
#[derive(Debug, Serialize)]
pub struct Why {
    /// Its name.
    pub code: &'static str,
    /// Bytes that it accounts for.
    pub bytes: u64,
    /// What happened to them.
    pub text: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

impl From<&Reason> for Why {
    fn from(reason: &Reason) -> Self {
        let Reason { code, bytes, text, remedy } = *reason;
        Self { code, bytes, text, remedy }
    }
}

/// Bytes copied, and copies for each byte moved, of a judgement.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a ratio to print")]
pub fn ranges(judgement: &Judgement) -> (Range<u64>, Option<Range<f64>>) {
    let Judgement { bytes, least, most, .. } = *judgement;
    let per_byte = |copied: u64| copied as f64 / bytes as f64;
    let each = (bytes > 0).then(|| Range { least: per_byte(least), most: per_byte(most) });
    (Range { least, most }, each)
}

impl Report {
    /// As text.
    #[must_use]
    pub fn text(&self) -> String {
        inert::page(&text::of(self))
    }

    /// As a test report.
    ///
    /// # Errors
    ///
    /// If it cannot be written as XML.
    pub fn junit(&self) -> anyhow::Result<String> {
        junit::of(self)
    }

    /// As static analysis results (SARIF 2.1.0).
    #[must_use]
    pub fn sarif(&self) -> serde_json::Value {
        sarif::of(self)
    }

    /// As workflow commands of GitHub Actions.
    #[must_use]
    pub fn github(&self) -> String {
        github::of(self)
    }

    /// The verdict in one line.
    fn headline(&self) -> String {
        let verdict = match self.verdict {
            "pass" => "within the policy",
            "broken" => "NOT within the policy",
            _ => "CANNOT TELL",
        };
        format!("{verdict}: {}", self.measure())
    }

    /// Copies for each byte, as far as they are known.
    fn measure(&self) -> String {
        match self.copies_per_byte {
            None => "nothing moved that is judged".to_owned(),
            Some(Range { least, most }) if least < most => {
                format!("between {least:.3} and {most:.3} copies for each byte moved")
            }
            Some(Range { least, .. }) => format!("{least:.3} copies for each byte moved"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use zc_common::{
        counter::{Counter, Tally},
        flow::{Direction, Flow, Route},
    };

    use super::*;
    use crate::{
        engine::{reason, site},
        view::json,
    };

    /// One of a program that reads and writes a MiB.
    pub(super) fn report(verdict: &'static str) -> Report {
        const MIB: u64 = 1 << 20;
        let mut tally = Tally::default();
        for (flow, route, direction) in [
            (Flow::ReadFileSeen, Route::Read, Direction::ToUser),
            (Flow::WritePipeSeen, Route::Write, Direction::FromUser),
        ] {
            let (bytes, calls) = Counter::measured(route, direction);
            for (counter, value) in [
                (Counter::bytes(flow), MIB),
                (Counter::calls(flow), 16),
                (bytes, MIB),
                (calls, 256),
            ] {
                tally[counter] = value;
            }
        }
        let broken = "2.0 MiB (2097152 bytes) were copied, more than 0.05 <each>".to_owned();
        Report {
            version: 1,
            verdict,
            broken: if verdict == "broken" { vec![broken] } else { Vec::new() },
            unsure: if verdict == "cannot_tell" {
                vec!["it failed".to_owned()]
            } else {
                Vec::new()
            },
            bytes: 2 * MIB,
            copied_bytes: Range { least: 2 * MIB, most: 2 * MIB },
            copies_per_byte: Some(Range { least: 1.0, most: 1.0 }),
            policy: Policy::default().limited(),
            target: Target {
                kind: "command",
                name: "cat \"a\" & b".to_owned(),
                processes: 1,
                running: 0,
                status: Some(Status { exit_code: Some(0), signal: None }),
            },
            kernel: "6.12".to_owned(),
            seconds: 1.25,
            totals: Totals::of(&tally, &json::Coverage::default()),
            coverage: vec![Covered { route: "read", quality: "exact" }],
            reasons: reason::of(&tally).iter().map(Why::from).collect(),
            hints: vec!["cat: do not"],
            sites: Some(Sites::new(site::Top::default(), 0)),
            lost: 0,
            audit: None,
        }
    }

    #[test]
    fn the_fields_of_the_json_are_those_of_the_documentation() {
        let page = include_str!("../../../../docs/verify.md");
        let report = serde_json::to_value(report("broken")).unwrap();
        for field in report.as_object().unwrap().keys() {
            assert!(page.contains(&format!("`{field}`")), "docs/verify.md does not know {field}");
        }
        assert_eq!(report["copied_bytes"]["least"], 2 << 20);
        assert_eq!(report["reasons"][0]["code"], "relayed");
        assert_eq!(report["transferred"][0]["route"], "read");
    }
}
