//! Which of many short-lived processes each observer sees.

use std::{
    fmt::Write as _,
    fs,
    io::Read as _,
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{daemon::start, observer::Observer, peers};
use crate::apt;

/// How many processes there are.
const COUNT: u64 = 5_000;

/// What each reads of a file, and writes to a device.
const BYTES: u64 = 4096;

/// Their name.
const NAME: &str = "storm";

/// What bpftrace is to sum: bytes read by name, and how many processes did.
const SCRIPT: &str = "tracepoint:syscalls:sys_exit_read /comm == \"storm\" && args->ret == 4096/ \
                      { @bytes = sum(args->ret); @calls = count(); }";

/// What each saw of a storm that all watched at a time.
pub(super) fn table(folder: &Path) -> Result<String> {
    apt::ensure("to compare with", &["bpftrace"])?;
    eprintln!("xtask: a storm of {COUNT} processes");
    let zc = start(folder, &[])?;
    let peer = peers::process_exporter()?;
    let script = bpftrace()?;
    let stage = tempfile::tempdir()?;
    fs::write(stage.path().join("data"), vec![0; usize::try_from(BYTES)?])?;
    symlink(folder.join("workload"), stage.path().join(NAME))?;
    // What the first process reads to start is no child's.
    storm(stage.path(), 0)?.wait()?;
    let before = Reads::of(&zc)?;
    let mut storm = storm(stage.path(), COUNT)?;
    let mut most = 0.0;
    while storm.try_wait()?.is_none() {
        let page = peer.get("/metrics")?.text;
        most += series(&page, "namedprocess_namegroup_num_procs", "groupname=\"storm\"");
        thread::sleep(Duration::from_secs(1));
    }
    ensure!(storm.wait()?.success(), "the storm failed; its own message is above");
    let after = Reads::of(&zc)?;
    let page = peer.get("/metrics")?.text;
    let name = "groupname=\"storm\"";
    let peer_bytes = series(&page, "namedprocess_namegroup_read_bytes_total", name);
    let counted = end(script)?;
    let mut page = format!(
        "\nOf a storm of {COUNT} processes that each read {BYTES} bytes of a file and end some \
         milliseconds later:\n\n| observer | seen | bytes read, of {} |\n|---|---|---|\n",
        COUNT * BYTES
    );
    // The second start read as much as the first.
    let (calls, bytes) = (after.calls - 2.0 * before.calls, after.bytes - 2.0 * before.bytes);
    let _ = writeln!(page, "| zc | {calls} | {bytes} |");
    if let Some((bytes, calls)) = counted {
        let _ = writeln!(page, "| bpftrace, a sum by name | {calls} | {bytes} |");
    } else {
        let _ = writeln!(page, "| bpftrace | was not to be attached here | |");
    }
    let _ = writeln!(
        page,
        "| process-exporter, asked each second | at most {most} | {peer_bytes} (from disks) |"
    );
    Ok(page)
}

/// What zc has of files read under that name.
struct Reads {
    calls: f64,
    bytes: f64,
}

impl Reads {
    fn of(zc: &Observer) -> Result<Self> {
        let page = zc.get("/metrics")?.text;
        let labels = "group=\"storm\",route=\"read\"";
        let sum = |family| series(&page, family, labels);
        Ok(Self { calls: sum("zc_transfers_total"), bytes: sum("zc_transferred_bytes_total") })
    }
}

/// The sum of the series of a family that have these labels, as they stand in the text.
fn series(page: &str, family: &str, labels: &str) -> f64 {
    let mut sum = 0.0;
    for line in page.lines() {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let of_it = series.strip_prefix(family).is_some_and(|rest| rest.starts_with('{'));
        if of_it && series.contains(labels) {
            sum += value.parse().unwrap_or(0.0);
        }
    }
    sum
}

fn storm(stage: &Path, count: u64) -> Result<Child> {
    let mut command = Command::new(stage.join(NAME));
    command.args(["spawn", "--count", &count.to_string(), "--dir"]).arg(stage);
    command.spawn().context("cannot start the workload")
}

/// The script, once it is attached. Tracepoints take tracefs, which is mounted for it alone.
fn bpftrace() -> Result<Child> {
    let mounted = "mount -t tracefs nodev /sys/kernel/tracing && exec bpftrace -e \"$0\"";
    let child = Command::new("unshare")
        .args(["--mount", "sh", "-c", mounted, SCRIPT])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start bpftrace")?;
    // It says that it attaches, not that it has.
    thread::sleep(Duration::from_secs(5));
    Ok(child)
}

/// Ends the script; the bytes and the calls that it counted, if it was attached.
fn end(mut script: Child) -> Result<Option<(String, String)>> {
    let pid = i32::try_from(script.id())?;
    let pid = rustix::process::Pid::from_raw(pid).context("bpftrace has no pid")?;
    // It may have ended by itself.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
    let mut said = String::new();
    script.stdout.take().context("no standard output")?.read_to_string(&mut said)?;
    script.wait()?;
    let of = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name));
        line.map(|value| value.trim().to_owned())
    };
    Ok(of("@bytes:").zip(of("@calls:")))
}
