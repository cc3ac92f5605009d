//! Every bound of the HTTP side.

use std::time::Duration;

/// The bounds of connections that flags set.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections.
    pub connections: usize,
}

/// How long a reading may take before a request is answered with an error.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Of the time that a scraper allows, what is left for the way to it.
pub(super) const ON_THE_WAY: f64 = 0.1;

/// How long a TLS handshake may take.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a request's head may take, from its first byte; of a connection's first request,
/// from when the connection stands.
pub(super) const HEAD: Duration = Duration::from_secs(10);

/// How long an answer may take, from the request's head to its last byte being sent.
pub(super) const ANSWER: Duration = Duration::from_secs(60);

/// How long a connection may lie idle between two requests: longer than scrapes are apart.
pub(super) const IDLE: Duration = Duration::from_secs(120);

/// How long requests under way may take once the end is asked for.
pub(super) const GRACE: Duration = Duration::from_secs(3);

/// Bytes of a request's head; also what is buffered of an answer.
pub(super) const HEAD_BYTES: usize = 16 << 10;

/// Headers of a request.
pub(super) const HEADERS: usize = 64;
