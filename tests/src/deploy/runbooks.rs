//! `docs/runbooks.md`: what to do when an alert fires.

use std::fmt::Write as _;

use super::alerts::{ALERTS, Alert};

/// Where the page is.
pub const FILE: &str = "docs/runbooks.md";

const HEAD: &str = "\
# Runbooks

Generated from `tests/src/deploy/alerts` by `cargo test -p zc-tests --lib`; do not edit.

One section for each alert of `deploy/prometheus/zc.rules.yml`, where its `runbook_url` leads.
`critical`: nothing is measured. `warning`: look at it today. `info`: know it when you read the
numbers. Write the instance, group or route of the alert for `…`.

";

/// The page.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    page += "| alert | severity | after | when |\n|---|---|---|---|\n";
    let all = || ALERTS.iter().flat_map(|(_, alerts)| alerts.iter());
    for Alert { name, severity, hold, runbook, .. } in all() {
        // Writing to a String cannot fail, here and below.
        let (anchor, severity) = (name.to_lowercase(), severity.name());
        let meaning = runbook.meaning;
        let _ = writeln!(page, "| [{name}](#{anchor}) | {severity} | {hold} | {meaning} |");
    }
    all().for_each(|alert| section(&mut page, alert));
    page
}

fn section(page: &mut String, alert: &Alert) {
    let Alert { name, expression, runbook, .. } = alert;
    let _ = write!(page, "\n## {name}\n\n{}\n\n```promql\n{expression}\n```\n\n", runbook.meaning);
    let _ = write!(page, "**Impact.** {}\n\n**Look.**\n\n", runbook.impact);
    let list = |page: &mut String, steps: &[&str]| {
        for step in steps {
            let _ = writeln!(page, "* {step}");
        }
    };
    list(page, runbook.look);
    page.push_str("\n**Act.**\n\n");
    list(page, runbook.act);
}

/// The queries that the runbooks tell to ask, with something for `…`.
#[must_use]
pub fn queries() -> Vec<String> {
    let alerts = ALERTS.iter().flat_map(|(_, alerts)| alerts.iter());
    let steps = alerts.flat_map(|alert| alert.runbook.look.iter().chain(alert.runbook.act));
    let code = steps.flat_map(|step| step.split('`').skip(1).step_by(2));
    let asks = code.filter(|code| code.contains("zc_") || code.contains("process_"));
    asks.map(|query| query.replace('…', "x")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::{file, hold};

    #[test]
    fn the_page_is_current() {
        hold(FILE, &markdown());
    }

    #[test]
    fn its_links_lead_somewhere() {
        let page = markdown();
        for link in page.split("](").skip(1) {
            let target = link.split_once(')').unwrap().0;
            let Some((path, anchor)) = target.split_once('#').or(Some((target, ""))) else {
                return;
            };
            let there = if path.is_empty() {
                page.clone()
            } else {
                std::fs::read_to_string(file("docs").join(path)).unwrap()
            };
            let headings = there.lines().filter(|line| line.starts_with('#'));
            let mut anchors = headings
                .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"));
            assert!(anchor.is_empty() || anchors.any(|known| known == anchor), "{target}");
        }
    }

    #[test]
    fn they_tell_what_to_ask() {
        let queries = queries();
        assert!(queries.len() > 10, "{queries:?}");
    }
}
