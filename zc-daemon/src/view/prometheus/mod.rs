//! The exposition of zc's own families, written as text at once: a crowd of groups has
//! thousands of series, of which the registry would make as many objects first.
//!
//! Both formats have the same rows; they differ in what stands around them (`rows`).

mod format;
mod groups;
mod own;
mod registry;
mod rows;
#[cfg(test)]
mod tests;

pub use format::Format;
use prometheus::proto::MetricFamily;
use rows::Page;

use crate::engine::{snapshot::Snapshot, summary::Copies};

/// Facts that never change while the daemon lives.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The start of the object's SHA-256.
    pub object: String,
    /// Which copies are shown.
    pub copies: Copies,
}

/// A snapshot, and the families that the registry keeps, in one of the formats.
#[must_use]
pub fn page(
    snapshot: &Snapshot,
    facts: &Facts,
    registered: &[MetricFamily],
    format: Format,
) -> String {
    let mut page = Page::new(format);
    groups::groups(&mut page, snapshot, facts.copies);
    groups::group_info(&mut page, snapshot);
    own::of_itself(&mut page, snapshot, facts);
    registry::registered(&mut page, registered);
    page.end()
}
