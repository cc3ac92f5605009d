//! The whole suite: checks, root tests on this kernel, the same in VMs.

use std::{
    env,
    num::NonZero,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};

use crate::{
    apt,
    built::{Built, stripped},
    check, deploy,
    ebpf::{Toolchain, top},
    package,
    play::PlayFlags,
    programs,
    run::as_root,
    table::Table,
    tally::Tally,
    vm::{self, Guest, GuestStatus, Outcome, SERIES},
};

/// What the root tests run besides what they build.
const PACKAGES: &[&str] = &[
    "apache2-utils",
    "chromium-headless-shell",
    "curl",
    "iproute2",
    "openssl",
    "python3",
    "python3-prometheus-client",
    "strace",
    "systemd",
    "tmux",
];

/// Tests that need programs a guest does not have, or depend on no kernel.
const HOST_ONLY: &[&str] = &[
    "config",
    "gate",
    "kubernetes",
    "package",
    "page",
    "privileges",
    "prometheus",
    "systemd",
    "tools",
    "top",
    "web",
    "web_config",
    PLAY,
];

/// The test of `cargo xtask vm play`: not as root, as nobody has to be to play.
const PLAY: &str = "play";

/// A test for a kernel that is locked down, which cannot be undone: in guests, last.
const LOCKED_DOWN: &str = "lockdown";
const LOCK_DOWN: &str = "mount -t securityfs security /sys/kernel/security\n\
                         echo confidentiality >/sys/kernel/security/lockdown";

/// A test for a machine of two CPUs that it may change, and the kernel that it is run on: in
/// a guest of its own.
const MACHINE: &str = "machine";
const MACHINE_ON: &str = "6.12";

/// Cases of a test of storms that emulated machines are fast enough for, and the kernel that
/// they are run on; this machine's runs all of them.
const LOSS: (&str, &str, &str) = ("loss", "6.12", "a_full_map ids_that threads_that");

/// Tests that start zc anew for each of their cases, which takes emulated machines long, and
/// the kernels that they are run on; see [`ELSEWHERE`].
const SLOW: &[(&str, &[&str])] = &[
    ("advise", &["6.18"]),
    // From 7.0 the kernel may skip a hit of a breakpoint, and says of none.
    ("audit", &["6.18"]),
    ("books", &["6.12"]),
    ("daemon", &["5.10"]),
    ("flame", &["6.1"]),
    ("groups", &["5.10", "7.3"]),
    ("paths", &["6.12"]),
    ("processes", &["5.10", "7.3"]),
    ("programs", &["6.12"]),
    ("record", &["6.1"]),
    ("sites", &["5.10", "7.3"]),
    ("tax", &["6.12"]),
    // On one processor 7.3 misses events now and then, so that no verdict is sure there.
    ("verify", &["5.10", "6.12"]),
];

/// The one case of a slow test that is run on all other kernels.
const ELSEWHERE: &[(&str, &str)] = &[
    ("advise", "a_file_that_is_sent_is_found_to_the_byte"),
    ("audit", "a_self_test_finds_every_route_exact"),
];

/// Cases of the oracle that are run by kprobes as well, on one kernel: on stock ones zc
/// does without.
const BY_KPROBES: (&str, &[&str]) = (
    "6.12",
    &[
        "read-file",
        "write-file",
        "pipe",
        "tcp-send-recv",
        "udp-sendto-recvfrom",
        "sendfile-file-socket",
        "msg-zerocopy",
        "process-vm-read",
        "uring-read-fixed",
    ],
);

/// Flags of `cargo xtask vm`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct VmFlags {
    #[command(subcommand)]
    pub(crate) instead: Option<Instead>,
    /// Kernel series [default: all that zc is tested on].
    series: Vec<String>,
    /// Write docs/kernels.md from what is measured.
    #[arg(long, conflicts_with_all = ["series", "command"])]
    write: bool,
    /// Run this shell command instead of the tests; zc and workload are on its PATH.
    #[arg(long)]
    command: Option<String>,
    /// Its processors; more of them make a guest hang more often.
    #[arg(long, default_value_t = 1, requires = "command")]
    cpus: u32,
}

/// What to run instead of the tests, and by how many processors.
#[derive(Clone, Copy)]
struct Shell<'a> {
    line: &'a str,
    cpus: u32,
}

/// What a VM is for besides tests.
#[derive(Subcommand)]
pub(crate) enum Instead {
    /// Show measured numbers: boot a stock kernel with zc in it, print what is measured, and
    /// serve its metrics on a port of this host until Ctrl-C.
    Play(PlayFlags),
}

/// Everything; the last line is the sum over all runners.
pub(crate) fn all(with_vms: bool) -> Result<()> {
    apt::ensure("for the root tests", PACKAGES)?;
    let mut tally = Tally::default();
    let outcome = suite(with_vms, &mut tally);
    if outcome.is_err() && tally.failed == 0 {
        tally.failed = 1;
    }
    // The error comes first, so that the count is the last line.
    if let Err(error) = &outcome {
        eprintln!("xtask: {error:#}");
    }
    tally.print();
    outcome.map_err(|_| anyhow::anyhow!("the suite failed; see above"))
}

