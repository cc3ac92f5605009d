//! What a client asks for: `Accept` and `Accept-Encoding` with their weights (RFC 9110,
//! section 12).

use axum::http::{HeaderMap, HeaderName, header};

use crate::view::prometheus::Format;

/// One alternative: what, with which parameters, and how much it is wanted (0 to 1).
struct Wanted<'a> {
    what: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    weight: f32,
}

/// Every alternative of a header; those that are no alternatives are left out.
fn wanted(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Wanted<'_>> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(alternative)
}

fn alternative(text: &str) -> Option<Wanted<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let what = parts.next().filter(|what| !what.is_empty())?;
    let mut parameters = Vec::new();
    let mut weight = 1.0;
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        let (name, value) = (name.trim(), value.trim().trim_matches('"'));
        if name.eq_ignore_ascii_case("q") {
            weight = value.parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
        } else {
            parameters.push((name, value));
        }
    }
    Some(Wanted { what, parameters, weight })
}

impl Wanted<'_> {
    fn is(&self, what: &str) -> bool {
        self.what.eq_ignore_ascii_case(what)
    }

    /// Whether it is a version that is served, or none in particular.
    fn has_version(&self, served: &str) -> bool {
        let mut versions =
            self.parameters.iter().filter(|(name, _)| name.eq_ignore_ascii_case("version"));
        versions.all(|(_, version)| *version == served)
    }
}

/// The format of the exposition: OpenMetrics for who names it, and wants nothing more than it.
/// Whoever can take neither is sent the classic one, as Prometheus' own exporters do.
pub(super) fn format(headers: &HeaderMap) -> Format {
    let (mut open, mut classic, mut any) = (None, None, 0.0_f32);
    let heavier = |known: Option<f32>, weight: f32| Some(known.map_or(weight, |k| k.max(weight)));
    for one in wanted(headers, header::ACCEPT) {
        if one.is("application/openmetrics-text") && one.has_version("1.0.0") {
            open = heavier(open, one.weight);
        } else if one.is("text/plain") && one.has_version("0.0.4") {
            classic = heavier(classic, one.weight);
        } else if one.is("text/*") || one.is("*/*") {
            any = any.max(one.weight);
        }
    }
    match open {
        Some(open) if open > 0.0 && open >= classic.unwrap_or(any) => Format::OpenMetrics,
        Some(_) | None => Format::Classic,
    }
}

/// Whether the answer may be compressed by gzip.
pub(super) fn gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut any, mut plain) = (None, None, 0.0);
    for one in wanted(headers, header::ACCEPT_ENCODING) {
        if one.is("gzip") || one.is("x-gzip") {
            gzip = Some(one.weight);
        } else if one.is("*") {
            any = Some(one.weight);
        } else if one.is("identity") {
            plain = one.weight;
        }
    }
    gzip.or(any).is_some_and(|weight| weight > 0.0 && weight >= plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn openmetrics_is_for_who_asks_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0,\
            application/openmetrics-text;version=0.0.1;q=0.75,\
            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let newer = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,\
            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,\
            */*;q=0.2";
        for accept in [
            prometheus,
            newer,
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; Version=\"1.0.0\" ; Q=0.5, text/plain;q=0.5",
            "application/openmetrics-text;q=0.2, text/plain;version=9;q=1",
        ] {
            assert_eq!(format(&with(header::ACCEPT, accept)), Format::OpenMetrics, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/plain;version=0.0.4",
            "text/plain, application/openmetrics-text;q=0.9",
            "*/*, application/openmetrics-text;q=0.9",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text;q=loud",
            "application/json",
            ";;;,=,q=1",
        ] {
            assert_eq!(format(&with(header::ACCEPT, accept)), Format::Classic, "{accept}");
        }
        assert_eq!(format(&HeaderMap::new()), Format::Classic);
    }

    #[test]
    fn gzip_is_for_who_takes_it() {
        for accept in ["gzip", "deflate, gzip;q=0.1", "GZIP", "*", "br, *;q=0.5", "x-gzip"] {
            assert!(gzip(&with(header::ACCEPT_ENCODING, accept)), "{accept}");
        }
        for accept in
            ["", "gzip;q=0", "identity", "*;q=0", "*, gzip;q=0", "gzip;q=0.2, identity;q=0.9"]
        {
            assert!(!gzip(&with(header::ACCEPT_ENCODING, accept)), "{accept}");
        }
        assert!(!gzip(&HeaderMap::new()));
    }
}
