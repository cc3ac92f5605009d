//! The edge to the host: the only reader of `/proc` and `/sys`.
//!
//! [`cgroup`] says who is in one, [`program`] what a process runs, [`mod@symbols`] what an
//! address is called.

pub mod cgroup;
mod maps;
pub mod program;
pub mod symbols;

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
};

use anyhow::{Context as _, Result, bail};

/// How many thread ids there can be.
///
/// # Errors
///
/// If `/proc` is not mounted.
pub fn pid_max() -> Result<u32> {
    number("/proc/sys/kernel/pid_max")
}

/// How many threads there are now: the fourth field of `/proc/loadavg`.
///
/// # Errors
///
/// If `/proc` is not mounted.
pub fn threads() -> Result<u32> {
    let path = "/proc/loadavg";
    let text = read(path)?;
    text.split(['/', ' '])
        .nth(4)
        .and_then(|field| field.parse().ok())
        .with_context(|| format!("{path} does not say how many threads there are: {text:?}"))
}

/// The release of the running kernel.
#[must_use]
pub fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// The kernel's lockdown mode, if it has that feature and lets it be read.
#[must_use]
pub fn lockdown() -> Option<String> {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(mode, _)| mode.to_owned())
}

/// The threads of a process; none if there is no such process.
///
/// # Errors
///
/// If the kernel does not list them.
pub fn threads_of(pid: u32) -> Result<BTreeSet<u32>> {
    let path = format!("/proc/{pid}/task");
    let Ok(entries) = fs::read_dir(&path) else { return Ok(BTreeSet::new()) };
    let mut threads = BTreeSet::new();
    for entry in entries {
        // A process that ends meanwhile has no threads any more.
        let Ok(entry) = entry else { break };
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.parse().ok());
        threads.insert(number.with_context(|| format!("{path} lists {}", name.display()))?);
    }
    Ok(threads)
}

/// The process that a thread belongs to, and its name; none once it has ended.
#[must_use]
pub fn process_of(pid: u32) -> Option<(u32, String)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
    let ended = field("State")?.starts_with(['Z', 'X']);
    let process = (field("Tgid")?.parse().ok()?, field("Name")?.to_owned());
    (!ended).then_some(process)
}

/// Bytes that a process had disks transfer so far: read, and written or to be written, as the
/// kernel accounts them itself.
///
/// # Errors
///
/// If the process is gone, or the kernel does not account for it.
pub fn storage_bytes(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/io");
    let text = read(&path)?;
    let field = |name: &str| -> Option<u64> {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?.parse().ok()
    };
    let sum = field("read_bytes").zip(field("write_bytes")).map(|(read, written)| read + written);
    sum.with_context(|| format!("{path} does not say what was read and written"))
}

/// Whether a process has left its CPU, so that what is counted of it stands still. A kernel
/// that does not tell is taken at its word that the process has stopped.
#[must_use]
pub fn is_off_cpu(pid: u32) -> bool {
    // The kernel looks until the process does not run (`task_current_syscall`, lib/syscall.c).
    fs::read_to_string(format!("/proc/{pid}/syscall")).map_or(true, |text| text != "running\n")
}

/// A process and all its descendants, as they are now; those that end meanwhile may be
/// missing, with theirs.
#[must_use]
pub fn family_of(pid: u32) -> BTreeSet<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some(parent) = parent_of(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let (mut family, mut left) = (BTreeSet::new(), vec![pid]);
    while let Some(pid) = left.pop() {
        if family.insert(pid) {
            left.extend(children.remove(&pid).unwrap_or_default());
        }
    }
    family
}

/// How many descendants of a process have not ended, whether they have run yet or not.
#[must_use]
pub fn living_descendants_of(pid: u32) -> usize {
    let family = family_of(pid).into_iter();
    family.filter(|member| *member != pid && process_of(*member).is_some()).count()
}

/// The fourth field of `/proc/PID/stat`, counted from behind the name.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

/// Fails in a pid namespace of its own, where ids are not those that the kernel's programs
/// see.
///
/// # Errors
///
/// If it is so.
pub fn require_initial_pids() -> Result<()> {
    /// `PROC_PID_INIT_INO` (`include/linux/proc_ns.h`, 5.10 to 7.3).
    const INITIAL: &str = "pid:[4026531836]";
    let namespace = fs::read_link("/proc/self/ns/pid").context("zc needs /proc to be mounted")?;
    if namespace.as_os_str() != INITIAL {
        bail!(
            "zc runs in a pid namespace of its own (a container), where ids of processes are not \
             those of the machine; start it in the machine's (docker run --pid=host, hostPID: true)"
        );
    }
    Ok(())
}

/// The addresses of those of the kernel's own functions that it has, by name.
///
/// # Errors
///
/// If the kernel hides them.
pub fn symbols(wanted: &[&str]) -> Result<HashMap<String, u64>> {
    let path = "/proc/kallsyms";
    let file = fs::File::open(path).with_context(|| format!("cannot read {path}"))?;
    let mut found = HashMap::new();
    for line in BufReader::new(file).lines() {
        let line = line.with_context(|| format!("cannot read {path}"))?;
        // Address, type and name; a module's have a fourth.
        let words: Vec<_> = line.split_whitespace().collect();
        let [address, "t" | "T", name] = words[..] else { continue };
        if wanted.contains(&name) {
            let address = u64::from_str_radix(address, 16);
            let address = address.with_context(|| format!("{path} holds {line:?}"))?;
            found.insert(name.to_owned(), address);
        }
    }
    if found.values().all(|address| *address == 0) {
        bail!(
            "the kernel hides where its functions are ({path} shows none, or zeroes): run zc as \
             root, with /proc/sys/kernel/kptr_restrict at 0 or 1"
        );
    }
    Ok(found)
}

fn number(path: &str) -> Result<u32> {
    let text = read(path)?;
    text.trim().parse().with_context(|| format!("{path} holds no number: {text:?}"))
}

fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    fs::read_to_string(path)
        .with_context(|| format!("cannot read {}; zc needs /proc to be mounted", path.display()))
}
