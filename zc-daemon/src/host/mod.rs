//! The edge to the host: the only reader of `/proc` and `/sys`.
//!
//! [`cgroup`] says who is in one, [`names`] how users and pods are called, [`program`] what a process runs, [`mod@symbols`] what an
//! address is called.

pub mod cgroup;
pub mod copying;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod maps;
pub mod names;
pub mod peers;
mod perf_map;
mod proc;
pub mod program;
pub mod symbols;
mod tcp;

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
    proc::threads(&text)
        .with_context(|| format!("{path} does not say how many threads there are: {text:?}"))
}

/// The release of the running kernel.
#[must_use]
pub fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Which boot of the machine this is.
///
/// # Errors
///
/// If `/proc` is not mounted.
pub fn boot_id() -> Result<String> {
    read("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned())
}

/// The kernel's lockdown mode, if it has that feature and lets it be read.
#[must_use]
pub fn lockdown() -> Option<String> {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    proc::lockdown(&text).map(str::to_owned)
}

/// Whether the kernel times programs all the time, as the administrator wants it
/// (`kernel.bpf_stats_enabled`).
#[must_use]
pub fn times_programs() -> bool {
    number("/proc/sys/kernel/bpf_stats_enabled").is_ok_and(|number| number != 0)
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
    let status = lossy(&format!("/proc/{pid}/status"))?;
    proc::process(&status).map(|(process, name)| (process, name.to_owned()))
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
    proc::storage_bytes(&text)
        .with_context(|| format!("{path} does not say what was read and written"))
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

/// Who made a process.
fn parent_of(pid: u32) -> Option<u32> {
    proc::parent(&lossy(&format!("/proc/{pid}/stat"))?)
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
        if let Some((name, address)) = proc::function(&line)?.filter(|(n, _)| wanted.contains(n)) {
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

/// A file in which names stand that a process has chosen: they need not be UTF-8.
fn lossy(path: &str) -> Option<String> {
    fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    fs::read_to_string(path)
        .with_context(|| format!("cannot read {}; zc needs /proc to be mounted", path.display()))
}

#[cfg(test)]
mod tests {
    use rustix::thread::{gettid, set_name};

    use super::*;

    #[test]
    fn a_name_that_is_no_text_hides_nobody() {
        let told = std::thread::spawn(|| {
            set_name(c"\xff) R 1 (\n").unwrap();
            let thread = gettid().as_raw_pid().cast_unsigned();
            (process_of(thread), parent_of(thread))
        });
        let (process, parent) = told.join().unwrap();
        assert_eq!(process, Some((std::process::id(), "\u{fffd}) R 1 (\\n".to_owned())));
        assert_eq!(parent, Some(std::os::unix::process::parent_id()));
    }
}
