//! Alerts of zc itself.

use super::{Alert, Runbook, Severity};

/// Of zc itself: whether there are numbers, and how good they are.
pub const OF_ZC: &[Alert] = &[
    Alert {
        name: "ZcDown",
        expression: "up{job=~\"(.+/)?zc\"} == 0",
        hold: "5m",
        keep: None,
        severity: Severity::Critical,
        summary: "zc on {{ $labels.instance }} is not scraped",
        description: "Prometheus has had no page of {{ $labels.instance }} for 5 minutes: nothing \
                      of that node is measured.",
        runbook: Runbook {
            meaning: "The scrape fails: zc has ended, is held up, or cannot be reached.",
            impact: "What the node copies is not measured. zc counts in the kernel only while it \
                     runs: what is moved meanwhile is in no number, ever.",
            look: &[
                "The error of the scrape is on Prometheus' page of targets (`/targets`).",
                "On the node: `systemctl status zc`, `journalctl -u zc`, or the log of its pod. \
                 zc says in one sentence why it does not start; status 2 is a matter of flags or \
                 rights.",
                "`curl -s http://127.0.0.1:10042/-/ready` tells a zc that serves from one that \
                 cannot be reached: by default it listens on loopback alone.",
                "`zc doctor` says whether its probes can be attached.",
            ],
            act: &[
                "Start it. If the kernel is new: `zc doctor` names what it refuses.",
                "If it was killed for memory, give it what [docs/sizing.md](sizing.md) reckons, \
                 or fewer `--threads`.",
            ],
        },
    },
    Alert {
        name: "ZcAbsent",
        expression: "absent(up{job=~\"(.+/)?zc\"})",
        hold: "10m",
        keep: None,
        severity: Severity::Critical,
        summary: "Prometheus scrapes no zc",
        description: "There is no target whose job is zc: no alert of zc can fire.",
        runbook: Runbook {
            meaning: "Prometheus knows no target of a job `zc` (or `NAMESPACE/zc`).",
            impact: "Nothing is measured, and nothing else says so: all other alerts are silent.",
            look: &[
                "`/targets` and `/service-discovery` of Prometheus: is the job there, did \
                 relabelling drop its targets?",
                "If your job has another name, these alerts ask for the wrong one.",
            ],
            act: &[
                "Name the job `zc` (as `deploy/prometheus/prometheus.yml` does), or change the \
                 two expressions that ask for `up`.",
            ],
        },
    },
    Alert {
        name: "ZcProbesDown",
        expression: "instance:zc_probes_down:count > 0",
        hold: "10m",
        keep: None,
        severity: Severity::Info,
        summary: "{{ $value }} probes of zc are down on {{ $labels.instance }}",
        description: "{{ $value }} probes on {{ $labels.instance }} are attached to no hook. What \
                      they measure is unknown there, or inferred; it is not zero.",
        runbook: Runbook {
            meaning: "The kernel refuses what the probes need: it is old, hardened, or without a \
                      feature.",
            impact: "Copies of their routes are inferred by the textbook instead of measured, \
                     fallbacks of them are not seen, and families of probes without a stand-in \
                     have no series.",
            look: &[
                "Which: `zc_probe_up{instance=\"…\"} == 0`.",
                "Why, what was tried, and what you can do: `zc doctor` on the node.",
                "What it does to each route: `zc_route_coverage{instance=\"…\"}`.",
            ],
            act: &[
                "Do what `zc doctor` advises: mostly a right that zc lacks, or an option of the \
                 kernel.",
                "Where the kernel is to stay as it is, silence this alert for its nodes; \
                 `ZcProbeLost` still tells of probes that go down later.",
            ],
        },
    },
    Alert {
        name: "ZcProbeLost",
        expression: "max without (hook) (zc_probe_up) == 0\nand\n\
                     max without (hook) (max_over_time(zc_probe_up[1h])) == 1",
        hold: "0m",
        keep: Some("15m"),
        severity: Severity::Warning,
        summary: "zc on {{ $labels.instance }} has lost its probe {{ $labels.probe }}",
        description: "The probe {{ $labels.probe }} on {{ $labels.instance }} was attached within \
                      the last hour and is not any more: what it measured is now unknown, or \
                      inferred.",
        runbook: Runbook {
            meaning: "zc gave the probe up to keep to `--budget`, or was started anew where it \
                      cannot attach it: another kernel, fewer rights.",
            impact: "Totals that no probe counts any more have no series. Copies of its routes \
                     are inferred from then on: measured and inferred series meet here.",
            look: &[
                "Did zc start anew? `changes(process_start_time_seconds{instance=\"…\"}[1h])`.",
                "If not it was the budget: the log says which probe it gave up, and what it took. \
                 `zc_observer_share`, and `rate(zc_bpf_program_run_seconds_total[5m])` by program.",
                "`zc doctor` says whether it can be attached now.",
            ],
            act: &[
                "Raise `--budget`, or accept it; a probe that was given up comes back when zc is \
                 started again.",
            ],
        },
    },
    Alert {
        name: "ZcEventsLost",
        expression: "instance:zc_lost_per_transfer:ratio_rate5m > 0.001",
        hold: "10m",
        keep: Some("10m"),
        severity: Severity::Warning,
        summary: "zc on {{ $labels.instance }} misses {{ $value | humanizePercentage }} of calls",
        description: "For each call that moved bytes, {{ $value | humanizePercentage }} events \
                      were missed on {{ $labels.instance }} in the last 5 minutes: the numbers of \
                      that node are too low by about as much.",
        runbook: Runbook {
            meaning: "Events were missed and counted: a map was full, or the kernel skipped \
                      programs.",
            impact: "Bytes, copies or switches are missing from their groups (most stand under \
                     `other`). Ratios are less affected than sums.",
            look: &[
                "By reason: `rate(zc_lost_total{instance=\"…\"}[5m]) > 0`.",
                "What each reason means, and where its counts go: \
                 [docs/sizing.md](sizing.md#when-a-map-is-full).",
            ],
            act: &[
                "`no_slot`, `no_slot_switch`: more `--threads`, by the formula of \
                 [docs/sizing.md](sizing.md); or `--realtime`, where bursts of processes leave zc \
                 too little time ([there](sizing.md#who-comes-too-late)).",
                "`recursion…`: the kernel skips programs that are preempted under way (from 7.0 \
                 on more of them). There is nothing to set; take less load, or accept it.",
                "`pid_range`: `pid_max` was raised: start zc again.",
            ],
        },
    },
    Alert {
        name: "ZcSlotsNearlyFull",
        expression: "zc_map_entries / zc_map_capacity > 0.9",
        hold: "5m",
        keep: None,
        severity: Severity::Warning,
        summary: "zc on {{ $labels.instance }} has little room for threads",
        description: "{{ $value | humanizePercentage }} of zc's {{ $labels.map }} on \
                      {{ $labels.instance }} are in use. Threads beyond are counted under \
                      group=\"other\".",
        runbook: Runbook {
            meaning: "More threads live, or end between two readings, than zc was sized for.",
            impact: "None yet. Once it is full, what new threads move stands under `other`, and \
                     their switches are lost (and counted: `ZcEventsLost`).",
            look: &[
                "`zc_map_entries` over the last day: a leak of threads, or growth?",
                "Threads on the node: `ls -d /proc/[0-9]*/task/* | wc -l`.",
            ],
            act: &[
                "Start zc with more `--threads`, by the formula of [docs/sizing.md](sizing.md).",
            ],
        },
    },
    Alert {
        name: "ZcGroupsOverflow",
        expression: "increase(zc_group_overflow_total[1h]) > 0",
        hold: "0m",
        keep: None,
        severity: Severity::Info,
        summary: "zc on {{ $labels.instance }} has more groups than it shows",
        description: "In the last hour some groups on {{ $labels.instance }} found no place of \
                      their own: they stand under group=\"other\".",
        runbook: Runbook {
            meaning: "More groups had traffic than `--max-groups` (200).",
            impact: "Groups that came late are summed under `other`: no rule or panel shows them.",
            look: &[
                "How many there are: `count by (instance) (count by (instance, group) \
                 (zc_transferred_bytes_total))`.",
                "Whether their names have a part that changes for each process (a template with \
                 `{argv}`, say).",
            ],
            act: &["Group by something coarser ([docs/groups.md](groups.md)), or raise \
                 `--max-groups`; a group is some 20 series."],
        },
    },
    Alert {
        name: "ZcObserverOverBudget",
        expression: "instance:zc_observer_share:sum > 0.05",
        hold: "15m",
        keep: Some("15m"),
        severity: Severity::Warning,
        summary: "zc on {{ $labels.instance }} takes {{ $value | humanizePercentage }} of a core",
        description: "zc's programs and daemon on {{ $labels.instance }} take \
                      {{ $value | humanizePercentage }} of one core; these rules allow 5 %.",
        runbook: Runbook {
            meaning: "What zc takes of one core has been above 5 % for 15 minutes.",
            impact: "The time is taken from the programs that it measures: system calls and \
                     switches are that much slower.",
            look: &[
                "Which part: `zc_observer_share{instance=\"…\"}`.",
                "Which program: `topk(5, rate(zc_bpf_program_run_seconds_total{instance=\"…\"}[5m]) \
                 / on (job, instance) group_left rate(zc_bpf_stats_seconds_total[5m]))`.",
                "What a call costs, and why: [docs/overhead.md](overhead.md).",
            ],
            act: &[
                "Leave `--mode-switches` away: with it every system call pays.",
                "Have zc keep to a limit: `--budget 5%` gives up the dearest probes.",
                "If the daemon takes it: scrape less often, or show fewer groups.",
            ],
        },
    },
    Alert {
        name: "ZcSelfTestDiffers",
        expression: "zc_route_coverage{quality=\"differs\"} == 1",
        hold: "0m",
        keep: None,
        severity: Severity::Warning,
        summary: "zc measures {{ $labels.route }} wrongly on {{ $labels.instance }}",
        description: "The self-test of {{ $labels.route }} on {{ $labels.instance }} was measured \
                      as something else than it is: do not trust copies of that route there.",
        runbook: Runbook {
            meaning: "At its start (`--self-test`) zc did I/O whose copies are known, and counted \
                      others: this kernel copies by a way that zc does not know.",
            impact: "Copies on that route are wrong on this kernel. `zc verify` never passes on it.",
            look: &["`zc doctor --self-test` on the node prints what was expected and counted."],
            act: &[
                "Report it with that output and `uname -r`: it is a bug of zc, or news of the \
                 kernel.",
                "Until then leave the route out: `route!=\"…\"`.",
            ],
        },
    },
];