fn suite(with_vms: bool, tally: &mut Tally) -> Result<()> {
    check::all(tally, Toolchain::Install)?;
    deploy::schema()?;
    let built = Built::new()?;
    package::for_tests(&built.folder)?;
    let here = native(&built, tally);
    if with_vms {
        let series: Vec<_> = SERIES.iter().map(ToString::to_string).collect();
        let table = guests(&built, &series, None, tally)?;
        table.finish(false, true)?;
        play(&built, tally)?;
    }
    here
}

/// `cargo xtask vm`.
pub(crate) fn in_vms(flags: &VmFlags) -> Result<()> {
    let all: Vec<_> = SERIES.iter().map(ToString::to_string).collect();
    let series = if flags.series.is_empty() { all } else { flags.series.clone() };
    let mut tally = Tally::default();
    let shell = flags.command.as_deref().map(|line| Shell { line, cpus: flags.cpus });
    let outcome = guests(&Built::new()?, &series, shell, &mut tally);
    let outcome = outcome.and_then(|table| table.finish(flags.write, flags.series.is_empty()));
    tally.print();
    outcome
}

/// Runs every test program as root on this kernel, all of them even if one fails.
fn native(built: &Built, tally: &mut Tally) -> Result<()> {
    let mut failed = Vec::new();
    for (name, path) in built
        .tests
        .iter()
        .filter(|(name, _)| ![LOCKED_DOWN, MACHINE, PLAY].contains(&name.as_str()))
    {
        eprintln!("xtask: root tests on this kernel: {name}");
        let mut command = as_root(path)?;
        command.env("ZC_BIN", &built.folder).arg("--test-threads=1").current_dir(top());
        if let Err(error) = tally.run(&mut command) {
            failed.push(format!("{name} ({error:#})"));
        }
    }
    ensure!(failed.is_empty(), "failed on this kernel: {}", failed.join(", "));
    Ok(())
}

/// Runs the test of `cargo xtask vm play`, which starts this program.
fn play(built: &Built, tally: &mut Tally) -> Result<()> {
    let (_, path) =
        built.tests.iter().find(|(name, _)| name == PLAY).context("there is no test of play")?;
    eprintln!("xtask: tests on this host: {PLAY}");
    tally.run(Command::new(path).env("ZC_XTASK", env::current_exe()?).current_dir(top()))
}

/// Runs the tests, or `command`, in a guest of each series, as many at a time as the
/// machine has CPUs.
fn guests(
    built: &Built,
    series: &[String],
    command: Option<Shell<'_>>,
    tally: &mut Tally,
) -> Result<Table> {
    for series in series {
        vm::fetch(series)?;
    }
    let mut guests: Vec<_> = series
        .iter()
        .map(|series| Ok((series.as_str(), guest(built, series, command)?)))
        .collect::<Result<_>>()?;
    if command.is_none() && series.iter().any(|series| series == MACHINE_ON) {
        guests.push((MACHINE_ON, changing_guest(built)?));
    }
    let mut table = Table::default();
    let mut failed = Vec::new();
    for ((series, _), outcome) in guests.iter().zip(boot_all(&guests)) {
        let outcome = outcome?;
        tally.read(&outcome.output);
        table.read(series, &outcome.output);
        let seconds = outcome.elapsed.as_secs();
        eprintln!("xtask: {}: {:?} after {seconds} s", outcome.release, outcome.status);
        if outcome.status != GuestStatus::Exited(0) {
            failed.push(outcome.release);
        }
    }
    ensure!(failed.is_empty(), "failed on {}; the guests' lines are above", failed.join(", "));
    Ok(table)
}

/// The environment variable that has the guest's clock count its instructions, one a
/// nanosecond: for costs.
const COUNTING: &str = "ZC_VM_ICOUNT";

/// The series whose guests bounce what their disks read and write.
const BOUNCING: &str = "6.18";

/// The order in which guests boot: so those of two at a time end at about the same time.
const ORDER: &[&str] = &["6.12", "6.18", "6.1", "7.3", "5.10"];

/// What became of each guest, in their order.
fn boot_all(guests: &[(&str, Guest)]) -> Vec<Result<Outcome>> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(guests.len());
    let mut order: Vec<_> = (0..guests.len()).collect();
    // One of several CPUs takes those of others: it is last.
    order.sort_by_key(|number| {
        let (series, guest) = &guests[*number];
        (guest.cpus, ORDER.iter().position(|known| known == series))
    });
    let next = AtomicUsize::new(0);
    let outcomes: Vec<_> = guests.iter().map(|_| OnceLock::new()).collect();
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(number) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (series, guest) = &guests[*number];
                    outcomes[*number].get_or_init(|| boot_until_it_ends(series, guest));
                }
            });
        }
    });
    outcomes.into_iter().filter_map(OnceLock::into_inner).collect()
}

