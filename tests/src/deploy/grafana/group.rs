//! The page of a group: by which interfaces its bytes go, and what that costs.

use super::ratios::{copies_per_byte, zero_copy};
use super::{
    Dashboard, Empty,
    Kind::{Areas, Lines, Stat, Table},
    Panel, Query, Row,
    Unit::{Bytes, BytesPerSecond, Number, PerSecond, Share},
};

/// The page.
pub const GROUP: Dashboard = Dashboard {
    uid: "zc-group",
    title: "zc / Group",
    description: "By which interfaces the bytes of a group go, what is copied of them, and its \
                  switches and faults.",
    groups: "group=~\"$group\"",
    rows: &[NOW, BYTES, COPIES, SWITCHES],
    link: ("Fleet", "zc-fleet"),
};

const NOW: Row = Row {
    title: "Now",
    panels: &[
        Panel {
            title: "Transferred",
            description: "Bytes that the kernel moved, not those that were mapped.",
            kind: Stat(BytesPerSecond),
            queries: &[Query {
                promql: "sum(rate(zc_transferred_bytes_total{@g, route!=\"mmap\"}\
                         [$__rate_interval]))",
                legend: "transferred",
            }],
            empty: None,
        },
        Panel {
            title: "Copied",
            description: "Bytes that the CPU copied, measured and inferred.",
            kind: Stat(BytesPerSecond),
            queries: &[Query {
                promql: "sum(rate(zc_copied_bytes_total{@g}[$__rate_interval]))",
                legend: "copied",
            }],
            empty: None,
        },
        Panel {
            title: "Copies per byte",
            description: "How often each byte was copied that was moved, of those of which it is \
                          known: 1 for a relay by read and write, 0 by sendfile.",
            kind: Stat(Number),
            queries: &[Query { promql: copies_per_byte!("", "0"), legend: "copies per byte" }],
            empty: None,
        },
        Panel {
            title: "Zero-copy ratio",
            description: "The share of bytes that changed hands by reference, of these and of \
                          those copied.",
            kind: Stat(Share),
            queries: &[Query { promql: zero_copy!(""), legend: "by reference" }],
            empty: None,
        },
        Panel {
            title: "Context switches",
            description: "Of both types.",
            kind: Stat(PerSecond),
            queries: &[Query {
                promql: "sum(rate(zc_context_switches_total{@g}[$__rate_interval]))",
                legend: "switches",
            }],
            empty: None,
        },
        Panel {
            title: "Nodes",
            description: "Nodes on which it has moved bytes.",
            kind: Stat(Number),
            queries: &[Query {
                promql: "count(count by (instance) (zc_transfers_total{@g}))",
                legend: "nodes",
            }],
            empty: None,
        },
    ],
};

const BYTES: Row = Row {
    title: "What is moved",
    panels: &[
        Panel {
            title: "Transferred by route and far end",
            description: "By which interface bytes go, and to what. mmap: bytes mapped, touched \
                          or not.",
            kind: Areas(BytesPerSecond),
            queries: &[Query {
                promql: "sum by (route, endpoint) (rate(zc_transferred_bytes_total{@g}\
                         [$__rate_interval]))",
                legend: "{{route}} {{endpoint}}",
            }],
            empty: None,
        },
        Panel {
            title: "Moved by reference",
            description: "Bytes that changed hands without a copy while the call ran, by route.",
            kind: Areas(BytesPerSecond),
            queries: &[Query {
                promql: "sum by (route) (rate(zc_moved_bytes_total{@g}[$__rate_interval]))",
                legend: "{{route}}",
            }],
            empty: None,
        },
        Panel {
            title: "Bytes of a call",
            description: "The mean size of a call that moved bytes, by route: small calls spend \
                          their time on switching.",
            kind: Lines(Bytes),
            queries: &[Query {
                promql: "sum by (route) (rate(zc_transferred_bytes_total{@g, route!=\"mmap\"}\
                         [$__rate_interval])) / (sum by (route) (rate(zc_transfers_total{@g}\
                         [$__rate_interval])) > 0)",
                legend: "{{route}}",
            }],
            empty: None,
        },
    ],
};

