//! Which Debian mirror to fetch from: the one the host uses, if it uses one.

use std::fs;
use std::path::PathBuf;

/// The archive and its security archive, as apt URIs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mirror {
    pub(super) main: String,
    pub(super) security: String,
}

/// A URI and one of the suites that it is read for.
type Source = (String, String);

const SUITES: &[&str] = &[
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];

/// Reads the host's apt sources; Debian's own mirror stands in for what they
/// do not name (as on Ubuntu).
pub(super) fn of_host() -> Mirror {
    let sources = files().into_iter().flat_map(|path| {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let deb822 = path.extension().is_some_and(|extension| extension == "sources");
        if deb822 { parse_deb822(&text) } else { parse_lines(&text) }
    });
    choose(sources.collect())
}

/// Debian's own files before those of third parties, which may use the same
/// suite names.
fn files() -> Vec<PathBuf> {
    let own = ["/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources"];
    let mut rest: Vec<PathBuf> = fs::read_dir("/etc/apt/sources.list.d")
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    rest.retain(|path| path.extension().is_some_and(|kind| kind == "sources" || kind == "list"));
    rest.sort();
    own.into_iter().map(PathBuf::from).chain(rest).collect()
}

fn choose(sources: Vec<Source>) -> Mirror {
    let mut mirror = Mirror { main: String::new(), security: String::new() };
    for (uri, suite) in sources {
        let base = suite.split(['-', '/']).next().unwrap_or_default();
        let place = match &suite[base.len()..] {
            "" | "-updates" | "-backports" => &mut mirror.main,
            "-security" | "/updates" => &mut mirror.security,
            _ => continue,
        };
        if SUITES.contains(&base) && place.is_empty() && !uri.starts_with("cdrom:") {
            *place = uri;
        }
    }
    if mirror.main.is_empty() {
        mirror.main = "http://deb.debian.org/debian".to_owned();
    }
    if mirror.security.is_empty() {
        mirror.security = "http://deb.debian.org/debian-security".to_owned();
    }
    mirror
}

/// Stanzas of `Key: value`, with a blank line between them.
fn parse_deb822(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    for stanza in text.split("\n\n") {
        let off = field(stanza, "Enabled").iter().any(|word| word.eq_ignore_ascii_case("no"));
        let binary = field(stanza, "Types").contains(&"deb");
        if off || !binary || !field(stanza, "Components").contains(&"main") {
            continue;
        }
        for uri in field(stanza, "URIs") {
            let suites = field(stanza, "Suites");
            sources.extend(suites.iter().map(|suite| (uri.to_owned(), (*suite).to_owned())));
        }
    }
    sources
}

/// The words of a field, which goes on over lines that begin with space.
fn field<'a>(stanza: &'a str, wanted: &str) -> Vec<&'a str> {
    let mut inside = false;
    let mut words = Vec::new();
    for line in stanza.lines().filter(|line| !line.starts_with('#')) {
        let mut value = line;
        if !line.starts_with([' ', '\t']) {
            let (key, rest) = line.split_once(':').unwrap_or((line, ""));
            inside = key.eq_ignore_ascii_case(wanted);
            value = rest;
        }
        words.extend(value.split_whitespace().filter(|_| inside));
    }
    words
}

/// Lines of `deb [options] URI SUITE COMPONENT…`.
fn parse_lines(text: &str) -> Vec<Source> {
    let parse = |line: &str| {
        let mut rest = line.trim().strip_prefix("deb")?;
        rest = rest.starts_with([' ', '\t']).then(|| rest.trim_start())?;
        if rest.starts_with('[') {
            rest = rest.split_once(']')?.1;
        }
        let mut words = rest.split_whitespace();
        let source = (words.next()?.to_owned(), words.next()?.to_owned());
        words.any(|component| component == "main").then_some(source)
    };
    text.lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_read_from_both_formats() {
        let deb822 = "Types: deb\n# old: http://no.test\nURIs: http://m.test/debian\n\
            Suites: bookworm\n bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n\n\
            Types: deb\nURIs: http://s.test/sec/\nSuites: bookworm-security\nComponents: main\n\n\
            Enabled: no\nTypes: deb\nURIs: http://off.test\nSuites: trixie\nComponents: main\n";
        let lines = "# deb http://no.test trixie main\ndeb-src http://src.test trixie main\n\
            deb [arch=amd64 signed-by=/k] http://p.test nodistro main\n\
            deb [signed-by=/k] http://m.test/debian trixie main contrib\n\
            deb http://s.test/sec/ trixie-security main\n";
        let main = "http://m.test/debian".to_owned();
        let security = "http://s.test/sec/".to_owned();
        let mirror = Mirror { main, security };
        assert_eq!(choose(parse_deb822(deb822)), mirror);
        assert_eq!(choose(parse_lines(lines)), mirror);
    }

    #[test]
    fn a_host_without_debian_gets_debians_own_mirror() {
        let mirror =
            choose(parse_lines("deb http://u.test noble main\ndeb http://c noble-security main"));
        assert_eq!(mirror.main, "http://deb.debian.org/debian");
        assert_eq!(mirror.security, "http://deb.debian.org/debian-security");
    }
}
