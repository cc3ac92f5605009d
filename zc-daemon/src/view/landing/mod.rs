//! `/`: the live page. It is whole without scripts, with totals; its script shows rates.
//!
//! Nothing on it comes from elsewhere, and its policy of content lets nothing else run: style
//! and script are known by their hashes, and names of groups enter as text.

mod rows;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::digest::{SHA256, digest};

use super::groups::Groups;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The value of `Content-Security-Policy`.
#[must_use]
pub fn policy() -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

/// The page, with the exposition at a path.
#[must_use]
pub fn page(groups: &Groups<'_>, telemetry_path: &str) -> String {
    let mut page = String::with_capacity(STYLE.len() + SCRIPT.len() + (32 << 10));
    page += "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>zc</title>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <link rel=\"icon\" href=\"data:,\">\n<style>";
    page += STYLE;
    page += "</style>\n</head>\n<body>\n<header>\n<h1>zc ";
    page += env!("CARGO_PKG_VERSION");
    page += "</h1>\n<p class=\"faint\">What the kernel moves for each group of processes, and what \
             its CPU copies on the way.</p>\n";
    page += &links(telemetry_path);
    page += "</header>\n<main>\n<p id=\"state\" role=\"status\">Totals since each group was first \
             seen. Rates take a script, which has not run.</p>\n";
    page += SUMS;
    rows::groups(&mut page, groups);
    rows::coverage(&mut page, groups);
    page += "</main>\n<script>";
    page += SCRIPT;
    page += "</script>\n</body>\n</html>\n";
    page
}

fn links(telemetry_path: &str) -> String {
    let links = [
        (telemetry_path, "metrics"),
        ("/api/v1/groups", "groups (JSON)"),
        ("/api/v1/processes", "processes (JSON)"),
        ("/-/healthy", "healthy"),
        ("/-/ready", "ready"),
    ];
    let links = links.map(|(path, name)| format!("<a href=\"{path}\">{name}</a>"));
    format!("<nav aria-label=\"Pages\">{}</nav>\n", links.join(" · "))
}

/// The sums over all groups, which the script fills.
const SUMS: &str = "<dl class=\"sums\" aria-label=\"All groups\">\n\
<div><dt>Copied</dt><dd id=\"all-copied\">–</dd></div>\n\
<div><dt>Copies per byte</dt><dd id=\"all-ratio\">–</dd></div>\n\
<div><dt>Moved by reference</dt><dd id=\"all-moved\">–</dd></div>\n\
<div><dt>Context switches</dt><dd id=\"all-switches\">–</dd></div>\n\
<div><dt>Page faults</dt><dd id=\"all-faults\">–</dd></div>\n\
<div><dt>zc, of one core</dt><dd id=\"all-share\">–</dd></div>\n</dl>\n";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        engine::{
            probes::Probes,
            snapshot::{Group, Snapshot},
        },
        view::{groups, json::Coverage},
    };

    fn of(name: &str, probes: Probes) -> String {
        let group = Group { name: name.to_owned(), tally: Default::default(), identity: None };
        let probes = Arc::new(probes);
        let coverage = Coverage { probes: Arc::clone(&probes), ..Coverage::default() };
        let snapshot = Snapshot { groups: vec![group], probes, ..Snapshot::default() };
        page(&groups::groups(&snapshot, &coverage, 0.0), "/metrics")
    }

    #[test]
    fn names_are_text() {
        let page = of("<script>alert(1)</script><img src=x onerror='a&b\"'>", Probes::default());
        assert_eq!(page.matches("<script>").count(), 1);
        assert!(!page.contains("<img"), "{page}");
        let text = "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x \
                    onerror=&#39;a&amp;b&quot;&#39;&gt;</bdi>";
        assert!(page.contains(text), "{page}");
    }

    #[test]
    fn unknown_is_said_and_is_not_zero() {
        let page = of("a", Probes { states: vec![("transfers", None)], routes: Vec::new() });
        assert!(page.contains("data-label=\"Moved by reference\"><span data-unknown>unknown<"));
        assert!(page.contains("down: what it measures is unknown"), "{page}");
    }

    #[test]
    fn it_is_small_and_its_policy_names_what_is_on_it() {
        assert!(SCRIPT.len() < 10 << 10 && !SCRIPT.contains("innerHTML"));
        let (page, policy) = (of("a", Probes::default()), policy());
        let hash = |text: &str| BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes()));
        for (open, close) in [("<style>", "</style>"), ("<script>", "</script>")] {
            let (_, rest) = page.split_once(open).unwrap();
            let (text, _) = rest.split_once(close).unwrap();
            assert!(policy.contains(&hash(text)), "{open}");
        }
        assert!(!page.contains(" style=") && !page.contains("onclick") && !page.contains("://"));
    }
}
