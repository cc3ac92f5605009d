//! Root tests of zc.
//!
//! The tests compare the daemon's counters with the truth of [`workload`]: a
//! binary whose every system call, and every byte, is known beforehand.
//!
//! [`daemon`] starts the daemon under test, [`scrape`] reads what it shows, [`audit`]
//! is the same for an audit,
//! [`programs`] runs workloads under names of their own, [`kernel`] says what the
//! running kernel can do, so that a test expects the right answer of it.

pub mod audit;
pub mod daemon;
pub mod kernel;
pub mod programs;
pub mod scrape;
pub mod workload;
