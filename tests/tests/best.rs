//! Each byte once: what is measured is not inferred besides, whichever thread does a call
//! and whichever says so.

use zc_tests::{
    daemon::Daemon,
    kernel,
    programs::Stage,
    scrape::{Rows, difference},
    workload,
};

const CASES: &[&str] = &[
    "read-file",
    "write-file",
    "pipe",
    "tcp-send-recv",
    "udp-sendto-recvfrom",
    "sendfile-file-file",
    "uring-read",
    "uring-send-recv",
    "uring-sqpoll-read",
    "uring-deferred-read",
];

#[test]
fn no_byte_is_both_measured_and_inferred() {
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    let params = workload::Params { bytes: 100_003, chunk: 4093, dir: stage.path().to_owned() };
    for (number, case) in CASES.iter().enumerate() {
        // Before 5.19 completions do not name their request.
        let rings = !case.starts_with("uring") || kernel::shows_rings();
        if !rings || !kernel::runs(case, stage.path()) {
            continue;
        }
        let run = |end: &str, action: &str, repeat: &str| {
            let name = format!("best-{number}{end}");
            let mut command = stage.workload(&name).unwrap();
            command.args([case, action, "--repeat", repeat, "--bytes", "100003"]);
            command.args(["--chunk", "4093", "--dir"]).arg(stage.path());
            assert!(command.status().unwrap().success(), "{case}");
            name
        };
        run("-prepare", "prepare", "1");
        let missed = daemon.missed().unwrap() + daemon.missed_copies().unwrap();
        let (null, real) = (run("-null", "run", "0"), run("-run", "run", "1"));
        let metrics = daemon.metrics().unwrap();
        let missed = daemon.missed().unwrap() + daemon.missed_copies().unwrap() - missed;
        let by = ["route", "direction", "quality"];
        let rows = |group| metrics.group("zc_copied_bytes_total", group, &by).unwrap();
        let mut shown = difference(&rows(&real), &rows(&null));
        shown.retain(|key, _| key[0] != "other" && key[0] != "fault");
        let quality = if kernel::hooks_functions() { "measured" } else { "inferred" };
        let expected = (workload::find(case).unwrap().expected)(&params);
        let expected: Rows = expected
            .copied
            .iter()
            .map(|row| ([row.route, row.direction, quality].map(str::to_owned).into(), row.bytes))
            .collect();
        assert!(shown == expected || missed > 0, "{case}: {shown:?} instead of {expected:?}");
    }
}
