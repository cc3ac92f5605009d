//! Hostile bytes for what reads a request's headers. Each says whether they asked for
//! something.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    history::Asked,
    limits::PATIENCE,
    negotiate,
    reading::{SCRAPE_TIMEOUT, patience},
};
use crate::view::prometheus::Format;

/// The bytes as a header of this name, if they can be one's.
fn with(name: HeaderName, bytes: &[u8]) -> Option<HeaderMap> {
    Some(HeaderMap::from_iter([(name, HeaderValue::from_bytes(bytes).ok()?)]))
}

pub(crate) fn accept(bytes: &[u8]) -> bool {
    let Some(headers) = with(header::ACCEPT, bytes) else { return false };
    let open = matches!(negotiate::format(&headers), Format::OpenMetrics);
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    assert!(!open || text.contains("application/openmetrics-text"), "nobody asked for it");
    // The order of alternatives says nothing.
    let turned: Vec<_> = bytes.split(|byte| *byte == b',').rev().collect();
    let turned = with(header::ACCEPT, &turned.join(&b','));
    let turned = turned.map(|headers| matches!(negotiate::format(&headers), Format::OpenMetrics));
    assert!(turned.is_none_or(|turned| turned == open), "the order counts");
    open
}

pub(crate) fn accept_encoding(bytes: &[u8]) -> bool {
    let Some(headers) = with(header::ACCEPT_ENCODING, bytes) else { return false };
    let gzip = negotiate::gzip(&headers);
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    assert!(!gzip || text.contains("gzip") || text.contains('*'), "nobody asked for it");
    gzip
}

pub(crate) fn scrape_timeout(bytes: &[u8]) -> bool {
    let Some(headers) = with(SCRAPE_TIMEOUT, bytes) else { return false };
    let patience = patience(&headers);
    assert!(patience <= PATIENCE);
    patience < PATIENCE
}

/// A query of the history, its names and values decoded.
pub(crate) fn history_query(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    let pairs: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    match Asked::from_pairs(&pairs) {
        Ok(asked) => {
            assert!(!asked.last.is_zero());
            !pairs.is_empty()
        }
        Err(why) => {
            assert!(!why.is_empty() && why.lines().count() == 1, "{why:?}");
            false
        }
    }
}
