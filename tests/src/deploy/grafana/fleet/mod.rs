//! The overview: who copies most, what could be saved, and how zc is.

mod itself;
mod switches;

use self::{itself::ITSELF, switches::SWITCHES};
use super::ratios::{copies_per_byte, zero_copy};
use super::{
    Dashboard, Empty,
    Kind::{Areas, Lines, Stat, Table},
    Panel, Query, Row,
    Unit::{BytesPerSecond, Number, PerSecond, Share},
};

/// The page.
pub const FLEET: Dashboard = Dashboard {
    uid: "zc-fleet",
    title: "zc / Fleet",
    description: "Who copies most, how much of it could be saved, and how well it is measured.",
    // It jumps when a group expires.
    groups: "group=~\"$group\", group!=\"other\"",
    rows: &[NOW, WHO, HOW, SWITCHES, ITSELF],
    link: ("Group", "zc-group"),
};

const NOW: Row = Row {
    title: "Now",
    panels: &[
        Panel {
            title: "Nodes scraped",
            description: "Nodes whose zc answers.",
            kind: Stat(Number),
            queries: &[Query { promql: "sum(up{@i})", legend: "nodes" }],
            empty: None,
        },
        Panel {
            title: "Copied by CPUs",
            description: "Bytes that CPUs copied, measured and inferred.",
            kind: Stat(BytesPerSecond),
            queries: &[Query {
                promql: "sum(rate(zc_copied_bytes_total{@g}[$__rate_interval]))",
                legend: "copied",
            }],
            empty: None,
        },
        Panel {
            title: "Copies per byte",
            description: "How often each byte was copied that was moved on either side of a \
                          program, of those of which it is known: 1 for a relay by read and \
                          write, 0 by sendfile.",
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
            title: "Probes down",
            description: "Probes that are attached nowhere, over all nodes: what they measure is \
                          inferred or unknown there.",
            kind: Stat(Number),
            queries: &[Query { promql: "sum(zc_probe_up{@i} == bool 0)", legend: "down" }],
            empty: None,
        },
        Panel {
            title: "zc takes, at most",
            description: "What zc takes of one core on the node where it takes most: its \
                          programs and the daemon.",
            kind: Stat(Share),
            queries: &[Query {
                promql: "max(sum by (job, instance) (zc_observer_share{@i}))",
                legend: "of a core",
            }],
            empty: None,
        },
    ],
};

const WHO: Row = Row {
    title: "Who copies",
    panels: &[
        Panel {
            title: "Copied, top ten groups",
            description: "Bytes that CPUs copied for a group, over all chosen nodes.",
            kind: Lines(BytesPerSecond),
            queries: &[Query {
                promql: "topk(10, sum by (group) (rate(zc_copied_bytes_total{@g}\
                         [$__rate_interval])))",
                legend: "{{group}}",
            }],
            empty: None,
        },
        Panel {
            title: "Could be saved, top ten groups",
            description: "The most that sendfile or splice can save: twice the smaller of what \
                          was copied into and out of user memory, as if all of it were only \
                          passed on. Groups whose bytes go one way only are not shown.",
            kind: Lines(BytesPerSecond),
            queries: &[Query {
                promql: "topk(10, 2 * (sum by (group) (rate(zc_copied_bytes_total{@g, \
                         route!~\"fault|bounce\", direction=\"to_user\"}[$__rate_interval])) < \
                         sum by (group) (rate(zc_copied_bytes_total{@g, \
                         route!~\"fault|bounce\", direction=\"from_user\"}[$__rate_interval])) or \
                         sum by (group) (rate(zc_copied_bytes_total{@g, \
                         route!~\"fault|bounce\", direction=\"from_user\"}[$__rate_interval])) \
                         <= sum by (group) (rate(zc_copied_bytes_total{@g, \
                         route!~\"fault|bounce\", direction=\"to_user\"}[$__rate_interval]))))",
                legend: "{{group}}",
            }],
            empty: None,
        },
        Panel {
            title: "Copies per byte, top ten groups",
            description: "How often each byte was copied that was moved, of those of which it is \
                          known; groups that move less than 10 kB a second are left out.",
            kind: Lines(Number),
            queries: &[Query {
                promql: concat!("topk(10, ", copies_per_byte!(" by (group) ", "1e4"), ")"),
                legend: "{{group}}",
            }],
            empty: None,
        },
        Panel {
            title: "Groups",
            description: "Each group: what was copied, moved, and moved by reference; sort by a \
                          column, follow a group to its page. A ratio that is not known is \
                          left empty.",
            kind: Table(&[
                BytesPerSecond,
                BytesPerSecond,
                BytesPerSecond,
                Number,
                Share,
                PerSecond,
                PerSecond,
            ]),
            queries: &[
                Query {
                    promql: "sum by (group) (rate(zc_copied_bytes_total{@g}[$__rate_interval]))",
                    legend: "Copied",
                },
                Query {
                    promql: "sum by (group) (rate(zc_transferred_bytes_total{@g, \
                             route!=\"mmap\"}[$__rate_interval]))",
                    legend: "Transferred",
                },
                Query {
                    promql: "sum by (group) (rate(zc_moved_bytes_total{@g}[$__rate_interval]))",
                    legend: "By reference",
                },
                Query { promql: copies_per_byte!(" by (group) ", "0"), legend: "Copies per byte" },
                Query { promql: zero_copy!(" by (group) "), legend: "Zero-copy ratio" },
                Query {
                    promql: "sum by (group) (rate(zc_context_switches_total{@g}\
                             [$__rate_interval]))",
                    legend: "Context switches",
                },
                Query {
                    promql: "sum by (group) (rate(zc_page_faults_total{@g}[$__rate_interval]))",
                    legend: "Page faults",
                },
            ],
            empty: None,
        },
    ],
};

const HOW: Row = Row {
    title: "How it is copied",
    panels: &[
        Panel {
            title: "Copied by route",
            description: "By which interface bytes are copied. `fault`: pages copied as they are \
                          written while shared; `bounce`: copied by drivers.",
            kind: Areas(BytesPerSecond),
            queries: &[Query {
                promql: "sum by (route) (rate(zc_copied_bytes_total{@g}[$__rate_interval]))",
                legend: "{{route}}",
            }],
            empty: None,
        },
        Panel {
            title: "How it is known",
            description: "`measured`: seen in the functions that copy. `inferred`: by the \
                          textbook, where nothing was seen. `unknown`: neither tells; these bytes \
                          are in no other panel of copies.",
            kind: Areas(BytesPerSecond),
            queries: &[
                Query {
                    promql: "sum by (quality) (rate(zc_copied_bytes_total{@g}[$__rate_interval]))",
                    legend: "{{quality}}",
                },
                Query {
                    promql: "sum(rate(zc_copy_unknown_bytes_total{@g}[$__rate_interval]))",
                    legend: "unknown",
                },
            ],
            empty: None,
        },
        Panel {
            title: "Promises not kept",
            description: "Bytes copied although the interface can do without, by why. receiver: \
                          a MSG_ZEROCOPY send to the same machine; file_sink: a splice into a \
                          buffered file.",
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
