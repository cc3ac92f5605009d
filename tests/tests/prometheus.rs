//! What `deploy/` gives an operator, held to a real Prometheus that scrapes a real zc under
//! traffic whose bytes are known. On this kernel alone: what is measured, other tests say.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    env, fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use rustix::process::Signal;
use zc_tests::{
    daemon::Daemon,
    deploy::{
        alerts,
        cookbook::COOKBOOK,
        grafana::{self, DASHBOARDS, Empty, VARIABLES, chosen, preview},
        prometheus::{Prometheus, promtool},
        recordings, runbooks,
        standin::StandIn,
    },
    kernel,
    programs::{Stage, Waiting},
};

/// Bytes of each run of a workload.
const BYTES: u64 = 1 << 20;

fn accepted(arguments: &[&str], input: &str) {
    let output = promtool(arguments, input).unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
}

#[test]
fn promtool_accepts_all_and_rules_do_what_their_tests_say() {
    accepted(&["check", "config", "prometheus.yml"], "");
    accepted(&["check", "rules", "zc.rules.yml"], "");
    accepted(&["test", "rules", "zc.rules.test.yml"], "");
}

/// Traffic of all kinds, again and again, until it is dropped.
struct Traffic<'a>(&'a AtomicBool);

impl Drop for Traffic<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Cases by the name that they run under: their comm, and so their group.
const CASES: &[(&str, &str)] = &[
    ("t-relay", "tcp-send-recv"),
    ("t-static", "sendfile-file-socket"),
    ("t-zerocopy", "msg-zerocopy"),
];

fn run(stage: &Stage, name: &str, case: &str, repeat: u64) {
    let mut command = stage.workload(name).unwrap();
    command.args([case, "run", "--repeat", &repeat.to_string(), "--bytes", &BYTES.to_string()]);
    assert!(command.arg("--dir").arg(stage.path()).status().unwrap().success(), "{case}");
}

fn prepare(stage: &Stage, case: &str) {
    let mut command = stage.workload("t-prepare").unwrap();
    command.args([case, "prepare", "--bytes", &BYTES.to_string(), "--dir"]).arg(stage.path());
    assert!(command.status().unwrap().success(), "{case}");
}

#[test]
fn a_real_prometheus_answers() {
    let stage = Stage::on_disk("").unwrap();
    let cases = CASES.iter().map(|(_, case)| case).chain([&"read-file"]);
    cases.for_each(|case| prepare(&stage, case));
    let daemon = Daemon::start_with(&["--mode-switches", "--max-groups", "2000"]).unwrap();
    let prometheus = Prometheus::start(daemon.address()).unwrap();
    // Somebody whose group has a process.
    let mut held = stage.workload("t-relay").unwrap();
    held.arg("hold");
    let held = Waiting::start(held).unwrap();
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        let traffic = Traffic(&end);
        scope.spawn(|| {
            while !end.load(Ordering::Relaxed) {
                CASES.iter().for_each(|(name, case)| run(&stage, name, case, 1));
                thread::sleep(Duration::from_millis(300));
            }
        });
        prometheus.comes_to("up", |up| up.len() == 1 && up[0].value() == 1.0).unwrap();
        accepted(&["check", "metrics"], &daemon.page("/metrics").unwrap());
        known_bytes_arrive(&daemon, &prometheus, &stage);
        rules_are_evaluated(&prometheus);
        rules_have_values(&prometheus);
        panels_have_values(&prometheus);
        questions_have_answers(&prometheus);
        if let Some(folder) = env::var_os(PREVIEW) {
            preview(&prometheus, Path::new(&folder));
        }
        drop(traffic);
    });
    held.finish().unwrap();
    an_end_is_told(daemon, &prometheus);
}

/// What this kernel need not show, or is not wrong here, is not empty where it is: with the
/// test above, every rule, panel and question has had something to show.
#[test]
fn what_may_be_empty_is_not_where_there_is_something() {
    let zc = StandIn::start().unwrap();
    let prometheus = Prometheus::start(zc.address()).unwrap();
    let shown = |promql: &str| prometheus.comes_to(promql, |_| true).unwrap();
    for rule in recordings::all().filter(|rule| needs_functions(rule.name)) {
        shown(rule.name);
    }
    for dashboard in DASHBOARDS {
        for panel in dashboard.panels().filter(|panel| panel.empty.is_some()) {
            for query in panel.queries {
                shown(&chosen(&dashboard.promql(query), groups(dashboard)));
            }
        }
    }
    for recipe in COOKBOOK.iter().filter(|recipe| recipe.empty.is_some()) {
        shown(recipe.promql);
    }
    let fired = shown("ALERTS{alertname=\"ZcSelfTestDiffers\", alertstate=\"firing\"}");
    assert_eq!((fired.len(), fired[0].label("route")), (1, "read"));
}

