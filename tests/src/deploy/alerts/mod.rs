//! THE table of alerts, each with its runbook: [`of_zc`] itself, and [`of_workloads`].

pub mod of_workloads;
pub mod of_zc;

pub use of_workloads::OF_WORKLOADS;
pub use of_zc::OF_ZC;

/// One alert.
#[derive(Clone, Copy, Debug)]
pub struct Alert {
    /// Its name.
    pub name: &'static str,
    /// When it is, in PromQL.
    pub expression: &'static str,
    /// For how long, before it fires.
    pub hold: &'static str,
    /// For how long it goes on firing afterwards, so that it does not flap.
    pub keep: Option<&'static str>,
    /// What to do with it.
    pub severity: Severity,
    /// One line, as a template.
    pub summary: &'static str,
    /// What was measured, as a template.
    pub description: &'static str,
    /// What to do.
    pub runbook: Runbook,
}

/// What to do with an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Wake somebody: nothing is measured.
    Critical,
    /// Look at it today.
    Warning,
    /// Know it when you read the numbers.
    Info,
}

impl Severity {
    /// The label's value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// The section of an alert.
#[derive(Clone, Copy, Debug)]
pub struct Runbook {
    /// What has happened.
    pub meaning: &'static str,
    /// What that does.
    pub impact: &'static str,
    /// How to find out why: steps.
    pub look: &'static [&'static str],
    /// How to make it good: steps.
    pub act: &'static [&'static str],
}

/// Scrapes of zc: a job of that name, or one that the Prometheus operator made
/// (`NAMESPACE/zc`).
pub const UP: &str = "up{job=~\"(.+/)?zc\"}";

/// The groups of alerts.
pub const ALERTS: &[(&str, &[Alert])] =
    &[("zc-alerts-of-zc", OF_ZC), ("zc-alerts-of-workloads", OF_WORKLOADS)];

/// Every alert.
pub fn all() -> impl Iterator<Item = &'static Alert> {
    ALERTS.iter().flat_map(|(_, alerts)| alerts.iter())
}

#[cfg(test)]
mod tests {
    use zc_daemon::view::family::FAMILIES;

    use super::*;
    use crate::deploy::{recordings, rules::metrics_in};

    #[test]
    fn alerts_ask_for_what_there_is() {
        for alert in all() {
            for metric in metrics_in(alert.expression) {
                let known = FAMILIES.iter().any(|family| family.name == metric)
                    || recordings::all().any(|rule| rule.name == metric);
                assert!(known, "{}: {metric}", alert.name);
            }
        }
    }

    #[test]
    fn templates_use_labels_that_the_alert_has() {
        for alert in all() {
            for text in [alert.summary, alert.description] {
                assert_eq!(text.matches("{{").count(), text.matches("}}").count());
                for used in text.split("$labels.").skip(1) {
                    let name = used.split_once(' ').map_or(used, |(name, _)| name);
                    let labels = ["instance", "probe", "map", "route", "group", "workload"];
                    assert!(labels.contains(&name), "{}: {name}", alert.name);
                }
            }
            assert!(alert.description.ends_with('.') && !alert.summary.ends_with('.'));
        }
    }

    #[test]
    fn both_that_ask_for_scrapes_ask_for_the_same() {
        let asks = all().filter(|alert| alert.expression.contains(UP)).count();
        assert_eq!(asks, 2);
    }

    #[test]
    fn runbooks_have_steps() {
        for alert in all() {
            let Runbook { meaning, impact, look, act } = alert.runbook;
            assert!(!look.is_empty() && !act.is_empty(), "{}", alert.name);
            for text in [meaning, impact].iter().chain(look).chain(act) {
                assert!(text.ends_with(['.', '?']), "{}: {text}", alert.name);
            }
        }
    }
}
