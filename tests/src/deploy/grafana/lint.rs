//! The rules of Grafana's dashboard-linter, each by its name there; what is let off is said
//! with its reason.

use serde_json::Value;

use super::{DASHBOARDS, json};
use crate::deploy::{file, hold, recordings, rules::metrics_in};

fn pages() -> Vec<Value> {
    DASHBOARDS.iter().map(json::page).collect()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// All panels but rows.
fn panels(page: &Value) -> impl Iterator<Item = &Value> {
    list(page, "panels").iter().filter(|panel| panel["type"] != "row")
}

fn targets(page: &Value) -> impl Iterator<Item = (&Value, &str)> {
    panels(page).flat_map(|panel| {
        list(panel, "targets").iter().map(move |target| (panel, target["expr"].as_str().unwrap()))
    })
}

fn variable<'a>(page: &'a Value, name: &str) -> &'a Value {
    list(&page["templating"], "list").iter().find(|known| known["name"] == name).unwrap()
}

/// Selectors of an expression: a metric and its matchers.
fn selectors(promql: &str) -> Vec<(String, String)> {
    let pattern = regex::Regex::new(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}").unwrap();
    let found = pattern.captures_iter(promql);
    found.map(|found| (found[1].to_owned(), found[2].to_owned())).collect()
}

#[test]
fn the_files_are_current() {
    DASHBOARDS.iter().for_each(|dashboard| hold(&json::path(dashboard), &json::text(dashboard)));
}

#[test]
fn template_datasource_rule() {
    for page in pages() {
        let source = variable(&page, "datasource");
        assert_eq!(source["type"], "datasource");
        assert_eq!(source["query"], "prometheus");
        assert_eq!(source["label"], "Data source");
    }
}

/// template-job-rule, template-instance-rule, and the same of groups.
#[test]
fn template_job_and_instance_rules() {
    for page in pages() {
        for (name, label) in [("job", "Job"), ("instance", "Instance"), ("group", "Group")] {
            let found = variable(&page, name);
            assert_eq!(found["type"], "query");
            assert_eq!(found["datasource"]["uid"], "${datasource}");
            assert_eq!(found["label"], label);
            assert_eq!((&found["multi"], &found["includeAll"]), (&true.into(), &true.into()));
            assert_eq!(found["allValue"], ".+");
        }
    }
}

/// template-label-promql-rule, and template-on-time-change-reload-rule.
#[test]
fn template_label_promql_rule() {
    const ON_TIME_CHANGE: u32 = 2;
    let form = regex::Regex::new(r"^label_values\([a-z_]+(\{[^}]*\})?, ([a-z]+)\)$").unwrap();
    for page in pages() {
        for name in ["job", "instance", "group"] {
            let found = variable(&page, name);
            let query = found["query"]["query"].as_str().unwrap();
            assert_eq!(&form.captures(query).unwrap()[2], name, "{query}");
            assert_eq!(found["refresh"], ON_TIME_CHANGE);
        }
    }
}

/// panel-datasource-rule, panel-title-description-rule, panel-units-rule, panel-no-targets-rule.
#[test]
fn panel_rules() {
    for page in pages() {
        for panel in panels(&page) {
            assert_eq!(panel["datasource"]["uid"], "${datasource}");
            for text in ["title", "description"] {
                assert!(panel[text].as_str().is_some_and(|text| text.len() > 3), "{panel}");
            }
            assert!(panel["description"].as_str().unwrap().ends_with('.'), "{panel}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{panel}");
            assert!(!list(panel, "targets").is_empty(), "{panel}");
        }
    }
}

/// target-job-rule and target-instance-rule. Let off: ALERTS, as a rule over all nodes has no
/// instance, and one that asks what is absent no job.
#[test]
fn target_job_and_instance_rules() {
    for page in pages() {
        for (panel, promql) in targets(&page) {
            let selectors = selectors(promql);
            let named = promql.matches('{').count();
            assert!(!selectors.is_empty() && selectors.len() == named, "{promql}");
            for (metric, matchers) in selectors.iter().filter(|(metric, _)| metric != "ALERTS") {
                for matcher in ["job=~\"$job\"", "instance=~\"$instance\""] {
                    assert!(matchers.contains(matcher), "{}: {metric} {matchers}", panel["title"]);
                }
            }
        }
    }
}

