//! Root tests of zc.
//!
//! The tests compare the daemon's counters with the truth of [`workload`]: a
//! binary whose every system call, and every byte, is known beforehand.
//!
//! [`daemon`] starts the daemon under test, [`books`] does without one, [`scrape`] reads what it shows, [`watching`]
//! is zc while it watches processes, [`verify`] what its verdict was,
//! [`real`] runs programs of Debian under `zc verify`,
//! [`cost`] counts what a call costs,
//! [`programs`] runs workloads under names of their own, [`cgroup`] makes cgroups for them,
//! [`kernel`] says what the running kernel can do, so that a test expects the right answer of it,
//! [`deploy`] is what an operator is given: rules, alerts, dashboards, [`release`] what a release is made of,
//! [`sizing`] says what memory zc takes, [`http`] asks byte by byte, [`certificates`] makes what TLS takes, [`browser`] looks at pages, [`known`] reads what a workload says of itself, [`storm`] holds the daemon to it.

pub mod books;
pub mod browser;
pub mod certificates;
pub mod cgroup;
pub mod cost;
pub mod daemon;
pub mod deploy;
pub mod http;
pub mod kernel;
pub mod known;
pub mod pids;
pub mod programs;
pub mod real;
pub mod release;
pub mod scrape;
pub mod sizing;
pub mod storm;
pub mod verify;
pub mod watching;
pub mod workload;
