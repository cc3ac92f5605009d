//! What zc takes, and how well it measures.

use crate::deploy::grafana::{
    Empty,
    Kind::{Lines, Table},
    Panel, Query, Row,
    Unit::{Number, PerSecond, Seconds, Share},
};

pub(super) const ITSELF: Row = Row {
    title: "zc itself",
    panels: &[
        Panel {
            title: "Observer tax by node",
            description: "What zc takes of one core: its programs on all CPUs, and the daemon.",
            kind: Lines(Share),
            queries: &[Query {
                promql: "sum by (instance, part) (zc_observer_share{@i})",
                legend: "{{instance}} {{part}}",
            }],
            empty: None,
        },
        Panel {
            title: "Dearest programs",
            description: "What each program takes of one core, over the time in which the \
                          kernel timed their runs.",
            kind: Lines(Share),
            queries: &[Query {
                promql: "topk(10, sum by (program) (increase(zc_bpf_program_run_seconds_total{@i}\
                         [$__rate_interval])) / on () group_left \
                         sum(increase(zc_bpf_stats_seconds_total{@i}[$__rate_interval])))",
                legend: "{{program}}",
            }],
            empty: None,
        },
        Panel {
            title: "Events lost",
            description: "Events known to be missing from the other panels, by reason. Anything \
                          but 0 is worth a look at the runbook of ZcEventsLost.",
            kind: Lines(PerSecond),
            queries: &[Query {
                promql: "sum by (reason) (rate(zc_lost_total{@i}[$__rate_interval]))",
                legend: "{{reason}}",
            }],
            empty: None,
        },
        Panel {
            title: "Alerts that fire",
            description: "Of zc's own rules.",
            kind: Table(&[Number]),
            queries: &[Query {
                promql: "sum by (alertname, severity, instance, group, workload) \
                         (ALERTS{alertname=~\"Zc.+\", alertstate=\"firing\"})",
                legend: "Alerts",
            }],
            empty: Some(Empty::WhenAllIsWell),
        },
        Panel {
            title: "Probes that are down",
            description: "On how many nodes a probe is attached nowhere; zc doctor says why.",
            kind: Table(&[Number]),
            queries: &[Query {
                promql: "sum by (probe) (zc_probe_up{@i} == bool 0) > 0",
                legend: "Nodes",
            }],
            empty: Some(Empty::WhenAllIsWell),
        },
        Panel {
            title: "How well routes are measured",
            description: "On how many nodes copies of a route are exact, bounded, unverified, \
                          inferred, or differ from what the self-test knows.",
            kind: Table(&[Number]),
            queries: &[Query {
                promql: "count by (route, quality) (zc_route_coverage{@i})",
                legend: "Nodes",
            }],
            empty: None,
        },
        Panel {
            title: "Room for threads in use",
            description: "Slots of threads in use: beyond 100 % threads are counted under other.",
            kind: Lines(Share),
            queries: &[Query {
                promql: "sum by (instance) (zc_map_entries{@i, map=\"slots\"}) / \
                         sum by (instance) (zc_map_capacity{@i, map=\"slots\"})",
                legend: "{{instance}}",
            }],
            empty: None,
        },
        Panel {
            title: "Time to serve a scrape",
            description: "Within which 99 % of scrapes were read and rendered.",
            kind: Lines(Seconds),
            queries: &[Query {
                promql: "histogram_quantile(0.99, sum by (instance, le) \
                         (rate(zc_scrape_duration_seconds_bucket{@i}[$__rate_interval])))",
                legend: "{{instance}}",
            }],
            empty: None,
        },
        Panel {
            title: "Series of a scrape",
            description: "What a node costs Prometheus: some 20 series a group.",
            kind: Lines(Number),
            queries: &[Query {
                promql: "sum by (instance) (scrape_samples_scraped{@i})",
                legend: "{{instance}}",
            }],
            empty: None,
        },
    ],
};
