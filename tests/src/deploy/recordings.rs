//! THE table of recording rules.
//!
//! Names are `level:metric:operations`. Levels are `instance_group` (each group of each zc, and
//! what else a target is labelled with), `instance` (each zc) and `workload` (over all nodes:
//! who is the same program, whatever pod it runs in).
//!
//! The group `other` is left out: it jumps when a group expires. What is not known has no
//! series: neither a 0 nor a ratio.

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Recording {
    /// What it records.
    pub name: &'static str,
    /// The unit of its values.
    pub unit: &'static str,
    /// How, in PromQL.
    pub expression: Expression,
    /// What it means: a sentence.
    pub meaning: &'static str,
}

/// What a rule evaluates.
#[derive(Clone, Copy, Debug)]
pub enum Expression {
    /// This.
    Is(&'static str),
    /// The sum over all nodes of this, which is by group.
    OverNodes(&'static str),
}

impl Expression {
    /// As Prometheus reads it, on some lines.
    #[must_use]
    pub fn promql(self) -> String {
        match self {
            Self::Is(text) => text.to_owned(),
            Self::OverNodes(of) => format!(
                "sum by (cluster, job, workload) (\n  label_replace(\n    label_replace({of}, \
                 \"workload\", \"$1\", \"group\", \"(.+)\"),\n    \"workload\", \"$1\", \
                 \"group\", \"{PODS}\"\n  )\n)"
            ),
        }
    }
}

/// The group of a Kubernetes pod, but for what is made up anew for each: the hash of a
/// `ReplicaSet` and the five letters of a pod, or the number in a `StatefulSet`. Kubernetes
/// spells them by consonants and digits alone
/// (`k8s.io/apimachinery/pkg/util/rand`, `alphanums`).
pub const PODS: &str = "([^/]+/.+?)(?:-[bcdfghjklmnpqrstvwxz2456789]{6,10})?\
                        -(?:[bcdfghjklmnpqrstvwxz2456789]{5}|[0-9]+)";

/// By group, of one zc: what was moved and copied.
pub const GROUPS: &[Recording] = &[
    Recording {
        name: "instance_group_quality:zc_copied_bytes:rate5m",
        unit: "bytes a second",
        expression: Expression::Is(
            "sum without (route, direction) (rate(zc_copied_bytes_total{group!=\"other\"}[5m]))",
        ),
        meaning: "What the CPU copied, by how that is known.",
    },
    Recording {
        name: "instance_group_route:zc_copied_bytes:rate5m",
        unit: "bytes a second",
        expression: Expression::Is(
            "sum without (direction, quality) (rate(zc_copied_bytes_total{group!=\"other\"}[5m]))",
        ),
        meaning: "What the CPU copied, by interface.",
    },
    Recording {
        name: "instance_group_direction:zc_copied_bytes:rate5m",
        unit: "bytes a second",
        expression: Expression::Is(
            "sum without (route, quality) \
             (rate(zc_copied_bytes_total{group!=\"other\", route!~\"fault|bounce\"}[5m]))",
        ),
        meaning: "What the CPU copied for input and output, by direction.",
    },
    Recording {
        name: "instance_group:zc_copied_bytes:rate5m",
        unit: "bytes a second",
        expression: Expression::Is(
            "sum without (route) \
             (instance_group_route:zc_copied_bytes:rate5m{route!~\"fault|bounce\"})",
        ),
        meaning: "What the CPU copied for input and output: all but pages copied as they are \
                  written while shared (`fault`), and what drivers copy (`bounce`).",
    },
    Recording {
        name: "instance_group:zc_transferred_bytes:rate5m",
        unit: "bytes a second",
        expression: Expression::Is(
            "sum without (route, endpoint) \
             (rate(zc_transferred_bytes_total{group!=\"other\", route!=\"mmap\"}[5m]))",
        ),
        meaning: "What was moved; not what was mapped, as it may never be touched.",
    },
    Recording {
        name: "instance_group:zc_copy_unknown_bytes:rate5m",
        unit: "bytes a second",
        expression: Expression::Is(
            "sum without (route, endpoint) \
             (rate(zc_copy_unknown_bytes_total{group!=\"other\"}[5m]))",
        ),
        meaning: "What was moved without zc knowing whether it was copied.",
    },
    Recording {
        name: "instance_group:zc_moved_bytes:rate5m",
        unit: "bytes a second",
        expression: Expression::Is(
            "sum without (route) (rate(zc_moved_bytes_total{group!=\"other\"}[5m]))",
        ),
        meaning: "What changed hands by reference.",
    },
    Recording {
        name: "instance_group:zc_known_bytes:rate5m",
        unit: "bytes a second",
        expression: Expression::Is(
            "instance_group:zc_transferred_bytes:rate5m\n- (\n  \
             instance_group:zc_copy_unknown_bytes:rate5m\n  \
             or 0 * instance_group:zc_transferred_bytes:rate5m\n)",
        ),
        meaning: "What was moved, of which zc knows whether it was copied.",
    },
    Recording {
        name: "instance_group:zc_copies_per_byte:ratio_rate5m",
        unit: "copies a byte",
        expression: Expression::Is(
            "(\n  instance_group:zc_copied_bytes:rate5m\n  \
             or 0 * instance_group:zc_known_bytes:rate5m\n)\n\
             / (instance_group:zc_known_bytes:rate5m > 0)",
        ),
        meaning: "How often each byte was copied that was moved on either side of the program: a \
                  relay by read and write has 1, one by sendfile 0. No series while nothing was \
                  moved, or of nothing it is known.",
    },
    Recording {
        name: "instance_group:zc_zero_copy:ratio_rate5m",
        unit: "0 to 1",
        expression: Expression::Is(
            "(\n  instance_group:zc_moved_bytes:rate5m\n  \
             or 0 * instance_group:zc_copied_bytes:rate5m\n)\n/ (\n  (\n    \
             instance_group:zc_moved_bytes:rate5m\n    \
             or 0 * instance_group:zc_copied_bytes:rate5m\n  )\n  + (\n    \
             instance_group:zc_copied_bytes:rate5m\n    \
             or 0 * instance_group:zc_moved_bytes:rate5m\n  )\n  > 0\n)",
        ),
        meaning: "The share of bytes that changed hands by reference, of these and of those \
                  copied. No series while there was neither.",
    },
    Recording {
        name: "instance_group:zc_copy_unknown:ratio_rate5m",
        unit: "0 to 1",
        expression: Expression::Is(
            "(\n  instance_group:zc_copy_unknown_bytes:rate5m\n  \
             or 0 * instance_group:zc_transferred_bytes:rate5m\n)\n\
             / (instance_group:zc_transferred_bytes:rate5m > 0)",
        ),
        meaning: "The share of what was moved that the two ratios above say nothing of.",
    },
    Recording {
        name: "instance_group:zc_relayed_bytes:rate5m",
        unit: "bytes a second",
        expression: Expression::Is(
            "sum without (direction) (\n  \
             instance_group_direction:zc_copied_bytes:rate5m{direction=\"to_user\"}\n  \
             <= ignoring (direction) \
             instance_group_direction:zc_copied_bytes:rate5m{direction=\"from_user\"}\n  or\n  \
             instance_group_direction:zc_copied_bytes:rate5m{direction=\"from_user\"}\n  \
             < ignoring (direction) \
             instance_group_direction:zc_copied_bytes:rate5m{direction=\"to_user\"}\n)",
        ),
        meaning: "The most that a program can have passed on through user memory: the smaller of \
                  what was copied in and out. Twice that is what sendfile or splice can save, if \
                  the program does not look at it. No series where bytes go one way only.",
    },
    Recording {
        name: "instance_group_route:zc_fallback_bytes:rate5m",
        unit: "bytes a second",
        expression: Expression::Is(
            "sum without (reason) (rate(zc_fallback_bytes_total{group!=\"other\"}[5m]))",
        ),
        meaning: "What was copied although the interface can do without.",
    },
    Recording {
        name: "instance_group_route:zc_fallback:ratio_rate5m",
        unit: "0 to 1",
        expression: Expression::Is(
            "(\n  instance_group_route:zc_fallback_bytes:rate5m\n  or 0 * sum without (endpoint) \
             (rate(zc_transferred_bytes_total{group!=\"other\", \
             route=~\"msg_zerocopy|io_uring|sendfile|splice|copy_file_range|direct_io\"}[5m]))\n)\n/ (\n  sum without (endpoint) (rate(zc_transferred_bytes_total\
             {group!=\"other\"}[5m])) > 0\n)\nunless on (job, instance, route) \
             zc_route_coverage{quality=\"inferred\"}",
        ),
        meaning: "The share of what went by an interface that can do without copies, and was \
                  copied all the same. No series where copies of that interface are not measured.",
    },
];

/// By group, of one zc: switches and faults.
pub const SWITCHES: &[Recording] = &[
    Recording {
        name: "instance_group:zc_mode_switches:rate5m",
        unit: "switches a second",
        expression: Expression::Is(
            "2 * sum without (class) (rate(zc_syscalls_total{group!=\"other\"}[5m]))",
        ),
        meaning: "Switches between user and kernel mode: two a system call. No series unless zc \
                  counts system calls (`--mode-switches`).",
    },
    Recording {
        name: "instance_group:zc_mode_switches_per_megabyte:ratio_rate5m",
        unit: "switches a MB (10^6 bytes)",
        expression: Expression::Is(
            "instance_group:zc_mode_switches:rate5m\n\
             / (instance_group:zc_transferred_bytes:rate5m / 1e6 > 0)",
        ),
        meaning: "Mode switches for each megabyte moved: many small calls have many. No series \
                  unless zc counts system calls, and while nothing was moved.",
    },
    Recording {
        name: "instance_group_type:zc_context_switches:rate5m",
        unit: "switches a second",
        expression: Expression::Is("rate(zc_context_switches_total{group!=\"other\"}[5m])"),
        meaning: "Context switches: `voluntary` (it waits) and `involuntary` (its processor was \
                  taken from it).",
    },
    Recording {
        name: "instance_group_type:zc_page_faults:rate5m",
        unit: "faults a second",
        expression: Expression::Is("rate(zc_page_faults_total{group!=\"other\"}[5m])"),
        meaning: "Page faults: `minor`, and `major`, which wait for a device.",
    },
];

/// Of each zc.
pub const INSTANCES: &[Recording] = &[
    Recording {
        name: "instance:zc_lost:rate5m",
        unit: "events a second",
        expression: Expression::Is("sum without (reason) (rate(zc_lost_total[5m]))"),
        meaning: "Events known to be missed.",
    },
    Recording {
        name: "instance:zc_lost_per_transfer:ratio_rate5m",
        unit: "events a call",
        expression: Expression::Is(
            "instance:zc_lost:rate5m\n/ (sum without (group, route, endpoint) \
             (rate(zc_transfers_total{group!=\"other\"}[5m])) > 0)",
        ),
        meaning: "Events missed for each call that moved bytes.",
    },
    Recording {
        name: "instance:zc_observer_share:sum",
        unit: "cores",
        expression: Expression::Is("sum without (part) (zc_observer_share)"),
        meaning: "What zc itself takes: its programs and the daemon.",
    },
    Recording {
        name: "instance:zc_probes_down:count",
        unit: "probes",
        expression: Expression::Is("count without (probe, hook) (zc_probe_up == 0)"),
        meaning: "Probes that are attached nowhere. No series if there are none.",
    },
];

/// Over all nodes.
pub const WORKLOADS: &[Recording] = &[
    Recording {
        name: "workload:zc_copied_bytes:rate5m",
        unit: "bytes a second",
        expression: Expression::OverNodes("instance_group:zc_copied_bytes:rate5m"),
        meaning: "What the CPUs copied for input and output.",
    },
    Recording {
        name: "workload:zc_moved_bytes:rate5m",
        unit: "bytes a second",
        expression: Expression::OverNodes("instance_group:zc_moved_bytes:rate5m"),
        meaning: "What changed hands by reference.",
    },
    Recording {
        name: "workload:zc_known_bytes:rate5m",
        unit: "bytes a second",
        expression: Expression::OverNodes("instance_group:zc_known_bytes:rate5m"),
        meaning: "What was moved, of which it is known whether it was copied.",
    },
    Recording {
        name: "workload:zc_copies_per_byte:ratio_rate5m",
        unit: "copies a byte",
        expression: Expression::Is(
            "(\n  workload:zc_copied_bytes:rate5m\n  or 0 * workload:zc_known_bytes:rate5m\n)\n\
             / (workload:zc_known_bytes:rate5m > 0)",
        ),
        meaning: "How often each byte was copied that was moved: of the sums, not a mean of \
                  ratios.",
    },
    Recording {
        name: "workload:zc_zero_copy:ratio_rate5m",
        unit: "0 to 1",
        expression: Expression::Is(
            "(\n  workload:zc_moved_bytes:rate5m\n  or 0 * workload:zc_copied_bytes:rate5m\n)\n\
             / (\n  (\n    workload:zc_moved_bytes:rate5m\n    \
             or 0 * workload:zc_copied_bytes:rate5m\n  )\n  + (\n    \
             workload:zc_copied_bytes:rate5m\n    or 0 * workload:zc_moved_bytes:rate5m\n  )\n  \
             > 0\n)",
        ),
        meaning: "The share of bytes that changed hands by reference, of these and of those \
                  copied.",
    },
];

/// The groups of rules, in the order that they are read: each group has what it takes from
/// those before it a moment old, or in the same evaluation if it is its own.
pub const RECORDINGS: &[(&str, &[Recording])] = &[
    ("zc-groups", GROUPS),
    ("zc-switches", SWITCHES),
    ("zc-instances", INSTANCES),
    ("zc-workloads", WORKLOADS),
];

/// Every rule.
pub fn all() -> impl Iterator<Item = &'static Recording> {
    RECORDINGS.iter().flat_map(|(_, rules)| rules.iter())
}

#[cfg(test)]
mod tests {
    use zc_common::fallback::FALLBACKS;
    use zc_daemon::view::family::FAMILIES;

