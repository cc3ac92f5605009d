//! What was done, as tables for people.

use std::fmt::Write as _;

use super::json::{Totals, Transferred};
use crate::engine::bytes::Bytes;

/// What moved, by route and endpoint, and what was copied, by route and direction.
pub(super) fn table(totals: &Totals) -> String {
    if totals.transferred.is_none() {
        return "\nwhat moved, and what was copied, is unknown: a probe is down\n".to_owned();
    }
    let mut page =
        format!("\n{:<16} {:<9} {:>16} {:>10}\n", "moved by", "to/from", "bytes", "calls");
    for row in totals.transferred.iter().flatten() {
        let Transferred { route, endpoint, bytes, calls } = row;
        let _ = writeln!(page, "{route:<16} {endpoint:<9} {bytes:>16} {calls:>10}");
    }
    let _ = writeln!(
        page,
        "\n{:<16} {:<9} {:>16} {:>10}  quality",
        "copied by", "way", "bytes", "copies"
    );
    for row in totals.copied.iter().flatten() {
        let (route, way) = (row.route, row.direction);
        let _ = writeln!(
            page,
            "{route:<16} {way:<9} {:>16} {:>10}  {}",
            row.bytes, row.copies, row.quality
        );
    }
    for row in totals.copy_unknown.iter().flatten() {
        let _ =
            writeln!(page, "{:<16} {:<9} {:>16} {:>10}  unknown", row.route, "?", row.bytes, "?");
    }
    page
}

/// What was moved by reference, and what it cost besides.
pub(super) fn besides(totals: &Totals) -> String {
    let moved = match totals.moved.as_deref() {
        None => "unknown".to_owned(),
        Some([]) => "nothing".to_owned(),
        Some(rows) => {
            let rows = rows.iter().map(|row| format!("{} {}", row.route, Bytes(row.bytes)));
            rows.collect::<Vec<_>>().join(", ")
        }
    };
    let modes = totals.mode_switches.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    let (switches, faults) = (&totals.context_switches, &totals.page_faults);
    format!(
        "\npassed on by reference: {moved}\nmode switches {modes}; context switches {} voluntary, \
         {} not; page faults {} minor, {} major\n",
        switches.voluntary, switches.involuntary, faults.minor, faults.major,
    )
}
