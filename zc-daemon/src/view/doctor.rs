//! What `zc doctor` prints: for every probe its hook, what was tried and why not,
//! and what the user can do.

use std::fmt::Write as _;

use serde::Serialize;

use crate::engine::coverage::Coverage;

/// The state of the whole kernel side.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of this format.
    pub version: u32,
    /// The running kernel.
    pub kernel: String,
    /// Kernel lockdown, if the kernel says.
    pub lockdown: Option<String>,
    /// Whether programs may read kernel memory.
    pub reads_kernel_memory: bool,
    /// Every probe.
    pub probes: Vec<Finding>,
    /// The routes on which copies are measured; on the others they are inferred.
    pub measured_routes: Vec<&'static str>,
    /// How well copies are measured on each route: its name and its `quality`.
    #[serde(serialize_with = "by_name")]
    pub route_coverage: Vec<(&'static str, &'static str)>,
    /// What the programs cost as the machine is, if the kernel tells.
    pub cost: Option<Cost>,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_cost: Option<String>,
    /// What a self-test found, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_test: Option<SelfTest>,
    /// Things that hold zc as a whole back.
    pub advice: Vec<String>,
}

/// What zc's programs took of the machine while it went about its own work.
#[derive(Debug, Serialize)]
pub struct Cost {
    /// For how long their runs were timed.
    pub seconds: f64,
    /// What all of them took of a core.
    pub share: f64,
    /// Each that ran, the dearest first.
    pub programs: Vec<Spent>,
}

/// What one program took.
#[derive(Debug, Serialize)]
pub struct Spent {
    /// Its name.
    pub program: String,
    /// The probes that it is for.
    pub probes: Vec<&'static str>,
    /// How often it ran.
    pub runs: u64,
    /// For how long.
    pub run_seconds: f64,
    /// What that is of a core.
    pub share: f64,
}

/// Pieces of I/O whose copies are known, and what was counted of them.
#[derive(Debug, Serialize)]
pub struct SelfTest {
    /// Why there was no count by breakpoints.
    pub without_breakpoints: Option<String>,
    /// Functions of payload that had no breakpoint: theirs is a lower bound then.
    pub unwatched: Vec<&'static str>,
    /// Every piece.
    pub references: Vec<Tested>,
}

/// One piece of I/O.
#[derive(Debug, Serialize)]
pub struct Tested {
    /// Its name.
    pub reference: &'static str,
    /// Bytes copied for it, as is known beforehand.
    pub known_bytes: u64,
    /// Bytes that the ledger measured.
    pub measured_bytes: u64,
    /// Bytes that it infers besides.
    pub possible_bytes: u64,
    /// Bytes that breakpoints saw.
    pub breakpoint_bytes: Option<u64>,
    /// `exact`, `bounded`, `unverified` or `differs`: the worst of its routes.
    pub verdict: &'static str,
    /// The same by route.
    #[serde(serialize_with = "by_name")]
    pub routes: Vec<(&'static str, &'static str)>,
    /// Why it could not be run.
    pub failure: Option<String>,
}

/// The state of one probe.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// Its name.
    pub probe: String,
    /// What it measures.
    pub measures: String,
    /// What it cannot see.
    pub blind_to: String,
    /// The hook in use.
    pub hook: Option<String>,
    /// What was tried, and why it would not do.
    pub refused: Vec<Refusal>,
    /// Whether this kernel has nothing that the probe could see.
    pub missing: bool,
    /// Whether it is off as nobody asked for it.
    pub unwanted: bool,
    /// What the user can do about it.
    pub advice: Option<String>,
}

impl Finding {
    /// Whether the probe is attached, or need not be.
    fn is_well(&self) -> bool {
        self.hook.is_some() || self.missing || self.unwanted
    }
}

/// A hook that would not do.
#[derive(Debug, Serialize)]
pub struct Refusal {
    /// The hook.
    pub hook: String,
    /// The reason.
    pub reason: String,
}

impl Report {
    /// Whether every probe is attached and nothing holds zc back.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let tested = self.self_test.iter().flat_map(|test| &test.references);
        let mut verdicts = tested.map(|tested| tested.verdict);
        self.advice.is_empty()
            && self.probes.iter().all(Finding::is_well)
            && verdicts.all(|verdict| verdict == "exact" || verdict == "bounded")
    }
}