    use super::*;
    use crate::deploy::rules::metrics_in;

    #[test]
    fn names_are_level_metric_operations() {
        for rule in all() {
            let parts: Vec<_> = rule.name.split(':').collect();
            let [level, metric, operations] = parts.as_slice() else { panic!("{}", rule.name) };
            assert!(level.starts_with("instance") || *level == "workload", "{}", rule.name);
            assert!(metric.starts_with("zc_") && !metric.ends_with("_total"), "{}", rule.name);
            let ratio = operations.starts_with("ratio_");
            assert_eq!(ratio, operations == &"ratio_rate5m", "{}", rule.name);
            assert!(rule.meaning.ends_with('.') && !rule.unit.is_empty(), "{}", rule.name);
        }
    }

    /// A rule that asks for what nobody exports or records is always empty, and no error.
    #[test]
    fn rules_ask_for_what_there_is() {
        let exported = |name: &str| FAMILIES.iter().any(|family| family.name == name);
        for (at, rule) in all().enumerate() {
            for metric in metrics_in(&rule.expression.promql()) {
                let recorded = all().take(at).any(|earlier| earlier.name == metric);
                assert!(exported(&metric) || recorded, "{}: {metric}", rule.name);
            }
        }
    }

    #[test]
    fn fallbacks_are_of_all_interfaces_that_have_some() {
        let mut routes: Vec<_> = FALLBACKS.iter().map(|(route, _)| route.name()).collect();
        routes.sort_unstable();
        routes.dedup();
        let rule = all().find(|rule| rule.name.contains(":zc_fallback:")).unwrap();
        let text = rule.expression.promql();
        let (_, named) = text.split_once("route=~\"").unwrap();
        let mut named: Vec<_> = named.split_once('"').unwrap().0.split('|').collect();
        named.sort_unstable();
        assert_eq!(named, routes);
    }

    #[test]
    fn workloads_are_groups_without_what_is_new_with_each_pod() {
        let pods = regex::Regex::new(&format!("^(?:{PODS})$")).unwrap();
        let rows = [
            ("shop/cart-7d9f8b6c5d-x2x4z", Some("shop/cart")),
            ("shop/cart-0", Some("shop/cart")),
            ("shop/big-cart-12", Some("shop/big-cart")),
            ("kube-system/zc-b5k9t", Some("kube-system/zc")),
            ("shop/cart", None),
            ("nginx.service", None),
            ("python3-11", None),
        ];
        for (group, workload) in rows {
            let found = pods.captures(group).map(|found| found[1].to_owned());
            assert_eq!(found.as_deref(), workload, "{group}");
        }
    }
}
