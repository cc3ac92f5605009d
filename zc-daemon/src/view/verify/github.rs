//! The report as annotations of a GitHub Actions run (workflow commands).

use std::fmt::Write as _;

use super::Report;

pub(super) fn of(report: &Report) -> String {
    let mut page = String::new();
    let mut annotate = |level: &str, text: &str| {
        let text = format!("{}: {text}", report.target.name);
        let _ = writeln!(page, "::{level} title=zc verify::{}", escape(&text));
    };
    for text in &report.broken {
        annotate("error", text);
    }
    for text in &report.unsure {
        annotate("warning", text);
    }
    for reason in &report.reasons {
        annotate("notice", &format!("{} bytes {}; {}", reason.bytes, reason.text, reason.remedy));
    }
    if report.verdict == "pass" {
        annotate("notice", &report.headline());
    }
    page
}

/// What would end a command.
fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;

    #[test]
    fn an_annotation_is_one_line() {
        let mut broken = report("broken");
        broken.target.name = "printf 'a%s\n'".to_owned();
        let page = broken.github();
        assert!(page.starts_with("::error title=zc verify::printf 'a%25s%0A': 2.0 MiB"), "{page}");
        assert_eq!(page.lines().count(), 2);
        assert!(
            report("pass").github().contains("::notice title=zc verify::cat \"a\" & b: within")
        );
        assert!(report("cannot_tell").github().starts_with("::warning "));
    }
}
