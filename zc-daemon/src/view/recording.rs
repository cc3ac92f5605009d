//! What is said of a recording as such: what it is of, and whether it is whole.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::recording::reader::Read;

/// What is recorded, and whether it is whole.
#[derive(Debug, Serialize)]
pub(super) struct Recording<'a> {
    pub(super) zc: &'a str,
    pub(super) kernel: &'a str,
    pub(super) boot_id: &'a str,
    pub(super) started_ms: u64,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    pub(super) interval_seconds: f64,
    /// Whether its end was written, and all before it was read.
    pub(super) whole: bool,
    /// Why not.
    pub(super) cut: Option<&'a str>,
    /// How a command failed, if it did.
    pub(super) failed: Option<&'a str>,
    pub(super) records: u32,
    pub(super) probes_down: Vec<&'a str>,
    pub(super) routes: BTreeMap<&'a str, &'a str>,
    /// Counters of another version of zc, which are in no sum.
    pub(super) not_understood: &'a BTreeMap<String, u64>,
    pub(super) records_not_understood: u32,
}

impl<'a> Recording<'a> {
    pub(super) fn of(read: &'a Read) -> Self {
        let header = &read.header;
        #[expect(clippy::cast_precision_loss, reason = "a time to print")]
        let interval_seconds = header.interval_ms as f64 / 1000.0;
        let routes = header.routes.iter();
        Self {
            zc: &header.zc,
            kernel: &header.kernel,
            boot_id: &header.boot_id,
            started_ms: header.started_ms,
            kind: &header.kind,
            name: &header.name,
            interval_seconds,
            whole: read.cut.is_none(),
            cut: read.cut.as_deref(),
            failed: read.trailer.as_ref().and_then(|trailer| trailer.ended.as_deref()),
            records: read.records,
            probes_down: header.down(),
            routes: routes.map(|(r, quality)| (r.as_str(), quality.as_str())).collect(),
            not_understood: &read.strange,
            records_not_understood: read.skipped,
        }
    }

    /// Whether all that was to be recorded is in its sums.
    pub(super) fn is_all(&self) -> bool {
        let understood = self.not_understood.is_empty() && self.records_not_understood == 0;
        self.whole && self.failed.is_none() && understood
    }
}
