//! Boots stock Debian kernels in QEMU and runs one command as root in each.
//!
//! The plan: fetch the newest cloud kernel of a series with apt, but into a
//! cache of our own (`kernels`, with `mirror`, `packages` and `version` to
//! find it, `vmlinux` and `modules` to unpack it); write an initramfs of busybox, a few
//! modules, our init and the files under test (`initramfs`, `cpio`); start
//! QEMU on both (`qemu`, `disks`) and follow what happens (`events`). The guest's
//! output comes out of one virtio port and the exit code out of another.
//!
//! Neither root, nor a host kernel module, nor (once the cache is warm) a
//! network is needed. Emulation is by TCG only: it runs on every machine,
//! nested or locked down, and boots in seconds; but a guest is many times
//! slower than its host, so counts are checked there and times are not. With
//! `icount` a guest nanosecond is a guest instruction, so *ratios* of times
//! are repeatable.

mod cpio;
mod disks;
mod events;
mod initramfs;
pub(crate) mod kernels;
mod mirror;
mod modules;
mod packages;
mod qemu;
mod version;
mod vmlinux;

pub(crate) use events::Event;
pub(crate) use qemu::Machine;

use crate::apt;
use anyhow::{Context, Result, ensure};
use events::Events;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The kernel series that zc is tested on.
pub(crate) const SERIES: &[&str] = &["5.10", "6.1", "6.12", "6.18", "7.3"];

const HOST_PACKAGES: &[&str] = &[
    "btrfs-progs",
    "busybox-static",
    "debian-archive-keyring",
    "e2fsprogs",
    "lz4",
    "qemu-system-x86",
    "xfsprogs",
    "xz-utils",
    "zstd",
];

/// What to run in a guest, and the guest to run it in.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    /// Host path and guest path. Modes are kept, directories recursed.
    pub(crate) files: Vec<(PathBuf, String)>,
    /// Dynamically linked host programs and their guest paths: their shared
    /// libraries come with them.
    pub(crate) binaries: Vec<(PathBuf, String)>,
    /// A shell command line, run as root in `/`.
    pub(crate) command: String,
    /// Memory; the initramfs is held in it too.
    pub(crate) memory_mib: u32,
    /// Processors.
    pub(crate) cpus: u32,
    /// Size of a scratch ext4 file system on `/mnt`, when one is wanted.
    pub(crate) disk_mib: Option<u32>,
    /// Beside it xfs, which shares blocks between files, on `/mnt/reflink`, btrfs on
    /// `/mnt/btrfs`, and ext4 in persistent memory on `/mnt/dax`.
    pub(crate) more_disks: bool,
    /// Has the guest's disks reach its memory by bounce buffers alone.
    pub(crate) bounces: bool,
    /// Let the guest's clock count its instructions (one processor only).
    pub(crate) icount: bool,
    /// A port of this host that leads into the guest.
    pub(crate) forward: Option<Forward>,
    /// Whether to be asked to end is an event, and does not end us.
    pub(crate) interruptible: bool,
    /// After this the guest is killed.
    pub(crate) timeout: Duration,
    /// Print each line of output to stderr as it comes, as `[6.12] line`.
    pub(crate) echo: bool,
}

impl Guest {
    /// A small silent guest that runs `command`.
    pub(crate) fn new(command: impl Into<String>) -> Guest {
        Guest {
            files: Vec::new(),
            binaries: Vec::new(),
            command: command.into(),
            memory_mib: 512,
            cpus: 1,
            disk_mib: None,
            more_disks: false,
            bounces: false,
            icount: false,
            forward: None,
            interruptible: false,
            timeout: Duration::from_secs(120),
            echo: false,
        }
    }
}

/// A TCP port on the loopback of this host, and the guest's that it leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forward {
    pub(crate) host: u16,
    pub(crate) guest: u16,
}

/// What became of a guest.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The kernel it gave, as `uname -r` says it.
    pub(crate) release: String,
    /// How the command ended.
    pub(crate) status: GuestStatus,
    /// The command's stdout and stderr; then, unless it exited, the end of
    /// the guest's console.
    pub(crate) output: String,
    /// From the start of QEMU to its end.
    pub(crate) elapsed: Duration,
}

/// How a guest's command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GuestStatus {
    /// With this exit code.
    Exited(i32),
    /// It did not, within [`Guest::timeout`].
    TimedOut,
    /// The guest ended before its command did.
    Died,
}

/// Fetches the newest kernel of `series`, if none is cached.
pub(crate) fn fetch(series: &str) -> Result<()> {
    apt::ensure("for the VM tests", HOST_PACKAGES)?;
    let kernel = kernels::ensure(series, false)?;
    eprintln!("xtask: kernel {series} is {}", kernel.release);
    Ok(())
}

/// Boots the newest kernel of `series` and runs `guest.command` in it.
///
/// That the command fails, hangs or kills the guest is an [`Outcome`]. That
/// the kernel is not to be had or QEMU does not start is an error.
pub(crate) fn boot(series: &str, guest: &Guest) -> Result<Outcome> {
    let (release, mut machine) = start(series, guest)?;
    let started = Instant::now();
    let mut output = String::new();
    let end = loop {
        match machine.next(Some(started + guest.timeout)) {
            Event::Line(line) => {
                if guest.echo {
                    eprintln!("[{series}] {}", line.trim_end());
                }
                output += &line;
            }
            end @ (Event::End | Event::Late | Event::Interrupted) => break end,
        }
    };
    let status = machine.end(end == Event::End)?;
    if !matches!(status, GuestStatus::Exited(_)) {
        output += &machine.console();
    }
    Ok(Outcome { release, status, output, elapsed: started.elapsed() })
}

/// Boots the newest kernel of `series`, whose release it gives, to run `guest.command`.
pub(crate) fn start(series: &str, guest: &Guest) -> Result<(String, Machine)> {
    ensure!(
        guest.cpus == 1 || !guest.icount,
        "counting instructions needs a guest of one processor, not {}",
        guest.cpus
    );
    apt::ensure("for the VM tests", HOST_PACKAGES)?;
    let kernel = kernels::ensure(series, false)?;
    let events = Events::new();
    if guest.interruptible {
        events.add_signals()?;
    }
    let scratch = tempfile::Builder::new()
        .prefix("zc-vm-")
        .tempdir()
        .context("no temporary directory for the VM; is there room in TMPDIR?")?;
    let files = qemu::Files::new(scratch, &kernel);
    initramfs::write(&files.initrd, &kernel, guest)
        .with_context(|| format!("the initramfs for the {series} guest could not be written"))?;
    Ok((kernel.release, Machine::start(files, guest, events)?))
}
