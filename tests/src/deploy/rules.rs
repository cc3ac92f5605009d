//! `deploy/prometheus/zc.rules.yml`: the tables of rules as Prometheus reads them.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    alerts::{ALERTS, Alert},
    recordings::{RECORDINGS, Recording},
};

/// Where the file is.
pub const FILE: &str = "deploy/prometheus/zc.rules.yml";

/// Where a runbook is read.
pub const RUNBOOKS: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/runbooks.md");

const HEAD: &str = "\
# Rules and alerts of zc, for `rule_files` of Prometheus 2.42 or later.
# Generated from tests/src/deploy by `cargo test -p zc-tests --lib`; do not edit.
# What each means: docs/prometheus.md. What to do about an alert: docs/runbooks.md.
groups:
";

/// The file.
#[must_use]
pub fn yaml() -> String {
    let mut page = HEAD.to_owned();
    for (name, rules) in RECORDINGS {
        group(&mut page, name);
        rules.iter().for_each(|rule| record(&mut page, rule));
    }
    for (name, alerts) in ALERTS {
        group(&mut page, name);
        alerts.iter().for_each(|rule| alert(&mut page, rule));
    }
    page
}

// Writing to a String cannot fail, here and below.

fn group(page: &mut String, name: &str) {
    let _ = writeln!(page, "  - name: {name}\n    rules:");
}

fn record(page: &mut String, rule: &Recording) {
    let _ = writeln!(page, "      # {} ({})", rule.meaning, rule.unit);
    let _ = writeln!(page, "      - record: {}", rule.name);
    expression(page, &rule.expression.promql());
}

fn alert(page: &mut String, alert: &Alert) {
    let _ = writeln!(page, "      - alert: {}", alert.name);
    expression(page, alert.expression);
    let _ = writeln!(page, "        for: {}", alert.hold);
    if let Some(keep) = alert.keep {
        let _ = writeln!(page, "        keep_firing_for: {keep}");
    }
    let _ = writeln!(page, "        labels:\n          severity: {}", alert.severity.name());
    let _ = writeln!(page, "        annotations:");
    let runbook = format!("{RUNBOOKS}#{}", alert.name.to_lowercase());
    let annotations =
        [("summary", alert.summary), ("description", alert.description), ("runbook_url", &runbook)];
    for (name, text) in annotations {
        // A string of JSON is one of YAML.
        let _ = writeln!(page, "          {name}: {}", serde_json::Value::from(text));
    }
}

fn expression(page: &mut String, promql: &str) {
    let _ = writeln!(page, "        expr: |-");
    for line in promql.lines() {
        let _ = writeln!(page, "          {line}");
    }
}

/// The names in an expression that can only be metrics of zc's or what is recorded of them.
#[must_use]
pub fn metrics_in(promql: &str) -> BTreeSet<String> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = promql.split(|c| !part(c));
    let ours = words.filter(|word| word.starts_with("zc_") || word.contains(':'));
    // `[6h:]` is no name, nor is what a regular expression groups (`(?:…)`).
    ours.filter(|word| word.contains("zc_")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::{alerts, file, hold, recordings};

    #[test]
    fn the_file_is_current() {
        hold(FILE, &yaml());
    }

    #[test]
    fn metrics_are_told_from_labels_and_words() {
        let found = metrics_in("sum by (a) (rate(zc_x_total{zone=\"b\"}[5m])) / i:zc_y:sum > 0");
        assert_eq!(found, ["i:zc_y:sum", "zc_x_total"].map(str::to_owned).into());
    }

    /// Each alert is seen firing, and seen silent; each rule's value is known.
    #[test]
    fn every_rule_has_its_test() {
        let tests = std::fs::read_to_string(file("deploy/prometheus/zc.rules.test.yml"))
            .unwrap_or_default();
        let lines: Vec<_> = tests.lines().map(str::trim).collect();
        for alert in alerts::all() {
            let named = format!("alertname: {}", alert.name);
            let asked = lines.iter().enumerate().filter(|(_, line)| **line == named);
            let silent = asked.clone().filter(|(at, _)| lines[at + 1] == "exp_alerts: []").count();
            let fires = asked.count() - silent;
            assert!(fires > 0 && silent > 0, "{}: {fires} fire, {silent} do not", alert.name);
        }
        for rule in recordings::all() {
            let asked = lines.iter().any(|line| {
                let expression = line.strip_prefix("- expr: ");
                expression.is_some_and(|text| metrics_in(text).contains(rule.name))
            });
            assert!(asked, "{} is in no test", rule.name);
        }
    }
}
