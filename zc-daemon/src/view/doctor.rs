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
    /// Things that hold zc as a whole back.
    pub advice: Vec<String>,
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
    /// What the user can do about it.
    pub advice: Option<String>,
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
        self.advice.is_empty() && self.probes.iter().all(|finding| finding.hook.is_some())
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
    for finding in &report.probes {
        let (mark, hook) = match &finding.hook {
            Some(hook) => ("up  ", hook.as_str()),
            None => ("DOWN", "no hook: what it measures is unknown"),
        };
        let _ = writeln!(page, "{mark} {:<17} {hook}", finding.probe);
        for refusal in &finding.refused {
            let _ = writeln!(page, "     tried  {}: {}", refusal.hook, refusal.reason);
        }
        let _ = writeln!(page, "     counts {}", finding.measures);
        let _ = writeln!(page, "     blind to {}", finding.blind_to);
        if let Some(advice) = &finding.advice {
            let _ = writeln!(page, "     do     {advice}");
        }
    }
    page.push_str(
        "\ncopies are inferred from system calls (quality=\"inferred\"); this version has no probe \
         that measures them\n",
    );
    for advice in &report.advice {
        let _ = writeln!(page, "note: {advice}");
    }
    page
}
