//! Starts QEMU, listens to the guest and learns how its command ended.
//!
//! Three ways out of the guest: a virtio port that carries the command's
//! output to QEMU's stdout, a virtio port whose file receives `exit=CODE`,
//! and the serial console in a file, read only when the code is missing.

use super::disks::{disks, memory};
use super::events::{Event, Events};
use super::kernels::Kernel;
use super::{Forward, Guest, GuestStatus};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

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

/// The files of one run, which go with it.
pub(super) struct Files {
    pub(super) initrd: PathBuf,
    vmlinux: PathBuf,
    console: PathBuf,
    control: PathBuf,
    errors: PathBuf,
    /// Where they are, and the disks.
    dir: TempDir,
}

impl Files {
    /// Those of a run of `kernel` with its scratch files in `dir`.
    pub(super) fn new(dir: TempDir, kernel: &Kernel) -> Files {
        Files {
            initrd: dir.path().join("initrd"),
            vmlinux: kernel.vmlinux.clone(),
            console: dir.path().join("console"),
            control: dir.path().join("control"),
            errors: dir.path().join("errors"),
            dir,
        }
    }
}

/// A guest that runs, and does not outlive its use.
pub(crate) struct Machine {
    qemu: Child,
    /// Held open to the end: once stdin closes, QEMU closes the port and the
    /// guest's writes block for ever.
    _stdin: Option<ChildStdin>,
    events: Events,
    files: Files,
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Both fail when it has ended, which is what is wanted.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Machine {
    /// Starts `guest`, whose lines go to `events`.
    pub(super) fn start(files: Files, guest: &Guest, events: Events) -> Result<Machine> {
        for disk in disks(guest).iter().chain(memory(guest)) {
            disk.make(files.dir.path())?;
        }
        let mut command = command_line(&files, guest);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&files.errors)?);
        // A Ctrl-C is for us alone.
        command.process_group(0);
        let mut qemu =
            command.spawn().context("setpriv could not be started; install util-linux")?;
        events.add_lines(qemu.stdout.take().context("QEMU has no stdout")?);
        Ok(Machine { _stdin: qemu.stdin.take(), qemu, events, files })
    }

    /// What happens next, or that nothing does until the deadline, if there is one.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Event {
        self.events.next(deadline)
    }

    /// How the command ended, once its lines have (`on_time`), or the time has.
    pub(crate) fn end(&mut self, on_time: bool) -> Result<GuestStatus> {
        let status = if on_time { Some(self.qemu.wait()?) } else { None };
        if let Some(code) = exit_code(&read(&self.files.control)) {
            return Ok(GuestStatus::Exited(code));
        }
        if let Some(status) = status.filter(|status| !status.success()) {
            bail!("QEMU failed ({status}): {}", read(&self.files.errors).trim());
        }
        Ok(if on_time { GuestStatus::Died } else { GuestStatus::TimedOut })
    }

    /// The end of the guest's console, which explains a death.
    pub(crate) fn console(&self) -> String {
        let console = read(&self.files.console);
        let tail = console.ceil_char_boundary(console.len().saturating_sub(CONSOLE_TAIL));
        format!("\n--- the end of the guest's console ---\n{}", &console[tail..])
    }
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
        command.arg("-drive").arg(with_path(&drive, &disk.path(files.dir.path())));
        command.args(["-device", &format!("virtio-blk-pci,drive=disk{number}{platform}")]);
    }
    if let Some(Forward { host, guest }) = guest.forward {
        // Nothing else of this host, nor beyond it, is within the guest's reach.
        let to = format!("hostfwd=tcp:127.0.0.1:{host}-:{guest}");
        command.args(["-netdev", &format!("user,id=net,ipv6=off,restrict=on,{to}")]);
        command.args(["-device", "virtio-net-pci,netdev=net,romfile="]);
    }
    if let Some(memory) = memory(guest) {
        let object = format!("memory-backend-file,id=dax,share=on,size={}M,mem-path=", memory.mib);
        command.arg("-object").arg(with_path(&object, &memory.path(files.dir.path())));
        command.args(["-device", "virtio-pmem-pci,memdev=dax"]);
    }
    command
}

/// An option that ends in a path; QEMU wants commas in it doubled.
fn with_path(option: &str, path: &Path) -> String {
    format!("{option}{}", path.to_string_lossy().replace(',', ",,"))
}

fn exit_code(control: &str) -> Option<i32> {
    control.trim().strip_prefix("exit=")?.parse().ok()
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
