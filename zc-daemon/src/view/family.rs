//! THE table of metric families: name, labels and HELP text. The exposition and
//! `docs/metrics.md` derive from it.

/// How a family's values behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Only ever grows while the daemon lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in buckets.
    Histogram,
}

impl Type {
    /// As the exposition format spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One row: a metric family.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// Its labels, in order.
    pub labels: &'static [&'static str],
    /// Its HELP text.
    pub help: &'static str,
}

macro_rules! families {
    ($($constant:ident = $name:literal, $kind:ident, [$($label:literal),*], $help:literal;)+) => {
        $(
            #[doc = $help]
            pub const $constant: Family = Family {
                name: $name, kind: Type::$kind, labels: &[$($label),*], help: $help,
            };
        )+

        /// Every family of zc's own.
        pub const FAMILIES: &[Family] = &[$($constant),+];
    };
}

families! {
    TRANSFERRED = "zc_transferred_bytes_total", Counter, ["group", "route", "endpoint"],
        "Bytes that the kernel reported as moved, by interface and far end (for two ends: where \
         they went). mmap counts bytes mapped, touched or not.";
    TRANSFERS = "zc_transfers_total", Counter, ["group", "route", "endpoint"],
        "Calls that moved at least one byte.";
    COPIED = "zc_copied_bytes_total", Counter, ["group", "route", "direction", "quality"],
        "Bytes that the CPU copied. quality=\"measured\": seen in the functions that copy; \
         quality=\"inferred\": what the interface must copy by the textbook, from the bytes it \
         moved; not observed.";
    COPIES = "zc_copies_total", Counter, ["group", "route", "direction", "quality"],
        "Times that the CPU copied: measured, of the functions that copy; inferred, of system \
         calls. See zc_copied_bytes_total.";
    UNKNOWN = "zc_copy_unknown_bytes_total", Counter, ["group", "route", "endpoint"],
        "Transferred bytes of which zc cannot tell whether the CPU copied them: they stand \
         in no series of zc_copied_bytes_total, and are not zero copies.";
    MOVED = "zc_moved_bytes_total", Counter, ["group", "route"],
        "Bytes that changed hands by reference, without a copy while the call ran. Of routes \
         that the textbook settles it is what was transferred less what was seen copied; of \
         others, what was seen linked.";
    FALLBACK = "zc_fallback_bytes_total", Counter, ["group", "route", "reason"],
        "Bytes seen copied although the interface can do without, by why; they stand in \
         zc_copied_bytes_total too.";
    SYSCALLS = "zc_syscalls_total", Counter, ["group", "class"],
        "System calls that returned. Each is two mode switches. Counted only with \
         --mode-switches, or where no other hook shows what calls move (see zc_probe_up).";
    SWITCHES = "zc_context_switches_total", Counter, ["group", "type"],
        "Context switches of threads, as in /proc/PID/status.";
    FAULTS = "zc_page_faults_total", Counter, ["group", "type"],
        "Page faults of threads as of their last context switch, as in /proc/PID/stat.";
    FAULTS_BY_BACKING = "zc_page_faults_by_backing_total", Counter, ["group", "type", "backing"],
        "Page faults as they are handled, by what backs the page; their sum over backings is \
         zc_page_faults_total. backing=\"anonymous\": heap, stack, private memory; \
         backing=\"file\": a mapping of a file (of a private one too, whose pages are copied as \
         they are written), shared memory, a device.";
    GROUP_INFO = "zc_group_info", Gauge,
        ["group", "unit", "container", "runtime", "pod_uid", "pod_namespace", "pod_name", "user"],
        "1, for each group that has a process, labelled with what all its processes share; empty \
         where they differ, or it is not known.";
    GROUPS_EXPIRED = "zc_groups_expired_total", Counter, [],
        "Groups whose last process had ended for --group-expiry, so that their totals were added \
         to group=\"other\" and are shown no more.";
    PROCESSES = "zc_processes", Gauge, [],
        "Processes that live and have run since the daemon started.";
    GROUP_OVERFLOW = "zc_group_overflow_total", Counter, [],
        "Bookings that went to group=\"other\" because as many groups as --max-groups were shown.";
    LOST = "zc_lost_total", Counter, ["reason"],
        "Events known to be missing from the other families.";
    PROBE_UP = "zc_probe_up", Gauge, ["probe", "hook"],
        "1 if the probe is attached to the hook; 0 if it could be attached nowhere, or was given up \
         to keep to --budget (hook=\"\"): what it measures is then unknown, not zero.";
    ROUTE_COVERAGE = "zc_route_coverage", Gauge, ["route", "quality"],
        "1, labelled with how well copies are measured on a route. quality=\"exact\": to the \
         byte, by the self-test at the start (zc run --self-test); quality=\"bounded\": the truth \
         lies between what is measured, and that with what is inferred; quality=\"unverified\": \
         measured, but no self-test was run on it, or it was cut short; quality=\"differs\": the \
         self-test was measured wrongly; quality=\"inferred\": no hook is attached, so that copies \
         are inferred, or unknown.";
    MAP_ENTRIES = "zc_map_entries", Gauge, ["map"],
        "Entries in use in an eBPF map.";
    MAP_CAPACITY = "zc_map_capacity", Gauge, ["map"],
        "Entries that an eBPF map can hold.";
    PROGRAM_SECONDS = "zc_bpf_program_run_seconds_total", Counter, ["program"],
        "Time that a program of zc ran on all CPUs, of the time that runs were timed \
         (zc_bpf_stats_seconds_total), which is a part of all: the rate of this divided by the \
         rate of that is what the program takes of a core. To time a run costs more than some runs \
         take, and is not in it. A program that is detached has no series.";
    PROGRAM_RUNS = "zc_bpf_program_runs_total", Counter, ["program"],
        "Runs of a program of zc that were timed. See zc_bpf_program_run_seconds_total.";
    TIMED = "zc_bpf_stats_seconds_total", Counter, [],
        "Time in which zc had the kernel time the runs of programs (BPF statistics): at least a \
         second in each twenty; with --budget, in each three.";
    RECURSION_MISSES = "zc_bpf_program_recursion_misses_total", Counter, ["program"],
        "Runs of a program that the kernel skipped as it was under way on that CPU already (as \
         far as the kernel counts them, from 5.12; by kprobe from 6.7). Their sums stand in \
         zc_lost_total.";
    LINK_MISSES = "zc_bpf_link_misses_total", Counter, ["program"],
        "Hits of a kprobe, or calls that a kretprobe could not follow, at which the kernel did \
         not come to run a program (from 6.7; other hooks have no such misses).";
    OBSERVER_SHARE = "zc_observer_share", Gauge, ["part"],
        "What zc takes of one core (1 is all of it), as last looked at: part=\"programs\": its \
         programs on all CPUs, while their runs were timed; part=\"daemon\": the daemon itself, \
         since the look before.";
    BUILD_INFO = "zc_build_info", Gauge, ["version", "object"],
        "1, labelled with the daemon's version and the start of its eBPF object's SHA-256.";
    SCRAPE_DURATION = "zc_scrape_duration_seconds", Histogram, [],
        "Time to read every slot and render /metrics.";
}