/// Once zc has ended its alert is on its way, and its series are gone: not flat.
fn an_end_is_told(daemon: Daemon, prometheus: &Prometheus) {
    assert!(daemon.end(Signal::TERM).unwrap().success());
    prometheus.comes_to("up == 0", |_| true).unwrap();
    prometheus.comes_to("ALERTS{alertname=\"ZcDown\"}", |_| true).unwrap();
    prometheus.comes_to("absent(zc_copied_bytes_total)", |_| true).unwrap();
}

/// What a group copied, as Prometheus has it once it has what zc has.
fn copied(daemon: &Daemon, prometheus: &Prometheus, group: &str) -> (u64, f64) {
    let by = ["route", "direction", "quality"];
    let rows = daemon.metrics().unwrap().group("zc_copied_bytes_total", group, &by).unwrap();
    let bytes = rows.into_values().sum::<u64>();
    let promql = format!("sum(zc_copied_bytes_total{{group=\"{group}\"}})");
    #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
    let there = prometheus.comes_to(&promql, |sum| sum[0].value() == bytes as f64).unwrap();
    (bytes, there[0].points[0].0)
}

/// The same bytes as were moved, exactly by difference and by `increase` within what it
/// reckons beyond the first and last sample.
#[expect(clippy::cast_precision_loss, reason = "some megabytes")]
fn known_bytes_arrive(daemon: &Daemon, prometheus: &Prometheus, stage: &Stage) {
    const RUNS: u64 = 5;
    run(stage, "t-exact", "read-file", 0);
    let (start, _) = copied(daemon, prometheus, "t-exact");
    run(stage, "t-exact", "read-file", 1);
    let (before, from) = copied(daemon, prometheus, "t-exact");
    assert_eq!(before, 2 * start + BYTES);
    run(stage, "t-exact", "read-file", RUNS);
    let (after, to) = copied(daemon, prometheus, "t-exact");
    assert_eq!(after - before, start + RUNS * BYTES);

    // From a second before what was there before was seen, so that a sample of it is within.
    let window = (to - from).ceil() + 2.0;
    let sum = |function: &str| {
        let promql =
            format!("sum({function}(zc_copied_bytes_total{{group=\"t-exact\"}}[{window}s]))");
        prometheus.query_at(&promql, to).unwrap()[0].value()
    };
    let (samples, increase) = (sum("count_over_time"), sum("increase"));
    let exact = sum("max_over_time") - sum("min_over_time");
    // Prometheus extends a series by at most 1.1 steps on either side (`extrapolatedRate`).
    let most = exact * (1.0 + 2.2 / (samples - 1.0));
    assert!((after - before) as f64 <= exact && exact <= after as f64, "{exact}");
    assert!(exact - 1.0 <= increase && increase <= most + 1.0, "{increase}: {exact} to {most}");
    let rate = sum("rate") * window;
    assert!((rate - increase).abs() < 1.0, "{rate} by rate, {increase} by increase");
}

/// Prometheus loads every rule, and none fails; what fires has its text.
fn rules_are_evaluated(prometheus: &Prometheus) {
    let names = recordings::all().map(|rule| rule.name);
    let names: Vec<_> = names.chain(alerts::all().map(|alert| alert.name)).collect();
    let rules = || {
        let groups = prometheus.api("rules", &[]).unwrap();
        let groups = groups["groups"].as_array().unwrap().clone();
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone());
        rules.collect::<Vec<_>>()
    };
    // Each has been evaluated a second later.
    let patience = 300;
    for _ in 0..patience {
        if rules().iter().all(|rule| rule["health"] != "unknown") {
            break;
        }
        thread::sleep(Duration::from_millis(200));
    }
    let rules = rules();
    assert_eq!(rules.len(), names.len());
    for name in names {
        let rule = rules.iter().find(|rule| rule["name"] == name).unwrap();
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    let alerts = prometheus.api("alerts", &[]).unwrap();
    let alerts = alerts["alerts"].as_array().unwrap();
    assert!(alerts.iter().all(|alert| alert["state"] != "firing"), "{alerts:?}");
    for alert in alerts {
        for text in alert["annotations"].as_object().unwrap().values() {
            assert!(!text.as_str().unwrap().contains("error expanding"), "{alert}");
        }
    }
    for query in runbooks::queries() {
        prometheus.query(&query).unwrap();
    }
}

