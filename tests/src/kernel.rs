//! What the running kernel can do, by its release.

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
        "uring-send-zc" => Some((6, 0)),
        "splice-zero-pipe" => Some((6, 5)),
        _ => None,
    }
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
    let first = std::fs::File::open(list).and_then(|mut file| {
        use std::io::Read as _;
        file.read(&mut [0])
    });
    first.is_ok_and(|read| read == 1)
}

/// Whether this kernel has none of the functions of a probe, or has them in `lib/`.
#[must_use]
pub fn has_no(probe: &str) -> bool {
    match probe {
        "copy_receive_sum" => version() < (6, 8),
        "socket_splice" => version() < (6, 5),
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
    let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let has = |name: &str| symbols.lines().any(|line| line.split(' ').nth(2) == Some(name));
    assert!(has("_copy_to_user"), "the kernel hides its symbols");
    has("register_kprobe")
}
