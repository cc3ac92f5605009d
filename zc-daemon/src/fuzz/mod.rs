//! Every parser of bytes that the kernel, a traced process, a client or an operator chooses, and
//! what it holds to whatever they are: no panic first of all, and no overflow.
//!
//! [`TARGETS`] is the one table. A target is a plain function beside its parser (`fuzz.rs` of
//! each floor), which fails by an assertion. The unit tests run all of them on a few inputs,
//! `cargo xtask fuzz` for as long as it is told. None of it is in the product.
//!
//! What is not here: libraries' own formats (ELF files of processes, TLS records, HTTP) and
//! `$NOTIFY_SOCKET`, `$WATCHDOG_USEC` and `$LISTEN_FDS`, which sd-notify and listenfd read.

mod hunt;
mod input;
mod seeds;

pub use hunt::{Failure, Hunt, Tally};

use crate::{cli, command, config, engine, host, kernel, server, view};

/// A parser that is held against hostile bytes.
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Reads bytes, and panics where it does not hold what it should; whether it could make
    /// something of them.
    pub run: fn(&[u8]) -> bool,
    /// What it holds, besides that it does not panic.
    pub holds: &'static str,
    /// Inputs that it makes something of, of which others are made.
    pub seeds: &'static [&'static [u8]],
}

macro_rules! targets {
    ($($name:literal, $($run:ident)::+, $holds:literal, $seeds:ident;)+) => {
        /// Every one.
        pub const TARGETS: &[Target] = &[$(Target {
            name: $name,
            run: $($run)::+,
            holds: $holds,
            seeds: seeds::$seeds,
        }),+];
    };
}