/// target-rate-interval-rule and target-counter-agg-rule: what is a counter is asked for its
/// rate or increase alone, over `$__rate_interval`. Let off: who has transfers at all is told by
/// their being there.
#[test]
fn target_rate_interval_and_counter_rules() {
    let counted = regex::Regex::new(r"(rate|increase)\([a-z_]+\{[^}]*\}\[([^\]]+)\]\)").unwrap();
    for page in pages() {
        for (_, promql) in targets(&page) {
            let over: Vec<_> = counted.captures_iter(promql).map(|c| c[2].to_owned()).collect();
            assert!(over.iter().all(|range| range == "$__rate_interval"), "{promql}");
            assert_eq!(over.len(), promql.matches('[').count(), "{promql}");
            let counters = metrics_in(promql).into_iter().filter(|name| name.ends_with("_total"));
            for counter in counters.filter(|counter| counter != "zc_transfers_total") {
                let asked = promql.matches(&format!("{counter}{{")).count();
                let rated = ["rate", "increase"]
                    .map(|function| promql.matches(&format!("{function}({counter}{{")).count());
                assert_eq!(rated.iter().sum::<usize>(), asked, "{promql}");
            }
        }
    }
}

/// target-promql-rule is the test against a real Prometheus; this one is that nobody asks for
/// what zc does not export.
#[test]
fn targets_ask_for_what_there_is() {
    use zc_daemon::view::family::FAMILIES;
    for page in pages() {
        for (_, promql) in targets(&page) {
            for metric in metrics_in(promql) {
                let family = metric.trim_end_matches("_bucket");
                let known = FAMILIES.iter().any(|known| known.name == family)
                    || recordings::all().any(|rule| rule.name == metric);
                assert!(known, "{metric}");
            }
        }
    }
}

/// uneditable-dashboard-rule; and what makes a page that is provisioned the same everywhere.
#[test]
fn uneditable_dashboard_rule() {
    for (page, dashboard) in pages().iter().zip(DASHBOARDS) {
        assert_eq!(page["editable"], false);
        assert_eq!((&page["id"], &page["uid"]), (&Value::Null, &dashboard.uid.into()));
        assert!(page["schemaVersion"].as_u64() >= Some(36));
        let mut ids: Vec<_> = list(page, "panels").iter().map(|panel| &panel["id"]).collect();
        let all = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }
}

#[test]
fn links_lead_to_pages() {
    let text: Vec<_> = pages().iter().map(ToString::to_string).collect();
    for link in text.iter().flat_map(|text| text.split("\"/d/").skip(1)) {
        let uid = link.split(['?', '"']).next().unwrap();
        assert!(DASHBOARDS.iter().any(|known| known.uid == uid), "{uid}");
    }
}

/// What is provisioned is where the documentation has it copied to, and $__rate_interval derives
/// from the interval that the sample of Prometheus' configuration scrapes at.
#[test]
fn provisioning_fits_the_documentation() {
    let read = |path: &str| std::fs::read_to_string(file(path)).unwrap();
    let after = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key).map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {key}"))
    };
    let path = after(&read("deploy/grafana/provisioning/dashboards/zc.yml"), "path: ");
    assert!(read("docs/prometheus.md").contains(&format!("install -D -t {path} deploy/grafana")));
    let interval = after(&read("deploy/grafana/provisioning/datasources/zc.yml"), "timeInterval: ");
    let scraped = after(&read("deploy/prometheus/prometheus.yml"), "scrape_interval: ");
    assert_eq!(interval, scraped);
}

#[test]
fn panels_do_not_overlap() {
    for page in pages() {
        let places: Vec<_> = list(&page, "panels")
            .iter()
            .map(|panel| ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap()))
            .collect();
        for (at, [x, y, w, h]) in places.iter().enumerate() {
            assert!(x + w <= 24);
            let meets = |[x2, y2, w2, h2]: &[u64; 4]| {
                *x < x2 + w2 && *x2 < x + w && *y < y2 + h2 && *y2 < y + h
            };
            assert!(!places[at + 1..].iter().any(meets), "{at}");
        }
    }
}
