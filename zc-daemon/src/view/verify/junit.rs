//! The report as JUnit XML: one test case, which passes, fails, or is in error.

use anyhow::{Context as _, Result};
use quick_junit::{NonSuccessKind, Report as Suites, TestCase, TestCaseStatus, TestSuite};

use super::Report;

pub(super) fn of(report: &Report) -> Result<String> {
    let kind = match report.verdict {
        "pass" => None,
        "broken" => Some(NonSuccessKind::Failure),
        _ => Some(NonSuccessKind::Error),
    };
    let mut status = kind.map_or_else(TestCaseStatus::success, |kind| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_type(report.verdict).set_message(report.headline());
        status
    });
    if kind.is_some() {
        status.set_description(report.text());
    }
    let mut case = TestCase::new(report.target.name.as_str(), status);
    case.set_classname("zc.verify").set_time(std::time::Duration::from_secs_f64(report.seconds));
    case.set_system_out(report.text());
    let mut suite = TestSuite::new("zc verify");
    suite.add_test_case(case);
    let mut suites = Suites::new("zc");
    suites.add_test_suite(suite);
    suites.to_string().context("the report cannot be written as XML")
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;

    #[test]
    fn broken_is_a_failure_and_blind_is_an_error() {
        let of = |verdict| report(verdict).junit().unwrap();
        assert!(of("pass").contains("tests=\"1\" failures=\"0\" errors=\"0\""), "{}", of("pass"));
        let broken = of("broken");
        assert!(broken.contains("failures=\"1\" errors=\"0\""), "{broken}");
        assert!(broken.contains("name=\"cat &quot;a&quot; &amp; b\""), "{broken}");
        assert!(broken.contains("0.05 &lt;each&gt;"), "{broken}");
        assert!(of("cannot_tell").contains("failures=\"0\" errors=\"1\""));
    }
}