targets! {
    // What the programs wrote, and the kernel shows of its own types.
    "slot", engine::fuzz::slot, "what is known is not empty; names of groups are bounded", SLOT;
    "call-site", engine::fuzz::call_site, "a key is put together as it was taken apart", CALL_SITE;
    "argv-block", kernel::fuzz::argv_block, "never longer than an entry", ARGV_BLOCK;
    "cgroup-record", command::fuzz::cgroup_record, "a path has no zero in it", CGROUP_PATH;
    "btf", kernel::fuzz::btf, "every question ends", BTF;
    // What processes call themselves, and where they are.
    "comm", engine::fuzz::comm, "text stays as it is, without zeroes", NAME;
    "argv", engine::fuzz::argv, "one bounded line without zeroes", ARGV;
    "cgroup-path", engine::fuzz::cgroup_path, "parts are of the path; ids have their lengths", CGROUP_PATH;
    "cgroup-moved", command::fuzz::cgroup_moved, "what is below moves, and nothing else", CGROUP_MOVED;
    "pod-logs", host::fuzz::pod_logs, "the parts make the name", POD_LOGS;
    "passwd", host::fuzz::passwd, "no name has a colon", PASSWD;
    // Files of /proc, in which such names stand.
    "proc-status", host::fuzz::status, "no name hides its process", STATUS;
    "proc-stat", host::fuzz::stat, "no name hides its parent", STAT;
    "proc-maps", host::fuzz::maps, "a path is whole, and of one line", MAPS;
    "proc-io", host::fuzz::io, "sums do not overflow", IO;
    "proc-loadavg", host::fuzz::loadavg, "a number is one of the file", LOADAVG;
    "proc-tcp", host::fuzz::tcp, "a line has one socket at most", TCP;
    "proc-mounts", host::fuzz::mounts, "hierarchies best first, none twice", MOUNTS;
    "kallsyms", host::fuzz::kallsyms, "a name is a word of its line", KALLSYMS;
    "lockdown", host::fuzz::lockdown, "the mode is of the file", LOCKDOWN;
    "addresses", host::fuzz::addresses, "a call is at most a byte before its return", ADDRESSES;
    // Where such names are shown.
    "exposition", view::fuzz::exposition, "names read back; no line more or less", NAME;
    "live-page", view::fuzz::live_page, "names are text; JSON reads back", NAME;
    // What clients send.
    "accept", server::fuzz::accept, "OpenMetrics for who names it, in any order", ACCEPT;
    "accept-encoding", server::fuzz::accept_encoding, "gzip for who names it", ACCEPT_ENCODING;
    "scrape-timeout", server::fuzz::scrape_timeout, "never more patience than zc's", SCRAPE_TIMEOUT;
    "history-query", server::fuzz::history_query, "a time that is not zero, or a sentence", HISTORY_QUERY;
    "basic-auth", server::web_config::fuzz::basic_auth, "user and password read back", BASIC_AUTH;
    // What operators write.
    "web-config", server::web_config::fuzz::yaml, "errors are one line", WEB_CONFIG;
    "pem", server::web_config::fuzz::pem, "certificates, or an error", PEM;
    "settings", config::fuzz::settings, "errors are one line, with a place", SETTINGS;
    "template", engine::fuzz::template, "names are bounded", TEMPLATE;
    "policy", engine::fuzz::policy, "reads back; something is limited", POLICY;
    "recording", engine::fuzz::recording, "what was cut reads to its last whole record", RECORDING;
    "recorded-interval", engine::fuzz::recorded_interval, "sums do not overflow", INTERVAL_RECORD;
    "amount", engine::fuzz::amount, "a plain number is itself", AMOUNT;
    "route", engine::fuzz::route, "a name is its route's", ROUTE;
    "duration", cli::fuzz::duration, "not zero", DURATION;
    "interval", cli::fuzz::interval, "within its bounds", INTERVAL;
    "percentage", cli::fuzz::percentage, "finite, above zero", PERCENTAGE;
    "log-filter", cli::fuzz::log_filter, "a filter, or an error of one line", LOG_FILTER;
    "listen-address", cli::fuzz::listen_address, "reads back", LISTEN_ADDRESS;
    "telemetry-path", cli::fuzz::telemetry_path, "no page of zc's, no pattern", TELEMETRY_PATH;
    "size", cli::fuzz::size, "whole requests, within bounds", SIZE;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_parser_holds_what_it_should_and_is_reached() {
        for target in TARGETS {
            let hunt = Hunt { target, seed: 0, before: &|_| () };
            let tally = hunt.batch(0, 250).unwrap_or_else(|failure| panic!("{failure}"));
            assert_eq!(tally.executions, 250, "{}", target.name);
            // Else its inputs would test its first line only.
            let read = tally.read;
            assert!((20..250).contains(&read), "{}: {read} of 250 were read", target.name);
        }
    }

    #[test]
    fn seeds_are_read_and_names_are_their_own() {
        for target in TARGETS {
            for seed in target.seeds {
                let text = String::from_utf8_lossy(seed);
                assert!((target.run)(seed), "{} makes nothing of {text:?}", target.name);
            }
        }
        let names: BTreeSet<_> = TARGETS.iter().map(|target| target.name).collect();
        assert_eq!(names.len(), TARGETS.len());
    }

    #[test]
    fn a_broken_parser_is_found_out_by_its_least_input() {
        // It takes three numbers, and trusts the third.
        let run = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let third: Option<u64> = text.split(' ').nth(2).and_then(|word| word.parse().ok());
            third.is_some_and(|number| 100 / number > 0)
        };
        let seeds: &[&[u8]] = &[b"some words, and 1 2 3 4", b"1 2 3 4"];
        let target = Target { name: "broken", run, holds: "nothing", seeds };
        let hunt = Hunt { target: &target, seed: 0, before: &|_| () };
        let found = (0..100).find_map(|number| hunt.batch(number, 1000).err());
        let failure = found.expect("a bug that anybody finds");
        assert_eq!(String::from_utf8_lossy(&failure.input), "  0");
        assert!(failure.to_string().contains("divide by zero"), "{failure}");
    }
}