/// `docs/metrics.md`.
#[must_use]
pub fn markdown() -> String {
    use std::fmt::Write as _;

    let mut page = String::from(HEAD);
    for family in FAMILIES {
        let labels = match family.labels {
            [] => "none".to_owned(),
            labels => labels.join(", "),
        };
        let (name, kind, help) = (family.name, family.kind.name(), family.help);
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{name}` | {kind} | {labels} | {help} |");
    }
    page.push_str(&labels());
    page
}

const HEAD: &str = "\
# Metrics

Generated from the tables in the source by `cargo test -p zc-daemon`; do not edit.

Series appear once they are above zero. A family whose probe is down
(`zc_probe_up`) has no series: unknown is not zero. The `process_*` families of
the daemon itself are those of every Prometheus client.

| family | type | labels | meaning |
|---|---|---|---|
";

fn labels() -> String {
    use zc_common::{
        counter::{Backing, Fault, Switch},
        fallback::Reason,
        flow::{Direction, Endpoint, Route},
        slot::Lost,
        syscall::Class,
    };

    use crate::engine::{coverage::Coverage, summary::Quality};

    fn row(label: &str, names: impl Iterator<Item = &'static str>) -> String {
        let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
        format!("| {label} | {} |\n", names.join(", "))
    }

    let mut page = String::from("\n## Label values\n\n| label | values |\n|---|---|\n");
    page += &row("route", Route::ALL.iter().map(|route| route.name()));
    page += &row("endpoint", Endpoint::ALL.iter().map(|endpoint| endpoint.name()));
    page += &row("direction", Direction::ALL.iter().map(|direction| direction.name()));
    let qualities = [Quality::Measured, Quality::Inferred];
    page += &row("quality (copies)", qualities.iter().map(|quality| quality.name()));
    page += &row("quality (routes)", Coverage::ALL.iter().map(|coverage| coverage.name()));
    page += &row("class", Class::ALL.iter().map(|class| class.name()));
    page += &row("type (switches)", Switch::ALL.iter().map(|switch| switch.name()));
    page += &row("type (faults)", Fault::ALL.iter().map(|fault| fault.name()));
    page += &row("backing", Backing::ALL.iter().map(|backing| backing.name()));
    page += &row("reason (fallback)", Reason::ALL.iter().map(|reason| reason.name()));
    let skipped = ["recursion", "recursion_copying", "recursion_faults"];
    page += &row("reason (lost)", Lost::ALL.iter().map(|lost| lost.name()).chain(skipped));
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page is written anew with `UPDATE=1`.
    #[test]
    fn docs_metrics_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap();
        assert!(page == markdown(), "docs/metrics.md is stale: run UPDATE=1 cargo test");
    }

    #[test]
    fn groups_are_labelled_as_templates_call_it() {
        let labels = crate::engine::identity::LABELS.map(|field| field.name());
        assert_eq!(GROUP_INFO.labels[1..], labels);
    }

    #[test]
    fn names_follow_the_conventions() {
        for family in FAMILIES {
            assert!(family.name.starts_with("zc_"), "{}", family.name);
            let total = family.name.ends_with("_total");
            assert_eq!(total, family.kind == Type::Counter, "{}", family.name);
            assert!(family.help.ends_with('.'), "{}", family.name);
        }
    }
}
