//! Workloads on this host with and without the daemon, by turns.

use std::{collections::BTreeMap, env, fmt::Write as _};

use anyhow::{Context as _, Result, ensure};

use super::{OverheadFlags, page};
use crate::{
    built, cmd,
    ebpf::{self, top},
    run::as_root,
};

const MARK: &str = "pair ";

/// The most that a workload should take with the daemon, to what it takes without, in the
/// inferred mode of a host that takes no programs on functions.
const TARGETS: &[(&str, f64)] = &[("getppid", 1.8), ("pread-1", 1.6), ("ping-pong", 1.2)];

/// What each workload takes in one pair: CPU nanoseconds of an operation without the daemon,
/// with it, without it once more, with empty programs on two of its hooks, and with it while the
/// kernel times its programs.
type Pairs = BTreeMap<String, Vec<[f64; 5]>>;

/// Runs it.
pub(super) fn run(flags: &OverheadFlags) -> Result<()> {
    let folder = built::programs()?;
    let mut command = as_root(&folder.join("cost"))?;
    let empty = ebpf::empty()?;
    command.env("ZC_BIN", &folder).arg("pairs").arg(empty).arg(flags.pairs.to_string());
    let output = cmd::output(command.arg(env::temp_dir()).current_dir(top()))?;
    let pairs = read(&String::from_utf8(output)?);
    ensure!(!pairs.is_empty(), "nothing was timed");
    let kernel = rustix::system::uname();
    let release = kernel.release().to_str().context("a release that is no text")?;
    let section = text(&pairs, release.split('-').next().unwrap_or(release));
    page::show("overhead", &section, flags.write)
}

fn read(output: &str) -> Pairs {
    let mut pairs = Pairs::new();
    for line in output.lines().filter_map(|line| line.strip_prefix(MARK)) {
        let words: Vec<_> = line.split_whitespace().collect();
        let [name, times @ ..] = &words[..] else { continue };
        let times: Vec<_> = times.iter().filter_map(|time| time.parse().ok()).collect();
        if let Ok(times) = <[f64; 5]>::try_from(times) {
            pairs.entry((*name).to_owned()).or_default().push(times);
        }
    }
    pairs
}

fn text(pairs: &Pairs, release: &str) -> String {
    let count = pairs.values().map(Vec::len).min().unwrap_or(0);
    let mut text = format!(
        "By `cargo xtask bench overhead` on Linux {release}: CPU time of one operation with the \
         daemon\nto that without, the median of {count} pairs in alternating order and its \
         quartiles. *on* is the mean\nof its cycle, in which the kernel times its programs for one \
         second of twenty (*timed*). The\n*null pair* is two runs without it: what it differs \
         from 1 by is noise. Targets are those of a host\nthat takes no programs on functions.\n\n\
         | workload | off, ns | on, ns | on/off | timed/off | empty/off | null pair | at most |\n\
         |---|---|---|---|---|---|---|---|\n"
    );
    for (name, times) in pairs {
        let of = |value: &dyn Fn(&[f64; 5]) -> f64| quartiles(times.iter().map(value).collect());
        let ([_, off, _], [_, on, _]) = (of(&|times| times[0]), of(&|times| times[1]));
        let to_off = |stage: usize| of(&|times| times[stage] / times[0]);
        let (ratio, null, empty, timed) = (to_off(1), to_off(2), to_off(3), to_off(4));
        let most = TARGETS.iter().find(|(target, _)| target == name);
        let verdict = most.map_or("-".to_owned(), |(_, most)| {
            format!("{most} {}", if ratio[1] <= *most { "met" } else { "**not met**" })
        });
        let _ = writeln!(
            text,
            "| {name} | {off:.0} | {on:.0} | {} | {} | {} | {} | {verdict} |",
            spread(ratio),
            spread(timed),
            spread(empty),
            spread(null)
        );
    }
    text
}

fn spread([lower, median, upper]: [f64; 3]) -> String {
    format!("{median:.2} [{lower:.2}-{upper:.2}]")
}

/// The lower quartile, the median and the upper quartile.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    [last / 4, last / 2, last - last / 4].map(|position| values[position])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_ratios_with_their_spread() {
        let pairs = read(
            "x\npair getppid 100 190 101 140 220\npair getppid 100 170 99 130 210\npair getppid 100 150 98 120 200\n",
        );
        let text = text(&pairs, "6.18");
        assert!(
            text.contains(
                "| getppid | 100 | 170 | 1.70 [1.50-1.90] | 2.10 [2.00-2.20] | 1.30 [1.20-1.40] | 0.99 [0.98-1.01] | 1.8 met |"
            ),
            "{text}"
        );
    }
}