const COPIES: Row = Row {
    title: "What is copied",
    panels: &[
        Panel {
            title: "Copied by route and direction",
            description: "to_user and from_user in equal parts: a relay, which sendfile or \
                          splice can do without copies.",
            kind: Areas(BytesPerSecond),
            queries: &[Query {
                promql: "sum by (route, direction) (rate(zc_copied_bytes_total{@g}\
                         [$__rate_interval]))",
                legend: "{{route}} {{direction}}",
            }],
            empty: None,
        },
        Panel {
            title: "How it is known",
            description: "measured, inferred, or unknown: then neither a probe nor the interface \
                          tells.",
            kind: Areas(BytesPerSecond),
            queries: &[
                Query {
                    promql: "sum by (quality) (rate(zc_copied_bytes_total{@g}[$__rate_interval]))",
                    legend: "{{quality}}",
                },
                Query {
                    promql: "sum by (route) (rate(zc_copy_unknown_bytes_total{@g}\
                             [$__rate_interval]))",
                    legend: "unknown ({{route}})",
                },
            ],
            empty: None,
        },
        Panel {
            title: "Promises not kept",
            description: "Bytes copied although the interface can do without, by why.",
            kind: Areas(BytesPerSecond),
            queries: &[Query {
                promql: "sum by (route, reason) (rate(zc_fallback_bytes_total{@g}\
                         [$__rate_interval]))",
                legend: "{{route}}: {{reason}}",
            }],
            empty: Some(Empty::WithoutFunctions),
        },
    ],
};

const SWITCHES: Row = Row {
    title: "Switches, faults, and who it is",
    panels: &[
        Panel {
            title: "Mode switches per MB",
            description: "Two for each system call, by 10^6 bytes moved, by node. Only of zc run \
                          with --mode-switches.",
            kind: Lines(Number),
            queries: &[Query {
                promql: "2e6 * sum by (group, instance) (rate(zc_syscalls_total{@g}\
                         [$__rate_interval])) / (sum by (group, instance) \
                         (rate(zc_transferred_bytes_total{@g, route!=\"mmap\"}\
                         [$__rate_interval])) > 0)",
                legend: "{{group}} {{instance}}",
            }],
            empty: None,
        },
        Panel {
            title: "System calls by class",
            description: "Only of zc run with --mode-switches.",
            kind: Areas(PerSecond),
            queries: &[Query {
                promql: "sum by (class) (rate(zc_syscalls_total{@g}[$__rate_interval]))",
                legend: "{{class}}",
            }],
            empty: None,
        },
        Panel {
            title: "Context switches",
            description: "voluntary: it waits; involuntary: its processor was taken from it.",
            kind: Lines(PerSecond),
            queries: &[Query {
                promql: "sum by (type) (rate(zc_context_switches_total{@g}[$__rate_interval]))",
                legend: "{{type}}",
            }],
            empty: None,
        },
        Panel {
            title: "Page faults",
            description: "minor: the page was in memory, or made; major: a device was waited for.",
            kind: Lines(PerSecond),
            queries: &[Query {
                promql: "sum by (type) (rate(zc_page_faults_total{@g}[$__rate_interval]))",
                legend: "{{type}}",
            }],
            empty: None,
        },
        Panel {
            title: "Page faults by what backs the page",
            description: "anonymous: heap, stack, private memory; file: a mapping of one, shared \
                          memory, a device.",
            kind: Lines(PerSecond),
            queries: &[Query {
                promql: "sum by (type, backing) (rate(zc_page_faults_by_backing_total{@g}\
                         [$__rate_interval]))",
                legend: "{{type}} {{backing}}",
            }],
            empty: Some(Empty::WithoutFunctions),
        },
        Panel {
            title: "Who it is",
            description: "What all processes of the group share, while it has any.",
            kind: Table(&[Number]),
            queries: &[Query {
                promql: "sum by (group, instance, unit, container, runtime, pod_namespace, \
                         pod_name, user) (zc_group_info{@g})",
                legend: "Nodes",
            }],
            empty: None,
        },
    ],
};
