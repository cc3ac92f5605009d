//! `docs/overhead.md`: each benchmark keeps its own section, between two marks.

use std::{
    fs,
    io::{self, Write as _},
};

use anyhow::{Context as _, Result};

use crate::ebpf::top;

const PAGE: &str = "docs/overhead.md";

/// Prints a section, and with `write` puts it into the page.
pub(super) fn show(name: &str, section: &str, write: bool) -> Result<()> {
    writeln!(io::stdout(), "{section}")?;
    if !write {
        return Ok(());
    }
    let path = top().join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
    let page = replace(&page, name, section)
        .with_context(|| format!("{PAGE} has no marks of the section {name}"))?;
    fs::write(&path, page).with_context(|| format!("cannot write {PAGE}"))
}

/// The page with another section between the marks of this name.
fn replace(page: &str, name: &str, section: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->\n"));
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}\n\n{end}{after}", section.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_the_rest_stays() {
        let page = "# A\n<!-- begin x -->\nold\n<!-- end x -->\nmore\n";
        let new = replace(page, "x", "new\n").unwrap();
        assert_eq!(new, "# A\n<!-- begin x -->\n\nnew\n\n<!-- end x -->\nmore\n");
        assert_eq!(replace(&new, "x", "new").unwrap(), new);
        assert!(replace(page, "y", "new").is_none());
    }

    #[test]
    fn the_page_has_a_section_for_each_benchmark() {
        let page = include_str!("../../../docs/overhead.md");
        for name in ["cost", "overhead", "daemon"] {
            assert!(replace(page, name, "").is_some(), "{name}");
        }
    }
}
