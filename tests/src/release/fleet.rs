//! The sizes of `docs/fleet.md`, from the page that `cargo xtask bench daemon` measured.

use std::fmt::Write as _;

/// Fleets that are told of: nodes, and seconds between two scrapes.
const FLEETS: [(u64, u64); 4] = [(100, 15), (1000, 15), (1000, 60), (10_000, 60)];

/// Bytes on disk of a sample, at most (Prometheus' own page on storage: 1 to 2).
const SAMPLE: u64 = 2;

const DAY: u64 = 24 * 60 * 60;

/// A page as it was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Page {
    groups: u64,
    kilobytes: u64,
    series: u64,
}

/// The page beside a thousand processes, in the table of `docs/overhead.md`.
fn measured(overhead: &str) -> Option<Page> {
    let row = overhead.lines().find(|line| line.starts_with("| 1000 processes in "))?;
    let groups = row.split(' ').nth(4)?.parse().ok()?;
    let (kilobytes, rest) = row.split('|').nth(6)?.trim().split_once(" kB (")?;
    let series = rest.strip_suffix(')')?.parse().ok()?;
    Some(Page { groups, kilobytes: kilobytes.parse().ok()?, series })
}

/// The tables; none if the measured page is not found.
#[must_use]
pub fn tables(overhead: &str) -> Option<String> {
    let Page { groups, kilobytes, series } = measured(overhead)?;
    let mut text = format!(
        "A node with {groups} groups has {series} series, {kilobytes} kB a scrape: {} series and \
         {:.1} kB a group.\n\n\
         | nodes | scraped each | series | samples a second | not compressed | on disk, a day |\n\
         |---:|---:|---:|---:|---:|---:|\n",
        series.div_ceil(groups),
        kilobytes as f64 / groups as f64,
    );
    for (nodes, interval) in FLEETS {
        let all = nodes * series;
        let _ = writeln!(
            text,
            "| {nodes} | {interval} s | {:.1} million | {} | {:.1} MB/s | {} GB |",
            all as f64 / 1e6,
            all / interval,
            (nodes * kilobytes) as f64 / interval as f64 / 1e3,
            (all * DAY / interval * SAMPLE).div_ceil(1_000_000_000),
        );
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_measured_page_is_read() {
        let row =
            "| 1000 processes in 200 groups | 1 ms | 2 ms | 1 ms | 2 ms | 275 kB (3608) | 0 |";
        let page = Page { groups: 200, kilobytes: 275, series: 3608 };
        assert_eq!(measured(row), Some(page));
        assert_eq!(measured("| 10 processes |"), None);
    }

    /// The tables in the page are written anew with `UPDATE=1`.
    #[test]
    fn docs_fleet_is_current() {
        const BEGIN: &str = "<!-- fleets -->\n";
        const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
        let path = format!("{DOCS}/fleet.md");
        let page = fs::read_to_string(&path).unwrap();
        let (before, rest) = page.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once("<!-- /fleets -->").unwrap();
        let overhead = fs::read_to_string(format!("{DOCS}/overhead.md")).unwrap();
        let tables = tables(&overhead).unwrap();
        let current = format!("{before}{BEGIN}{tables}<!-- /fleets -->{after}");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &current).unwrap();
        }
        let page = fs::read_to_string(&path).unwrap();
        assert!(page == current, "docs/fleet.md is stale: run UPDATE=1 cargo test");
    }
}
