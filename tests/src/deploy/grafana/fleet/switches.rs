//! Switches and faults.

use crate::deploy::grafana::{
    Empty,
    Kind::{Areas, Lines},
    Panel, Query, Row,
    Unit::{Number, PerSecond},
};

pub(super) const SWITCHES: Row = Row {
    title: "Switches and faults",
    panels: &[
        Panel {
            title: "Mode switches per MB, top ten groups",
            description: "Two for each system call, by 10^6 bytes moved: many small calls have \
                          many. Groups that move less than 10 kB a second are left out. Only of \
                          zc run with --mode-switches.",
            kind: Lines(Number),
            queries: &[Query {
                promql: "topk(10, 2e6 * sum by (group) (rate(zc_syscalls_total{@g}\
                         [$__rate_interval])) / (sum by (group) \
                         (rate(zc_transferred_bytes_total{@g, route!=\"mmap\"}\
                         [$__rate_interval])) > 1e4))",
                legend: "{{group}}",
            }],
            empty: None,
        },
        Panel {
            title: "Involuntary context switches, top ten groups",
            description: "A processor was taken from a thread that would have gone on: more of \
                          them want to run than there are processors.",
            kind: Lines(PerSecond),
            queries: &[Query {
                promql: "topk(10, sum by (group) (rate(zc_context_switches_total{@g, \
                         type=\"involuntary\"}[$__rate_interval])))",
                legend: "{{group}}",
            }],
            empty: None,
        },
        Panel {
            title: "Voluntary context switches, top ten groups",
            description: "A thread waits: for bytes, a lock, a timer.",
            kind: Lines(PerSecond),
            queries: &[Query {
                promql: "topk(10, sum by (group) (rate(zc_context_switches_total{@g, \
                         type=\"voluntary\"}[$__rate_interval])))",
                legend: "{{group}}",
            }],
            empty: None,
        },
        Panel {
            title: "Major page faults, top ten groups",
            description: "Pages that were waited for: files that are mapped and not in memory, \
                          or what was swapped out.",
            kind: Lines(PerSecond),
            queries: &[Query {
                promql: "topk(10, sum by (group) (rate(zc_page_faults_total{@g, type=\"major\"}\
                         [$__rate_interval])))",
                legend: "{{group}}",
            }],
            empty: Some(Empty::WhenAllIsWell),
        },
        Panel {
            title: "Minor page faults, top ten groups",
            description: "Pages that were in memory, or made: new memory, above all.",
            kind: Lines(PerSecond),
            queries: &[Query {
                promql: "topk(10, sum by (group) (rate(zc_page_faults_total{@g, type=\"minor\"}\
                         [$__rate_interval])))",
                legend: "{{group}}",
            }],
            empty: None,
        },
        Panel {
            title: "Calls that moved bytes",
            description: "Calls that moved at least one byte, by route.",
            kind: Areas(PerSecond),
            queries: &[Query {
                promql: "sum by (route) (rate(zc_transfers_total{@g}[$__rate_interval]))",
                legend: "{{route}}",
            }],
            empty: None,
        },
    ],
};
