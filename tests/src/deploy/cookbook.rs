//! THE table of queries of `docs/prometheus.md`, and what else of that page derives from tables.

use std::fmt::Write as _;

use super::{alerts::ALERTS, grafana::Empty, recordings::RECORDINGS};

/// A question, and how it is put to Prometheus.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// The question.
    pub question: &'static str,
    /// In PromQL.
    pub promql: &'static str,
    /// Why there may be no answer though all is well.
    pub empty: Option<Empty>,
}

const fn ask(question: &'static str, promql: &'static str) -> Recipe {
    Recipe { question, promql, empty: None }
}

const fn unless(empty: Empty, question: &'static str, promql: &'static str) -> Recipe {
    Recipe { question, promql, empty: Some(empty) }
}

/// The table.
pub const COOKBOOK: &[Recipe] = &[
    ask(
        "Which ten workloads copy most, over all nodes?",
        "topk(10, workload:zc_copied_bytes:rate5m)",
    ),
    ask(
        "How much did each group copy in the last hour, in bytes?",
        "sum by (group) (increase(zc_copied_bytes_total{group!=\"other\"}[1h]))",
    ),
    ask(
        "Who passes bytes on through user memory, and could do without?",
        "topk(10, 2 * instance_group:zc_relayed_bytes:rate5m)",
    ),
    ask(
        "By which interfaces does a group copy?",
        "sum by (route, direction) (rate(zc_copied_bytes_total{group=\"t-relay\"}[5m]))",
    ),
    ask(
        "How much is known by measurement, and how much by the textbook?",
        "sum by (quality) (instance_group_quality:zc_copied_bytes:rate5m)",
    ),
    ask(
        "How many copies per byte are there at most, if what is unknown was all copied?",
        "(\n  (instance_group:zc_copied_bytes:rate5m or 0 * \
         instance_group:zc_transferred_bytes:rate5m)\n  + \
         (instance_group:zc_copy_unknown_bytes:rate5m or 0 * \
         instance_group:zc_transferred_bytes:rate5m)\n)\n\
         / (instance_group:zc_transferred_bytes:rate5m > 0)",
    ),
    ask("Which ten workloads are zero-copy most?", "topk(10, workload:zc_zero_copy:ratio_rate5m)"),
    unless(
        Empty::WithoutFunctions,
        "Which promises were not kept, and why?",
        "sum by (group, route, reason) (rate(zc_fallback_bytes_total[5m])) > 0",
    ),
    ask(
        "How large are the calls of a group?",
        "sum by (route) (rate(zc_transferred_bytes_total{group=\"t-relay\"}[5m]))\n\
         / sum by (route) (rate(zc_transfers_total{group=\"t-relay\"}[5m]))",
    ),
    ask(
        "Who switches modes most, for what it moves? (`--mode-switches`)",
        "topk(10, instance_group:zc_mode_switches_per_megabyte:ratio_rate5m)",
    ),
    ask(
        "Who has its processors taken away?",
        "topk(10, instance_group_type:zc_context_switches:rate5m{type=\"involuntary\"})",
    ),
    ask(
        "What do the groups of a user copy?",
        "sum by (user) (\n  instance_group:zc_copied_bytes:rate5m\n  \
         * on (job, instance, group) group_left (user) zc_group_info\n)",
    ),
    ask(
        "On which nodes is a route not measured to the byte?",
        "zc_route_coverage{quality!=\"exact\"}",
    ),
    unless(
        Empty::WhenAllIsWell,
        "Which probes are down, on how many nodes?",
        "count by (probe) (zc_probe_up == 0)",
    ),
    ask(
        "What does each program of zc take of a core?",
        "sum without (program) (\n  rate(zc_bpf_program_run_seconds_total[5m])\n)\n\
         / on (job, instance) rate(zc_bpf_stats_seconds_total[5m])",
    ),
    ask(
        "How many series does a node cost Prometheus?",
        "scrape_samples_scraped{job=~\"(.+/)?zc\"}",
    ),
];

fn recipes() -> String {
    let mut text = String::new();
    // Writing to a String cannot fail, here and below.
    for Recipe { question, promql, empty } in COOKBOOK {
        let empty = empty.map_or_else(String::new, |empty| format!(" {}", empty.sentence()));
        let promql = promql.replace("t-relay", "nginx.service");
        let _ = write!(text, "{question}{empty}\n\n```promql\n{promql}\n```\n\n");
    }
    text
}

fn rules() -> String {
    let mut text = String::from("| rule | unit | what |\n|---|---|---|\n");
    for rule in RECORDINGS.iter().flat_map(|(_, rules)| rules.iter()) {
        let _ = writeln!(text, "| `{}` | {} | {} |", rule.name, rule.unit, rule.meaning);
    }
    text
}

fn alerts() -> String {
    let mut text = String::from("| alert | severity | for | when |\n|---|---|---|---|\n");
    for alert in ALERTS.iter().flat_map(|(_, alerts)| alerts.iter()) {
        let (name, severity) = (alert.name, alert.severity.name());
        let anchor = name.to_lowercase();
        let (hold, meaning) = (alert.hold, alert.runbook.meaning);
        let _ =
            writeln!(text, "| [{name}](runbooks.md#{anchor}) | {severity} | {hold} | {meaning} |");
    }
    text
}

/// Where the page is.
pub const FILE: &str = "docs/prometheus.md";

/// The page, with what stands between its marks as the tables have it.
///
/// # Panics
///
/// If a mark is not there.
#[must_use]
pub fn renewed(page: &str) -> String {
    let parts = [("rules", rules()), ("alerts", alerts()), ("cookbook", recipes())];
    parts.iter().fold(page.to_owned(), |page, (name, text)| {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let (before, rest) = page.split_once(&begin).expect("the page has its marks");
        let (_, after) = rest.split_once(&end).expect("the page has its marks");
        format!("{before}{begin}{text}{end}{after}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::{file, hold};

    #[test]
    fn the_page_is_current() {
        let page = std::fs::read_to_string(file(FILE)).unwrap();
        hold(FILE, &renewed(&page));
    }
}
