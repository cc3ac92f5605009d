//! The report as SARIF 2.1.0 (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/>): what is
//! broken is an error, what cannot be told a warning, each reason a note.

use serde_json::{Value, json};

use super::Report;

pub(super) fn of(report: &Report) -> Value {
    let result = |rule: &str, level: &str, text: &str| {
        json!({
            "ruleId": rule,
            "level": level,
            "message": { "text": format!("{}: {text}", report.target.name) },
            "locations": [{ "logicalLocations": [{
                "fullyQualifiedName": report.target.name, "kind": "process",
            }] }],
        })
    };
    let broken = report.broken.iter().map(|text| result("zero-copy-broken", "error", text));
    let unsure = report.unsure.iter().map(|text| result("zero-copy-unknown", "warning", text));
    let reasons = report.reasons.iter().map(|reason| {
        let text = format!("{} bytes {}; {}", reason.bytes, reason.text, reason.remedy);
        result(reason.code, "note", &text)
    });
    let results: Vec<_> = broken.chain(unsure).chain(reasons).collect();
    let rule = |id: &str, text: &str| json!({ "id": id, "shortDescription": { "text": text } });
    let mut rules = vec![
        rule("zero-copy-broken", "More was copied than the policy allows"),
        rule("zero-copy-unknown", "Whether more was copied than the policy allows is not known"),
    ];
    rules.extend(report.reasons.iter().map(|reason| rule(reason.code, reason.text)));
    json!({
        "version": "2.1.0",
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "runs": [{
            "tool": { "driver": {
                "name": "zc", "version": env!("CARGO_PKG_VERSION"), "rules": rules,
            } },
            "results": results,
            "properties": { "verdict": report.verdict, "copiesPerByte": report.copies_per_byte },
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;

    #[test]
    fn every_result_has_its_rule() {
        for (verdict, level) in [("broken", "error"), ("cannot_tell", "warning"), ("pass", "note")]
        {
            let sarif = report(verdict).sarif();
            let run = &sarif["runs"][0];
            assert_eq!(run["results"][0]["level"], level);
            let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
            for result in run["results"].as_array().unwrap() {
                assert!(rules.iter().any(|rule| rule["id"] == result["ruleId"]), "{result}");
            }
        }
    }
}
