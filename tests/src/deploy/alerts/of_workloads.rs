//! Alerts of what zc measures.

use super::{Alert, Runbook, Severity};

/// Of what zc measures.
pub const OF_WORKLOADS: &[Alert] = &[
    Alert {
        name: "ZcZeroCopyRatioFell",
        expression: "avg_over_time(workload:zc_zero_copy:ratio_rate5m[15m])\n\
                     < 0.8 * avg_over_time(workload:zc_zero_copy:ratio_rate5m[6h] offset 30m)\nand\n\
                     avg_over_time(workload:zc_zero_copy:ratio_rate5m[6h] offset 30m) > 0.2\nand\n\
                     avg_over_time(workload:zc_known_bytes:rate5m[15m]) > 1e6",
        hold: "10m",
        keep: Some("30m"),
        severity: Severity::Warning,
        summary: "{{ $labels.workload }} copies more than it did",
        description: "Of what {{ $labels.workload }} moves, {{ $value | humanizePercentage }} \
                      change hands by reference now: less than four fifths of what it was in the \
                      6 hours before.",
        runbook: Runbook {
            meaning: "A program that was zero-copy, in good part, is less so: mostly since a \
                      deploy, a change of its configuration, or of its clients.",
            impact: "CPU time and memory bandwidth for each byte that it serves.",
            look: &[
                "When: the zero-copy ratio on the page of the group; compare with your deploys.",
                "By which route now: `sum by (route) (rate(zc_copied_bytes_total{group=\"…\"}[5m]))`. \
                 From `sendfile` to `read` and `write`: a filter, compression or TLS came in \
                 between.",
                "Whether an interface broke its promise: `zc_fallback_bytes_total{group=\"…\"}` by \
                 reason.",
                "Why, and on which stacks: `zc verify --pid N --for 10s --stacks 5` on the node.",
            ],
            act: &[
                "What well-known programs need is in [docs/programs.md](programs.md).",
                "Keep it from coming back: `zc verify` as a gate in CI ([docs/verify.md](verify.md)).",
            ],
        },
    },
    Alert {
        name: "ZcZerocopySendsCopied",
        expression: "instance_group_route:zc_fallback:ratio_rate5m{route=\"msg_zerocopy\"} > 0.5\n\
                     and\ninstance_group_route:zc_fallback_bytes:rate5m{route=\"msg_zerocopy\"} > 1e6",
        hold: "15m",
        keep: Some("15m"),
        severity: Severity::Warning,
        summary: "{{ $labels.group }} sends by MSG_ZEROCOPY and is copied all the same",
        description: "{{ $value | humanizePercentage }} of what {{ $labels.group }} on \
                      {{ $labels.instance }} sends by MSG_ZEROCOPY is copied by the kernel: it \
                      pays for the notifications and the copies.",
        runbook: Runbook {
            meaning: "More than half of what is sent by `MSG_ZEROCOPY` is copied after all.",
            impact: "Dearer than to send by copy in the first place: pages are pinned, \
                     notifications are read, and the copy is made as well.",
            look: &[
                "Why: `sum by (reason) (rate(zc_fallback_bytes_total{group=\"…\", \
                 route=\"msg_zerocopy\"}[5m]))`. `receiver`: the receiver is on the same machine; \
                 `gathered`: the device has no scatter-gather; `not_taken`: the socket was not \
                 told (`SO_ZEROCOPY`), or had no memory for it.",
                "Who is at the other end: `ss -tnp`.",
            ],
            act: &[
                "On the same machine send without the flag: loopback always copies.",
                "Else give the sends 10 kB or more each, raise `net.core.optmem_max`, or turn \
                 scatter-gather on (`ethtool -K DEV sg on`).",
            ],
        },
    },
    Alert {
        name: "ZcCopiesUnknown",
        expression: "instance_group:zc_copy_unknown:ratio_rate5m > 0.5\nand\n\
                     instance_group:zc_copy_unknown_bytes:rate5m > 1e6",
        hold: "15m",
        keep: Some("15m"),
        severity: Severity::Info,
        summary: "Of {{ $labels.group }} it is mostly unknown what is copied",
        description: "Of {{ $value | humanizePercentage }} of what {{ $labels.group }} on \
                      {{ $labels.instance }} moves zc cannot tell whether it is copied: its \
                      ratios are those of the rest.",
        runbook: Runbook {
            meaning: "The interface alone does not tell, and no probe saw the copies.",
            impact: "Copies per byte and zero-copy ratio of the group say nothing of these bytes.",
            look: &[
                "Which interface: `sum by (route, endpoint) \
                 (rate(zc_copy_unknown_bytes_total{group=\"…\"}[5m]))`.",
                "Why: `zc_route_coverage` of that route, and `zc doctor`.",
            ],
            act: &[
                "Attach the probes that see it (`ZcProbesDown`).",
                "`endpoint=\"unknown\"` on all routes: the kernel refuses reads of its memory \
                 (lockdown).",
            ],
        },
    },
    Alert {
        name: "ZcInvoluntarySwitchStorm",
        expression: "instance_group_type:zc_context_switches:rate5m{type=\"involuntary\"} > 5000\n\
                     unless on (job, instance, group)\n\
                     instance_group_type:zc_context_switches:rate5m{type=\"voluntary\"}\n\
                     >= on (job, instance, group) \
                     instance_group_type:zc_context_switches:rate5m{type=\"involuntary\"}",
        hold: "15m",
        keep: Some("5m"),
        severity: Severity::Warning,
        summary: "{{ $labels.group }} is taken off its processor {{ $value | humanize }} times a \
                  second",
        description: "{{ $labels.group }} on {{ $labels.instance }} is switched out against its \
                      will {{ $value | humanize }} times a second, more often than it waits: its \
                      threads contend for processors.",
        runbook: Runbook {
            meaning: "More threads want to run than there are processors (or a quota allows), and \
                      they take each other's turns.",
            impact: "Caches are cold after each switch, and locks are held by threads that do not \
                     run: latency first, then throughput.",
            look: &[
                "Pressure: `cat /proc/pressure/cpu`, or that of the cgroup.",
                "A quota: `nr_throttled` in the cgroup's `cpu.stat`.",
                "Who else is switched: `topk(5, \
                 rate(zc_context_switches_total{instance=\"…\", type=\"involuntary\"}[5m]))`.",
            ],
            act: &["Fewer threads than processors in pools that compute; a larger quota or none; \
                 another node."],
        },
    },
    Alert {
        name: "ZcMajorFaultStorm",
        expression: "instance_group_type:zc_page_faults:rate5m{type=\"major\"} > 100",
        hold: "10m",
        keep: Some("10m"),
        severity: Severity::Warning,
        summary: "{{ $labels.group }} waits for {{ $value | humanize }} pages a second",
        description: "{{ $labels.group }} on {{ $labels.instance }} takes {{ $value | humanize }} \
                      major page faults a second: each waits for a device.",
        runbook: Runbook {
            meaning: "Pages that it touches are not in memory: files that it maps, its own code, \
                      or what was swapped out.",
            impact: "Each fault stops a thread for as long as the device takes.",
            look: &[
                "Of what: `sum by (backing) (rate(zc_page_faults_by_backing_total{group=\"…\", \
                 type=\"major\"}[5m]))`: `anonymous` is swap, `file` a mapping.",
                "Memory: `cat /proc/pressure/memory`, `memory.current` by `memory.max` of its \
                 cgroup.",
            ],
            act: &[
                "More memory for it, or fewer neighbours: its working set does not fit.",
                "If it serves mapped files: read ahead (`MADV_WILLNEED`), or sendfile, which \
                 waits elsewhere.",
            ],
        },
    },
];