/// Boots a guest, and again if the machine itself hangs or stops, which emulated
/// ones do now and then; a test that fails is not run again.
fn boot_until_it_ends(series: &str, guest: &Guest) -> Result<Outcome> {
    const BOOTS: u32 = 3;
    for boot in 1..BOOTS {
        let outcome = vm::boot(series, guest)?;
        if matches!(outcome.status, GuestStatus::Exited(_)) {
            return Ok(outcome);
        }
        eprintln!("{}", outcome.output);
        eprintln!("xtask: {}: {:?}, boot {boot} of {BOOTS}", outcome.release, outcome.status);
    }
    vm::boot(series, guest)
}

/// What every guest is told before anything is run. The kernel waits a few grace periods for each
/// program that it detaches from a function, which is most of what an end of zc takes:
/// expedited ones take half as long (6.18: 7 s in place of 15).
const ENVIRONMENT: &str = "export PATH=$PATH:/payload ZC_BIN=/payload TMPDIR=/mnt \
    ZC_CELLS=/tmp/cells ZC_REFLINK=/mnt/reflink ZC_BTRFS=/mnt/btrfs ZC_DAX=/mnt/dax\n\
    echo 1 >/sys/kernel/rcu_expedited";

/// A guest with everything in `/payload`, which is on its PATH.
fn guest(built: &Built, series: &str, command: Option<Shell<'_>>) -> Result<Guest> {
    let tests: Vec<_> = built.tests.iter().map(|(name, _)| name.as_str()).collect();
    let tests: Vec<_> = tests.into_iter().filter(|name| !HOST_ONLY.contains(name)).collect();
    let run_tests = || {
        let open = tests.iter().filter(|name| ![LOCKED_DOWN, MACHINE].contains(name));
        let open = open.filter_map(|name| Some(run(name, cases(name, series)?)));
        let (open, last) = (open.collect::<Vec<_>>().join("\n"), run(LOCKED_DOWN, ""));
        let kprobes = by_kprobes(series);
        format!("code=0\n{open}\n{kprobes}\ncat $ZC_CELLS\n{LOCK_DOWN}\n{last}\nexit $code")
    };
    let line = command.map_or_else(run_tests, |shell| shell.line.to_owned());
    let mut guest = Guest {
        // Half of it may hold the files.
        memory_mib: 1280,
        // With two emulated processors guests hung more often; why is not known.
        cpus: command.map_or(1, |shell| shell.cpus),
        disk_mib: Some(384),
        more_disks: true,
        bounces: series == BOUNCING,
        icount: env::var_os(COUNTING).is_some(),
        timeout: Duration::from_secs(2100),
        ..with_tests(built, &tests, &line)?
    };
    programs::add(&mut guest, &built.folder)?;
    Ok(guest)
}

/// Which cases of a test are run in a guest, as a filter; none if it is not run there.
fn cases(test: &str, series: &str) -> Option<&'static str> {
    // Emulated machines are slow: one of the two sizes of each workload.
    if test == "oracle" {
        return Some("300007");
    }
    let (loss, on, some) = LOSS;
    if test == loss {
        return (series == on).then_some(some);
    }
    if SLOW.iter().all(|(slow, on)| *slow != test || on.contains(&series)) {
        return Some("");
    }
    ELSEWHERE.iter().find(|(slow, _)| *slow == test).map(|(_, case)| *case)
}

/// The guest for the test of a machine that changes.
fn changing_guest(built: &Built) -> Result<Guest> {
    let guest =
        with_tests(built, &[MACHINE], &format!("code=0\n{}\nexit $code", run(MACHINE, "")))?;
    let timeout = Duration::from_secs(300);
    Ok(Guest { memory_mib: 768, cpus: 2, disk_mib: Some(64), timeout, ..guest })
}

/// The command that runs some cases of a test; one that fails leaves its mark.
fn run(name: &str, only: &str) -> String {
    format!("test-{name} --test-threads=1 {only} || code=1")
}

/// A guest with zc, the workload and some tests, to run a command.
fn with_tests(built: &Built, tests: &[&str], command: &str) -> Result<Guest> {
    let place = |path: &Path, name: &str| -> Result<(PathBuf, String)> {
        Ok((stripped(&built.folder, path)?, format!("/payload/{name}")))
    };
    let ours = ["zc", "workload"].map(|name| place(&built.folder.join(name), name));
    let tests = built.tests.iter().filter(|(name, _)| tests.contains(&name.as_str()));
    let tests = tests.map(|(name, path)| place(path, &format!("test-{name}")));
    Ok(Guest {
        binaries: ours.into_iter().chain(tests).collect::<Result<_>>()?,
        echo: true,
        ..Guest::new(format!("{ENVIRONMENT}\n{command}"))
    })
}

/// The command that runs some cases by kprobes, if it is this kernel's turn; what it
/// measures is in no cell.
fn by_kprobes(series: &str) -> String {
    let (on, cases) = BY_KPROBES;
    if series != on {
        return String::new();
    }
    let cases = cases.join(",");
    format!("env -u ZC_CELLS ZC_HOOKS=kprobes ZC_CASES={cases} test-oracle 300007 || code=1")
}
