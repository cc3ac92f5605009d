//! Eight threads that mix routes, signals that interrupt them, memory that ends within
//! their buffers, and children killed as they copy: the sums hold within what is known.

use std::{fs, process::Stdio};

use zc_tests::{
    daemon::Daemon,
    known::bounds,
    programs::Stage,
    scrape::{Rows, difference},
};

const SECONDS: &str = "20";

/// Bytes of the input, and the most that one call asks for.
const BYTES: u64 = 1 << 20;

/// Sums over the values of the last label.
fn summed(rows: &Rows) -> Rows {
    let mut sums = Rows::new();
    for (key, value) in rows {
        *sums.entry(key[..key.len() - 1].to_vec()).or_default() += value;
    }
    sums
}

#[test]
fn sums_hold_among_signals_faults_and_kills() {
    let (daemon, stage) = (Daemon::start().unwrap(), Stage::new().unwrap());
    fs::write(stage.path().join("data"), vec![7; 1 << 20]).unwrap();
    let run = |name: &str, seconds: &str| {
        let mut command = stage.workload(name).unwrap();
        command.args(["stress", "--seconds", seconds, "--dir"]).arg(stage.path());
        let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let missed = daemon.missed().unwrap() + daemon.missed_copies().unwrap();
    let (idle, busy) = (run("stress-null", "0"), run("stress-run", SECONDS));
    let metrics = daemon.metrics().unwrap();
    let missed = daemon.missed().unwrap() + daemon.missed_copies().unwrap() - missed;
    let family = |name: &str, by: &[&str]| {
        let rows = |group| summed(&metrics.group(name, group, by).unwrap());
        difference(&rows("stress-run"), &rows("stress-null"))
    };
    let printed = (busy.len() - idle.len()) as u64;
    let check = |what: &str, shown: &Rows, printing: &[&str], printed: u64, unseen: u64| {
        let known = bounds(&busy, what);
        assert!(known.len() > 5 && known.values().all(|sum| sum.least > 0), "{known:?}");
        let mut report = format!("missed {missed}\n");
        for (key, sum) in known {
            let printed = if key == printing { printed } else { 0 };
            let shown = shown.get(&key).copied().unwrap_or(0);
            // However many runs of programs the kernel skipped, most were not.
            let known = sum.least + printed;
            let least = known.saturating_sub(unseen).max(known / 2);
            // What a skipped program did not see taken by reference is taken for a copy.
            let linked = if key == ["sendfile", "in_kernel"] { unseen } else { 0 };
            let most = sum.most + printed + linked;
            report += &format!("{what} {}: {least} <= {shown} <= {most}\n", key.join(" "));
            assert!((least..=most).contains(&shown), "{report}");
        }
        eprint!("{report}");
    };
    let far = ["route", "endpoint"];
    check("calls", &family("zc_transfers_total", &far), &[], 0, missed);
    let unseen = missed * BYTES;
    check("moved", &family("zc_transferred_bytes_total", &far), &["write"], printed, unseen);
    let mut copied = family("zc_copied_bytes_total", &["route", "direction", "quality"]);
    // What the kernel gathers to send it again is beside what it writes into files.
    let gathered = family("zc_fallback_bytes_total", &["route", "reason", "group"]);
    let key = |words: [&str; 2]| words.map(str::to_owned).to_vec();
    let gathered = gathered.get(&key(["sendfile", "gathered"])).copied().unwrap_or(0);
    *copied.get_mut(&key(["sendfile", "in_kernel"])).unwrap() -= gathered;
    check("copied", &copied, &["write", "from_user"], printed, unseen);
    // Nothing is copied from or to the process by a route that it does not use.
    let known = bounds(&busy, "copied");
    let beyond = copied.keys().filter(|key| !known.contains_key(*key) && key[1] != "in_kernel");
    let beyond: Vec<_> = beyond.filter(|key| key[0] != "other").collect();
    assert!(beyond.is_empty(), "{beyond:?}");
}
