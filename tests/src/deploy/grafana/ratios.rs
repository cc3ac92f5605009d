//! Ratios as queries: the same as the recording rules of their names, over what is chosen. Written
//! as macros, so that a table can hold what they come to.

/// Copies a byte, by `$by`, of who moves more than `$floor` bytes a second.
macro_rules! copies_per_byte {
    ($by:literal, $floor:literal) => {
        concat!(
            "(sum",
            $by,
            "(rate(zc_copied_bytes_total{@g, route!~\"fault|bounce\"}\
             [$__rate_interval])) or 0 * sum",
            $by,
            "(rate(zc_transferred_bytes_total{@g}\
             [$__rate_interval]))) / (sum",
            $by,
            "(rate(zc_transferred_bytes_total{@g, \
             route!=\"mmap\"}[$__rate_interval])) - (sum",
            $by,
            "(rate(zc_copy_unknown_bytes_total{@g}[$__rate_interval])) or 0 * sum",
            $by,
            "(rate(zc_transferred_bytes_total{@g}[$__rate_interval]))) > ",
            $floor,
            ")"
        )
    };
}

/// The share that changed hands by reference, by `$by`.
macro_rules! zero_copy {
    ($by:literal) => {
        concat!(
            "(sum",
            $by,
            "(rate(zc_moved_bytes_total{@g}[$__rate_interval])) or 0 * sum",
            $by,
            "(rate(zc_copied_bytes_total{@g}[$__rate_interval]))) / ((sum",
            $by,
            "(rate(zc_moved_bytes_total{@g}[$__rate_interval])) or 0 * sum",
            $by,
            "(rate(zc_copied_bytes_total{@g}[$__rate_interval]))) + (sum",
            $by,
            "(rate(zc_copied_bytes_total{@g, route!~\"fault|bounce\"}[$__rate_interval])) or 0 \
             * sum",
            $by,
            "(rate(zc_moved_bytes_total{@g}[$__rate_interval]))) > 0)"
        )
    };
}

pub(super) use {copies_per_byte, zero_copy};