/// Fallbacks are seen by probes on functions.
fn needs_functions(rule: &str) -> bool {
    rule.contains(":zc_fallback")
}

/// Where copies are seen, none of this traffic are unknown: what asks for those alone is empty.
fn all_is_known(promql: &str) -> bool {
    let asks = promql.contains("zc_copy_unknown_bytes") && !promql.contains(" or ");
    asks && kernel::hooks_functions()
}

/// Every rule has values, under traffic; those for which this kernel has no hooks have none.
fn rules_have_values(prometheus: &Prometheus) {
    for rule in recordings::all() {
        if kernel::hooks_functions() && rule.name == "instance:zc_probes_down:count" {
            continue; // All may be up: the daemon's own test says which.
        }
        if needs_functions(rule.name) && !kernel::hooks_functions() {
            assert!(prometheus.query(rule.name).unwrap().is_empty(), "{}", rule.name);
        } else if !all_is_known(rule.name) {
            prometheus.comes_to(rule.name, |_| true).unwrap();
        }
    }
    let of = |rule: &str, group: &str| {
        let promql = format!("{rule}{{group=\"{group}\"}}");
        prometheus.comes_to(&promql, |_| true).unwrap()[0].value()
    };
    let ratio = "instance_group:zc_copies_per_byte:ratio_rate5m";
    assert!(of(ratio, "t-static") < 1.0 && of(ratio, "t-relay") > 0.9);
    let ratio = "instance_group:zc_zero_copy:ratio_rate5m";
    assert!(of(ratio, "t-static") > of(ratio, "t-relay"));
    assert!(of("instance_group:zc_relayed_bytes:rate5m", "t-relay") > 0.0);
}

/// What is chosen on a page: everybody, or who has all kinds of traffic between them.
fn groups(dashboard: &grafana::Dashboard) -> &'static str {
    if dashboard.uid == "zc-group" { "t-relay|t-static|t-zerocopy" } else { ".+" }
}

/// Every variable has values to choose from, every query of every panel has something to show.
fn panels_have_values(prometheus: &Prometheus) {
    for variable in VARIABLES {
        let series = chosen(variable.series, ".+");
        let page = format!("label/{}/values", variable.name);
        let values = prometheus.api(&page, &[("match[]", &series)]).unwrap();
        assert!(!values.as_array().unwrap().is_empty(), "{}", variable.name);
    }
    for dashboard in DASHBOARDS {
        for (panel, query) in dashboard.panels().flat_map(|p| p.queries.iter().map(move |q| (p, q)))
        {
            let promql = chosen(&dashboard.promql(query), groups(dashboard));
            has_values(prometheus, panel.title, &promql, panel.empty);
        }
    }
}

/// Every question of the documentation has an answer.
fn questions_have_answers(prometheus: &Prometheus) {
    for recipe in COOKBOOK {
        has_values(prometheus, recipe.question, recipe.promql, recipe.empty);
    }
}

/// A query has something to show, unless it may be empty, and says why.
fn has_values(prometheus: &Prometheus, what: &str, promql: &str, empty: Option<Empty>) {
    match empty {
        Some(Empty::WhenAllIsWell) => {
            prometheus.query(promql).unwrap();
        }
        Some(Empty::WithoutFunctions) if !kernel::hooks_functions() => {
            assert!(prometheus.query(promql).unwrap().is_empty(), "{what}");
        }
        Some(Empty::WithoutFunctions) | None => {
            if !all_is_known(promql) {
                prometheus.comes_to(promql, |_| true).unwrap();
            }
        }
    }
}

/// The environment variable that names a folder for pages of what the panels show.
const PREVIEW: &str = "ZC_PREVIEW";

/// Writes such pages, after some traffic.
fn preview(prometheus: &Prometheus, folder: &Path) {
    const SECONDS: f64 = 45.0;
    let long = format!("count_over_time(up[2m]) > {SECONDS}");
    let up = prometheus.comes_to(&long, |_| true).unwrap();
    let now = up[0].points[0].0;
    for dashboard in DASHBOARDS {
        let time = (now - SECONDS, now);
        let page = preview::html(dashboard, prometheus, groups(dashboard), time).unwrap();
        fs::write(folder.join(format!("{}.html", dashboard.uid)), page).unwrap();
    }
}
