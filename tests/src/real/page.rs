//! `docs/programs.md`: what the table of cases says, for people.

use std::fmt::Write as _;

use super::case::{Amount, CASES, Case, POLICY};

const HEAD: &str = "\
# What real programs copy

Generated from `tests/src/real/case.rs` by `cargo test -p zc-tests`; do not edit.

Each row is a program of Debian's packages, judged by `zc verify POLICY -- COMMAND`.
`cargo xtask test` runs every row, on this kernel and on a stock one (6.12), and fails
where a program does something else: the file arrives as it was, copies per byte and each kind
of copy are those below to 1 % of the file, and verdict and reason are these. Where copies are
only inferred, the verdict without `--allow-inferred` must be `cannot_tell`. Where zc says that
it missed events, as it may where processes contend for a processor from Linux 7.0 on, bytes
may be off by 10 %, and a `pass` may be `cannot_tell`.

Copies per byte are bytes copied by bytes moved, on either side of the program: who reads and
writes all moves each byte twice and copies it twice, which is 1.

";

/// The page.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.replace("POLICY", &POLICY.join(" "));
    page += "| case | copied, times the file | copies per byte | verdict | reason | fix |\n";
    page += "|---|---|---|---|---|---|\n";
    for case in CASES {
        let reason = case.reason.map_or_else(|| "-".to_owned(), |code| format!("`{code}`"));
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "| {} | {} | {:.1} | {} | {reason} | {} |",
            case.name,
            copied(case),
            case.per_byte,
            case.verdict,
            case.fix,
        );
    }
    page += "\nWhat is run, and what happens:\n\n";
    for case in CASES {
        let nginx = if case.command.starts_with("nginx") { case.nginx } else { "" };
        let told = if nginx.is_empty() { String::new() } else { format!(" with `{nginx}`") };
        let (name, command) = (case.name, case.command);
        let _ = writeln!(page, "* **{name}**, `{command}`{told}: {}.", case.because);
    }
    page
}

fn copied(case: &Case) -> String {
    let rows = case.copied.iter().map(|row| {
        let amount = match row.amount {
            Amount::File(times) => times.to_string(),
            Amount::Wire => "compressed".to_owned(),
        };
        format!("{amount} {} {}", row.route, row.direction)
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() { "nothing".to_owned() } else { rows.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page is written anew with `UPDATE=1`.
    #[test]
    fn the_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/programs.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap();
        assert!(page == markdown(), "docs/programs.md is stale: run UPDATE=1 cargo test");
    }
}
