//! Hostile bytes for the values of flags and of their variables. Each says whether they will do.

use super::{filter, paths, seconds, share, time, web};
use crate::kernel::path::CHUNK;

/// What is refused is named.
fn checked<T>(read: fn(&str) -> Result<T, String>, bytes: &[u8], holds: fn(T) -> bool) -> bool {
    let text = String::from_utf8_lossy(bytes);
    match read(&text) {
        Ok(value) => {
            assert!(holds(value), "{text:?} does not hold");
            true
        }
        Err(said) => {
            assert!(!said.is_empty() && said.lines().count() == 1, "{said:?}");
            false
        }
    }
}

pub(crate) fn duration(bytes: &[u8]) -> bool {
    checked(time, bytes, |time| !time.is_zero())
}

pub(crate) fn interval(bytes: &[u8]) -> bool {
    checked(seconds, bytes, |time| (0.01..=10.0).contains(&time.as_secs_f64()))
}

pub(crate) fn percentage(bytes: &[u8]) -> bool {
    checked(share, bytes, |share| share.is_finite() && share > 0.0)
}

pub(crate) fn log_filter(bytes: &[u8]) -> bool {
    checked(filter, bytes, |_| true)
}

pub(crate) fn listen_address(bytes: &[u8]) -> bool {
    checked(web::address, bytes, |address| address.to_string().parse() == Ok(address))
}

pub(crate) fn telemetry_path(bytes: &[u8]) -> bool {
    checked(web::path, bytes, |path| path.starts_with('/') && !path.contains(['{', '?', '"', '<']))
}

pub(crate) fn size(bytes: &[u8]) -> bool {
    checked(paths::size, bytes, |size| (1..=paths::MOST).contains(&size) && size % CHUNK == 0)
}
