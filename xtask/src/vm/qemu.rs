//! Starts QEMU, listens to the guest and learns how its command ended.
//!
//! Three ways out of the guest: a virtio port that carries the command's
//! output to QEMU's stdout, a virtio port whose file receives `exit=CODE`,
//! and the serial console in a file, read only when the code is missing.

use super::kernels::Kernel;
use super::{Guest, GuestStatus};
use crate::cmd;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Instant;

/// The guest has no random number generator nor a steady clock; what it would
/// spend on mitigations, self-tests and watchdogs is spared.
macro_rules! kernel_arguments {
    () => {
        "console=ttyS0 quiet loglevel=4 rdinit=/init panic=-1 oops=panic nokaslr mitigations=off \
         tsc=reliable no_timer_check random.trust_cpu=on random.trust_bootloader=on audit=0 \
         softlockup_panic=1 watchdog_thresh=60 cryptomgr.notests"
    };
}

const KERNEL_ARGUMENTS: &str = kernel_arguments!();

/// Arguments of a kernel that bounces what devices read and write, and properties of the
/// devices for which it does.
const BOUNCING: (&str, &str) =
    (concat!(kernel_arguments!(), " swiotlb=force"), ",disable-legacy=on,iommu_platform=on");

/// How much of the console explains a death.
const CONSOLE_TAIL: usize = 6000;

/// A file of this host with a file system in it.
#[derive(Clone, Copy)]
struct Disk {
    name: &'static str,
    mib: u32,
    /// What makes it; not on every user's PATH, hence absolute.
    program: &'static str,
    arguments: &'static [&'static str],
}

/// Beside the scratch disk, in this order; `init.sh` mounts them. Each is a little larger
/// than the least, and has nothing that Linux 5.10 does not know.
const MORE_DISKS: &[Disk] = &[
    Disk {
        name: "xfs",
        mib: 320,
        program: "/sbin/mkfs.xfs",
        arguments: &["-q", "-m", "reflink=1,bigtime=0,inobtcount=0", "-i", "nrext64=0"],
    },
    Disk { name: "btrfs", mib: 128, program: "/sbin/mkfs.btrfs", arguments: &["-q"] },
];

/// Persistent memory, whose files are used in place if blocks are pages (DAX).
const MEMORY: Disk = Disk {
    name: "dax",
    mib: 64,
    program: "/sbin/mke2fs",
    arguments: &["-q", "-F", "-t", "ext4", "-b", "4096"],
};

/// The files of one run.
pub(super) struct Files {
    pub(super) initrd: PathBuf,
    vmlinux: PathBuf,
    /// Where the disks are.
    dir: PathBuf,
    console: PathBuf,
    control: PathBuf,
    errors: PathBuf,
}

impl Files {
    /// Those of a run of `kernel` with its scratch files in `dir`.
    pub(super) fn new(dir: &Path, kernel: &Kernel) -> Files {
        Files {
            initrd: dir.join("initrd"),
            vmlinux: kernel.vmlinux.clone(),
            dir: dir.to_owned(),
            console: dir.join("console"),
            control: dir.join("control"),
            errors: dir.join("errors"),
        }
    }
}

/// A QEMU that does not outlive its use.
struct Vm(Child);

impl Drop for Vm {
    fn drop(&mut self) {
        // Both fail when it has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `guest` to its end, or to the end of its time.
pub(super) fn run(series: &str, files: &Files, guest: &Guest) -> Result<(GuestStatus, String)> {
    for disk in disks(guest).iter().chain(memory(guest)) {
        disk.make(&files.dir)?;
    }
    let mut command = command_line(files, guest);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&files.errors)?);
    let deadline = Instant::now() + guest.timeout;
    let mut vm = Vm(command.spawn().context("setpriv could not be started; install util-linux")?);
    // Held open to the end: once stdin closes, QEMU closes the port and the
    // guest's writes block for ever.
    let _stdin = vm.0.stdin.take();
    let stdout = vm.0.stdout.take().context("QEMU has no stdout")?;
    let echo = guest.echo.then_some(series);
    let (mut output, on_time) = listen(&lines_of(stdout), deadline, echo);
    let status = if on_time { Some(vm.0.wait()?) } else { None };
    drop(vm);
    if let Some(code) = exit_code(&read(&files.control)) {
        return Ok((GuestStatus::Exited(code), output));
    }
    if let Some(status) = status.filter(|status| !status.success()) {
        bail!("QEMU failed ({status}): {}", read(&files.errors).trim());
    }
    let console = read(&files.console);
    output += "\n--- the end of the guest's console ---\n";
    output += &console[console.ceil_char_boundary(console.len().saturating_sub(CONSOLE_TAIL))..];
    let status = if on_time { GuestStatus::Died } else { GuestStatus::TimedOut };
    Ok((status, output))
}

