//! The formula of `docs/sizing.md`, from the maps' own sizes.

use std::fmt::Write as _;

use zc_daemon::{
    engine::{history::Bin, ledger::Ledger, sparse::Sparse},
    kernel::sizes::{FIXED, Kept, Kind, Sizes},
};

/// A machine: what it is, its CPUs, its `pid_max`, and the threads to follow.
const MACHINES: &[(&str, u32, u32, u32)] = &[
    ("2 CPUs, pid_max 32 768, default", 2, 32_768, 16_384),
    ("8 CPUs, pid_max 4 194 304, default", 8, 4_194_304, 16_384),
    ("64 CPUs, 10 000 threads live, default", 64, 4_194_304, 40_000),
    ("128 CPUs, 100 000 threads live, default", 128, 4_194_304, 400_000),
    ("128 CPUs, 100 000 threads live, `--threads 120000`", 128, 4_194_304, 120_000),
];

/// How many entries each map has, in words.
const ENTRIES: [(&str, &str); 8] = [
    ("SLOTS", "C + T"),
    ("SLOT_OF", "P"),
    ("FREE", "T + 1"),
    ("TAKEN", "(C + T) / 64"),
    ("OWNERS", "T, at least 16 384"),
    ("HANDED", "T / 4, at least 4096"),
    ("ARGV", "C + T if a template asks for `argv`, else 1"),
    ("CGROUPS", "4096 where there are cgroups, and C"),
];

/// The maps of a machine, as `zc run` wants them by default.
fn sizes(threads: u32, pids: u32) -> Sizes {
    let identity = Kept { cgroups: Kept::CGROUPS, ..Kept::default() };
    Sizes { identity, ..Sizes::new(threads, pids) }
}

/// The tables.
#[must_use]
pub fn tables() -> String {
    let mut page = String::from("| memory | entries | bytes each |\n|---|---|---|\n");
    let maps = sizes(1, 1).maps(1);
    // Writing to a String cannot fail.
    for (room, (map, entries)) in maps.iter().zip(ENTRIES) {
        let bucket = match room.kind {
            Kind::Lru | Kind::Hash(_) => ", and 16 to 32 to find it",
            Kind::Array | Kind::Stack => "",
        };
        let _ = writeln!(page, "| `{map}` | {entries} | {}{bucket} |", room.entry);
    }
    let _ = writeln!(page, "| words of the CPUs, ring for debug lines | 1 | {FIXED} |");
    let books = [("slot in use", Ledger::A_SLOT), ("process", Ledger::A_PROCESS)];
    for (what, bytes) in books {
        let counter = Sparse::ENTRY;
        let each = format!("{bytes}, and {counter} for each counter that is not zero");
        let _ = writeln!(page, "| the daemon's books, of each {what} | as many | {each} |");
    }
    let counter = Sparse::ENTRY;
    let (interval, group) = (Bin::SIZE, Bin::A_GROUP);
    let _ = writeln!(page, "| the history, of each interval | see below | {interval} |");
    let each = format!("{group}, and {counter} for each counter that is not zero");
    let _ =
        writeln!(page, "| the history, of each group with traffic in one | see below | {each} |");
    page += "\n| machine | the kernel's part |\n|---|---|\n";
    for (machine, cpus, pids, threads) in MACHINES {
        let bytes = sizes(*threads, *pids).bytes(*cpus);
        let _ = writeln!(page, "| {machine} | {} MB |", bytes.div_ceil(1_000_000));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables in the page are written anew with `UPDATE=1`.
    #[test]
    fn docs_sizing_is_current() {
        const BEGIN: &str = "<!-- sizes -->\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/sizing.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (before, rest) = page.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once("<!-- /sizes -->").unwrap();
        let current = format!("{before}{BEGIN}{}<!-- /sizes -->{after}", tables());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap();
        assert!(page == current, "docs/sizing.md is stale: run UPDATE=1 cargo test");
    }

    #[test]
    fn the_words_are_of_the_maps_there_are() {
        let maps = Sizes::LEAST.maps(1);
        assert_eq!(maps.map(|room| room.map), ENTRIES.map(|(map, _)| map));
    }
}