/// The report as text.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut page = format!("kernel {}", report.kernel);
    if let Some(lockdown) = &report.lockdown {
        let _ = write!(page, ", lockdown: {lockdown}");
    }
    page.push_str("\n\n");
    let mut said = Vec::new();
    for finding in &report.probes {
        let (mark, hook) = match &finding.hook {
            Some(hook) => ("up  ", hook.as_str()),
            None if finding.unwanted => ("off ", "what it measures is unknown"),
            None if finding.missing => ("none", "this kernel itself has no such function"),
            None => ("DOWN", "no hook: what it measures is unknown"),
        };
        let _ = writeln!(page, "{mark} {:<21} {hook}", finding.probe);
        for refusal in &finding.refused {
            let _ = writeln!(page, "     tried  {}: {}", refusal.hook, refusal.reason);
        }
        let _ = writeln!(page, "     counts {}", finding.measures);
        let _ = writeln!(page, "     blind to {}", finding.blind_to);
        if let Some(advice) = &finding.advice {
            let known = said.contains(&advice.as_str());
            let _ = writeln!(page, "     do     {}", if known { "as above" } else { advice });
            said.push(advice);
        }
    }
    page.push_str(&spent(report));
    if let Some(test) = &report.self_test {
        page.push_str(&tested(test));
    }
    page.push_str(&covered(&report.route_coverage));
    for advice in &report.advice {
        let _ = writeln!(page, "note: {advice}");
    }
    page
}

/// What the programs took, the dearest first.
fn spent(report: &Report) -> String {
    let Some(cost) = &report.cost else {
        let why = report.without_cost.as_deref().unwrap_or("it was not asked for");
        return format!("\ncost of the programs: unknown: {why}\n");
    };
    let mut page = format!(
        "\ncost of the programs, {:.1} s of this machine as it is: {:.4} % of a core\n",
        cost.seconds,
        100.0 * cost.share
    );
    for row in &cost.programs {
        let _ = writeln!(
            page,
            "{:<28} {:>9} runs {:>6.0} ns each {:>8.4} %  {}",
            row.program,
            row.runs,
            1e9 * row.run_seconds / row.runs as f64,
            100.0 * row.share,
            row.probes.join(", ")
        );
    }
    page
}

/// The routes of each quality.
fn covered(routes: &[(&'static str, &'static str)]) -> String {
    let mut page = String::from("\ncopies by route\n");
    for coverage in Coverage::ALL {
        let (quality, meaning) = (coverage.name(), coverage.meaning());
        let of_it = routes.iter().filter(|(_, of)| *of == quality).map(|(route, _)| *route);
        let of_it: Vec<_> = of_it.collect();
        if !of_it.is_empty() {
            let _ = writeln!(page, "{quality:<11} {}\n            ({meaning})", of_it.join(", "));
        }
    }
    page
}

fn by_name<S: serde::Serializer>(
    rows: &[(&'static str, &'static str)],
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_map(rows.iter().copied())
}

fn tested(test: &SelfTest) -> String {
    let mut page = format!(
        "\n{:<16} {:>10} {:>10} {:>10} {:>12}\n",
        "self-test", "known", "measured", "inferred", "breakpoints"
    );
    for row in &test.references {
        let seen = row.breakpoint_bytes.map_or_else(|| "-".to_owned(), |seen| seen.to_string());
        let _ = write!(page, "{:<16} {:>10} ", row.reference, row.known_bytes);
        let _ = write!(page, "{:>10} {:>10} ", row.measured_bytes, row.possible_bytes);
        let _ = writeln!(page, "{seen:>12}  {}", row.verdict);
        if let Some(failure) = &row.failure {
            let _ = writeln!(page, "     it could not be run: {failure}");
        }
    }
    if let Some(why) = &test.without_breakpoints {
        let _ = writeln!(page, "without breakpoints: {why}");
    }
    if !test.unwatched.is_empty() {
        let functions = test.unwatched.join(", ");
        let _ = writeln!(page, "without a breakpoint, so that less may be seen: {functions}");
    }
    page
}
