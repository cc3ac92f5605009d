//! What the running kernel can do, by its release.

use std::{env, fs, path::Path};

/// The environment variable that names a folder on a file system that shares blocks
/// between files.
pub const REFLINK: &str = "ZC_REFLINK";

/// The magic numbers of such file systems (`linux/magic.h`).
const XFS: u64 = 0x5846_5342;
const BTRFS: u64 = 0x9123_683e;
const EXT4: u64 = 0xef53;
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;

/// The environment variable that names the folder for the files of a case, if it is one
/// for a file system of its own.
#[must_use]
pub fn folder_of(case: &str) -> Option<&'static str> {
    if case.starts_with("reflink-") || case.ends_with("-xfs") {
        Some(REFLINK)
    } else if case.ends_with("-btrfs") {
        Some("ZC_BTRFS")
    } else if case.ends_with("-dax") {
        Some("ZC_DAX")
    } else {
        None
    }
}

/// The running kernel's version.
///
/// # Panics
///
/// If its release does not start with two numbers.
#[must_use]
pub fn version() -> (u32, u32) {
    let release = zc_daemon::host::kernel_release();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor),
        _ => panic!("the kernel calls itself {release:?}"),
    }
}

/// The first version on which a case of the workload can run, where zc supports
/// older ones.
#[must_use]
pub fn first_with(case: &str) -> Option<(u32, u32)> {
    match case {
        "uring-send-zc" | "uring-send-zc-veth" => Some((6, 0)),
        "uring-deferred-read" => Some((6, 1)),
        "splice-zero-pipe" => Some((6, 5)),
        _ => None,
    }
}

/// Whether a case must run here, with its files in `folder`. Where it need not, it
/// must say that it cannot.
#[must_use]
pub fn runs(case: &str, folder: &Path) -> bool {
    let known = first_with(case).is_none_or(|first| version() >= first);
    known
        && match case.split_once('-') {
            Some(("ktls", _)) => has_tls(),
            Some(("reflink", _)) => shares_blocks(folder),
            Some(("fuse", _)) => is_guest() || has_fuse(),
            Some(("udp6", _)) => is_guest() || has_ipv6(),
            Some((_, "huge-file")) => is_guest() || has_huge_pages(),
            _ if case.ends_with("-dax") => is_guest() || env::var_os("ZC_DAX").is_some(),
            Some((_, "btrfs")) => is_guest() || file_system(folder) == Some(BTRFS),
            Some((_, "xfs")) => is_guest() || file_system(folder) == Some(XFS),
            _ => true,
        }
}

/// Whether this is one of Debian's kernels for clouds, which the guests run: what can be
/// provided to them must be there.
#[must_use]
pub fn is_guest() -> bool {
    zc_daemon::host::kernel_release().ends_with("-cloud-amd64")
}

/// Whether the kernel has FUSE, and it has been loaded if it is a module.
fn has_fuse() -> bool {
    let known = fs::read_to_string("/proc/filesystems");
    known.is_ok_and(|list| list.lines().any(|line| line == "nodev\tfuse"))
}

/// Whether FUSE is part of the kernel itself, as in Debian's kernels for clouds since
/// 6.12: functions of modules cannot be hooked.
#[must_use]
pub fn fuse_is_built_in() -> bool {
    has_fuse() && !Path::new("/sys/module/fuse/initstate").exists()
}

/// Whether a page of 2 MiB is reserved and free, which is all that a case takes.
fn has_huge_pages() -> bool {
    let free = fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    free.is_ok_and(|free| free.trim() != "0")
}

/// Whether the loopback has an address of IPv6.
fn has_ipv6() -> bool {
    let addresses = fs::read_to_string("/proc/net/if_inet6");
    addresses.is_ok_and(|list| list.lines().any(|line| line.ends_with(" lo")))
}

/// The magic number of the file system that a folder is on.
fn file_system(folder: &Path) -> Option<u64> {
    rustix::fs::statfs(folder).ok().map(|about| about.f_type.cast_unsigned())
}

/// Whether the kernel has its own TLS. It is a module that distributions may leave
/// out; Debian's kernels for clouds, which the guests run, have it since 6.1.
fn has_tls() -> bool {
    let there = fs::read_to_string("/proc/sys/net/ipv4/tcp_available_ulp");
    let there = there.is_ok_and(|names| names.split_whitespace().any(|name| name == "tls"));
    there || (is_guest() && version() >= (6, 1))
}

/// Whether two files in `folder` can share blocks: where a file system that can was
/// provided, nothing else counts.
fn shares_blocks(folder: &Path) -> bool {
    env::var_os(REFLINK).is_some() || may_share_blocks(folder)
}

/// Whether `folder` is on a file system that can share blocks between files.
#[must_use]
pub fn may_share_blocks(folder: &Path) -> bool {
    file_system(folder).is_some_and(|kind| kind == XFS || kind == BTRFS)
}

/// Whether `folder` is in memory, where `O_DIRECT` means nothing.
#[must_use]
pub fn is_in_memory(folder: &Path) -> bool {
    file_system(folder).is_some_and(|kind| kind == TMPFS || kind == RAMFS)
}

/// Whether the textbook knows what each interface copies in `folder`: on ext4 it does.
#[must_use]
pub fn is_textbook(folder: &Path) -> bool {
    file_system(folder) == Some(EXT4)
}

/// Whether the io_uring tracepoint names its request (5.19).
#[must_use]
pub fn shows_rings() -> bool {
    version() >= (5, 19)
}

/// Whether this kernel takes programs on its functions: stock ones do. One that does
/// not hides which functions there are, too.
#[must_use]
pub fn hooks_functions() -> bool {
    let list = "/sys/kernel/tracing/available_filter_functions";
    let first = fs::File::open(list).and_then(|mut file| {
        use std::io::Read as _;
        file.read(&mut [0])
    });
    first.is_ok_and(|read| read == 1)
}

/// Whether every call that moves bytes can be hooked by itself, so that nothing need be
/// attached to all calls. 5.10 has no type for what some of these functions are passed.
#[must_use]
pub fn hooks_calls() -> bool {
    hooks_functions() && version() >= (5, 15)
}

/// Whether this kernel's verifier lets an fexit program see an argument that points to a
/// number (5.10's does not): where it does not, a reflink is seen by kprobes.
#[must_use]
pub fn shows_numbers() -> bool {
    version() >= (5, 15)
}

/// Whether every copy that a fault makes of a page goes by a function that can be hooked.
#[must_use]
pub fn shows_pages_copied() -> bool {
    version() >= (6, 12)
}

/// Whether this kernel has none of the functions of a probe, or has them in `lib/`.
#[must_use]
pub fn has_no(probe: &str) -> bool {
    match probe {
        "copy_fuse" | "copy_fuse_write" => !fuse_is_built_in(),
        "copy_zerocopy_receive" => version() < (6, 18),
        "copy_receive_sum" => version() < (6, 8),
        "path_names" => version() < (7, 1),
        "socket_splice" => version() < (6, 5),
        "socket_sendpage" => version() >= (6, 5),
        _ => false,
    }
}

/// Whether this kernel lets breakpoints be set in its own functions: those with kprobes
/// do, as that is where it is written down which functions must not have any.
///
/// # Panics
///
/// If the kernel hides its symbols.
#[must_use]
pub fn takes_breakpoints() -> bool {
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let has = |name: &str| symbols.lines().any(|line| line.split(' ').nth(2) == Some(name));
    assert!(has("_copy_to_user"), "the kernel hides its symbols");
    has("register_kprobe")
}
