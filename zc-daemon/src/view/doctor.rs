//! What `zc doctor` prints: for every probe its hook, what was tried and why not,
//! and what the user can do.

use std::fmt::Write as _;

use serde::Serialize;

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
    pub measured_routes: Vec<String>,
    /// What a self-test found, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_test: Option<SelfTest>,
    /// Things that hold zc as a whole back.
    pub advice: Vec<String>,
}

/// Pieces of I/O whose copies are known, and what was counted of them.
#[derive(Debug, Serialize)]
pub struct SelfTest {
    /// Why there was no count by breakpoints.
    pub without_breakpoints: Option<String>,
    /// Functions of payload that had no breakpoint: theirs is a lower bound then.
    pub unwatched: Vec<&'static str>,
    /// Every piece.
    pub routes: Vec<Tested>,
}

/// One piece of I/O.
#[derive(Debug, Serialize)]
pub struct Tested {
    /// Its name.
    pub route: &'static str,
    /// Bytes copied for it, as is known beforehand.
    pub known_bytes: u64,
    /// Bytes that the ledger measured.
    pub measured_bytes: u64,
    /// Bytes that it infers besides.
    pub possible_bytes: u64,
    /// Bytes that breakpoints saw.
    pub breakpoint_bytes: Option<u64>,
    /// `exact`, `bounded` or `unverified`.
    pub verdict: &'static str,
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
    /// What the user can do about it.
    pub advice: Option<String>,
}

impl Finding {
    /// Whether the probe is attached, or need not be.
    fn is_well(&self) -> bool {
        self.hook.is_some() || self.missing
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
        let tested = self.self_test.iter().flat_map(|test| &test.routes);
        self.advice.is_empty()
            && self.probes.iter().all(Finding::is_well)
            && tested.into_iter().all(|route| route.verdict != "unverified")
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
    let routes = match report.measured_routes.as_slice() {
        [] => "on no route; they are inferred from system calls (quality=\"inferred\")".to_owned(),
        routes => format!("on: {}; on other routes they are inferred", routes.join(", ")),
    };
    let _ = writeln!(page, "\ncopies are measured {routes}");
    if let Some(test) = &report.self_test {
        page.push_str(&tested(test));
    }
    for advice in &report.advice {
        let _ = writeln!(page, "note: {advice}");
    }
    page
}

fn tested(test: &SelfTest) -> String {
    let mut page = format!(
        "\n{:<14} {:>10} {:>10} {:>10} {:>12}\n",
        "self-test", "known", "measured", "inferred", "breakpoints"
    );
    for row in &test.routes {
        let seen = row.breakpoint_bytes.map_or_else(|| "-".to_owned(), |seen| seen.to_string());
        let _ = write!(page, "{:<14} {:>10} ", row.route, row.known_bytes);
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