fn command_line(files: &Files, guest: &Guest) -> Command {
    // Of util-linux, like sh there on every host. It becomes QEMU, and has the
    // kernel end it when we are killed ourselves.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
    let thread = if guest.icount { "single" } else { "multi" };
    command.args(["-accel", &format!("tcg,thread={thread},tb-size=256")]);
    if guest.icount {
        command.args(["-icount", "shift=0,sleep=off"]);
    }
    command.args(["-machine", "pc,hpet=off,usb=off,vmport=off", "-cpu", "Nehalem"]);
    let more = memory(guest).map_or(0, |memory| memory.mib);
    let (least, most) = (guest.memory_mib, guest.memory_mib + more);
    command.args(["-smp", &guest.cpus.to_string(), "-m", &format!("{least}M,maxmem={most}M")]);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    command.arg("-serial").arg(with_path("file:", &files.console));
    command.arg("-kernel").arg(&files.vmlinux).arg("-initrd").arg(&files.initrd);
    let (arguments, platform) = if guest.bounces { BOUNCING } else { (KERNEL_ARGUMENTS, "") };
    command.args(["-append", arguments, "-device", "virtio-serial-pci"]);
    command.args(["-chardev", "stdio,id=output,signal=off"]);
    command.args(["-device", "virtserialport,chardev=output,nr=1"]);
    command.arg("-chardev").arg(with_path("file,id=control,path=", &files.control));
    command.args(["-device", "virtserialport,chardev=control,nr=2"]);
    for (number, disk) in disks(guest).iter().enumerate() {
        let drive = format!("id=disk{number},if=none,format=raw,cache=unsafe,file=");
        command.arg("-drive").arg(with_path(&drive, &disk.path(&files.dir)));
        command.args(["-device", &format!("virtio-blk-pci,drive=disk{number}{platform}")]);
    }
    if let Some(memory) = memory(guest) {
        let object = format!("memory-backend-file,id=dax,share=on,size={}M,mem-path=", memory.mib);
        command.arg("-object").arg(with_path(&object, &memory.path(&files.dir)));
        command.args(["-device", "virtio-pmem-pci,memdev=dax"]);
    }
    command
}

/// An option that ends in a path; QEMU wants commas in it doubled.
fn with_path(option: &str, path: &Path) -> String {
    format!("{option}{}", path.to_string_lossy().replace(',', ",,"))
}

/// The disks of a guest: the first is /dev/vda.
fn disks(guest: &Guest) -> Vec<Disk> {
    let scratch = guest.disk_mib.map(|mib| Disk {
        name: "disk",
        mib,
        program: "/sbin/mke2fs",
        arguments: &["-q", "-F", "-t", "ext4"],
    });
    let more = if guest.more_disks { MORE_DISKS } else { &[] };
    scratch.into_iter().chain(more.iter().copied()).collect()
}

/// The persistent memory of a guest.
fn memory(guest: &Guest) -> Option<&'static Disk> {
    guest.more_disks.then_some(&MEMORY)
}

impl Disk {
    fn path(&self, dir: &Path) -> PathBuf {
        dir.join(self.name)
    }

    /// Makes a sparse file with an empty file system in it.
    fn make(&self, dir: &Path) -> Result<()> {
        let path = self.path(dir);
        File::create(&path)?.set_len(u64::from(self.mib) << 20)?;
        cmd::output(Command::new(self.program).args(self.arguments).arg(path))
            .with_context(|| format!("no scratch disk of {} MiB could be made", self.mib))?;
        Ok(())
    }
}

/// Reads `from` line by line on a thread of its own, to its end.
fn lines_of(from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if sender.send(std::mem::take(&mut line)).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Collects lines until they end (true) or the time does (false).
fn listen(lines: &Receiver<Vec<u8>>, deadline: Instant, echo: Option<&str>) -> (String, bool) {
    let mut output = String::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let line = String::from_utf8_lossy(&line);
                if let Some(series) = echo {
                    eprintln!("[{series}] {}", line.trim_end());
                }
                output += &line;
            }
            Err(RecvTimeoutError::Disconnected) => return (output, true),
            Err(RecvTimeoutError::Timeout) => return (output, false),
        }
    }
}

fn exit_code(control: &str) -> Option<i32> {
    control.trim().strip_prefix("exit=")?.parse().ok()
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
