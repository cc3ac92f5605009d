//! docs/overhead.md: a section for each benchmark, between its own marks.

use std::fs;

use anyhow::{Context as _, Result};

use crate::ebpf::top;

/// Writes a section anew; what stands around it stays.
pub(super) fn write(section: &str, text: &str) -> Result<()> {
    let path = top().join("docs/overhead.md");
    let page =
        fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let page = replaced(&page, section, text)
        .with_context(|| format!("{} has no marks of {section:?}", path.display()))?;
    fs::write(&path, page)?;
    eprintln!("xtask: wrote {}", path.display());
    Ok(())
}

/// The page with `text` between the marks of a section.
fn replaced(page: &str, section: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {section}: begin -->\n"), format!("<!-- {section}: end -->"));
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some([before, &begin, text, &end, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = "# A\n<!-- b: begin -->\nold\n<!-- b: end -->\nrest\n";
        let expected = "# A\n<!-- b: begin -->\nnew\n<!-- b: end -->\nrest\n";
        assert_eq!(replaced(page, "b", "new\n").as_deref(), Some(expected));
        assert_eq!(replaced(page, "c", "new\n"), None);
    }
}
