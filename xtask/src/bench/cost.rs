//! Instructions of a call, traced and untraced, counted in guests.

use std::{fmt::Write as _, path::PathBuf, time::Duration};

use anyhow::{Result, bail, ensure};

use super::{
    CostFlags, page,
    targets::{Counts, RATIOS},
};
use crate::{
    apt, built, ebpf,
    vm::{self, Guest, GuestStatus},
};

const MARK: &str = "cost ";

const HEAD: &str = "\
By `cargo xtask bench cost`: instructions of one call, counted by the emulator under stock
Debian kernels (one processor, `-icount`; the median of 21 loops). *empty* is a program that
does nothing on the hook that the row needs; *zc-copy* is zc with the probes that see a copy of
a file and no others, so that it stays pending; *zc* is everything on that need not
be asked for, *zc-modes* has mode switches too; *bpftrace* is a keyed sum on the same hook.
";

/// Runs it.
pub(super) fn run(flags: &CostFlags) -> Result<()> {
    apt::ensure("to compare zc with", &["bpftrace"])?;
    let (empty, folder) = (ebpf::empty()?, built::programs()?);
    let cost = built::stripped(&folder, &folder.join("cost"))?;
    let mut kernels = Vec::new();
    for series in &flags.series {
        vm::fetch(series)?;
        let outcome = vm::boot(series, &guest(cost.clone(), empty.clone()))?;
        if outcome.status != GuestStatus::Exited(0) {
            bail!("{}: {:?}; the guest's lines are above", outcome.release, outcome.status);
        }
        let counts = read(&outcome.output);
        ensure!(!counts.is_empty(), "{}: the guest counted nothing", outcome.release);
        kernels.push((outcome.release, counts));
    }
    page::show("cost", &text(&kernels), flags.write)
}

fn guest(cost: PathBuf, empty: PathBuf) -> Guest {
    Guest {
        files: vec![(empty, "/payload/empty.bpf.o".to_owned())],
        binaries: vec![
            (cost, "/payload/cost".to_owned()),
            ("/usr/bin/bpftrace".into(), "/usr/bin/bpftrace".to_owned()),
        ],
        // bpftrace brings a compiler.
        memory_mib: 4096,
        disk_mib: Some(64),
        icount: true,
        timeout: Duration::from_secs(900),
        echo: true,
        ..Guest::new(
            "echo never >/sys/kernel/mm/transparent_hugepage/enabled\n\
             exec /payload/cost count /payload/empty.bpf.o /mnt",
        )
    }
}

/// `cost STAGE LOOP INSTRUCTIONS` or `cost STAGE LOOP - WHY`, a line each.
fn read(output: &str) -> Counts {
    let mut counts = Counts::new();
    for line in output.lines().filter_map(|line| line.strip_prefix(MARK)) {
        let mut words = line.trim().splitn(4, ' ');
        let (Some(stage), Some(call), Some(count)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let why = words.next().unwrap_or("not counted");
        let count = count.parse().map_err(|_| why.to_owned());
        counts.insert((stage.to_owned(), call.to_owned()), count);
    }
    counts
}

/// Both tables, as Markdown.
fn text(kernels: &[(String, Counts)]) -> String {
    let releases: Vec<_> = kernels.iter().map(|(release, _)| release.as_str()).collect();
    let across = format!("{} |\n", releases.join(" | "));
    let rule = format!("{}\n", "---|".repeat(kernels.len()));
    let mut text = format!("{HEAD}\n| ratio | at most | {across}|---|---|{rule}");
    for ratio in RATIOS {
        let most = ratio.most.map_or("-".to_owned(), |most| format!("{most}"));
        let _ = write!(text, "| {} | {most} |", ratio.name);
        for (_, counts) in kernels {
            let _ = match ratio.value(counts) {
                Ok(value) => {
                    let verdict = match ratio.is_met(value) {
                        Some(true) => " met",
                        Some(false) => " **not met**",
                        None => "",
                    };
                    write!(text, " {value:.3}{verdict} |")
                }
                Err(why) => write!(text, " unknown: {why} |"),
            };
        }
        text.push('\n');
    }
    let _ = write!(text, "\n| stage | call | {across}|---|---|{rule}");
    let mut rows: Vec<_> = kernels.iter().flat_map(|(_, counts)| counts.keys()).collect();
    rows.sort_by_key(|(stage, call)| (call, stage != "untraced", stage));
    rows.dedup();
    for row in rows {
        let _ = write!(text, "| {} | {} |", row.0, row.1);
        for (_, counts) in kernels {
            let cell = match counts.get(row) {
                Some(Ok(count)) => format!("{count:.1}"),
                Some(Err(_)) => "unknown".to_owned(),
                None => "-".to_owned(),
            };
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_counted_is_unknown_and_says_why() {
        let counts = read("boot\ncost zc getppid 465.0\ncost bpftrace pread-1 - no such probe\n");
        let key = |stage: &str, call: &str| (stage.to_owned(), call.to_owned());
        assert_eq!(counts[&key("zc", "getppid")], Ok(465.0));
        assert_eq!(counts[&key("bpftrace", "pread-1")], Err("no such probe".to_owned()));
        let text = text(&[("6.12.1".to_owned(), counts)]);
        assert!(text.contains("| zc | getppid | 465.0 |"), "{text}");
        assert!(text.contains("| bpftrace | pread-1 | unknown |"), "{text}");
    }
}
