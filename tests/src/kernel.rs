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

/// Whether this kernel's verifier lets a program see an argument that points to a
/// number, which it must to see a reflink (5.10's does not).
#[must_use]
pub fn shows_numbers() -> bool {
    version() >= (5, 15)
}

/// Whether this kernel has none of the functions of a probe, or has them in `lib/`.
#[must_use]
pub fn has_no(probe: &str) -> bool {
    match probe {
        "copy_receive_sum" => version() < (6, 8),
        "socket_splice" => version() < (6, 5),
        "socket_sendpage" => version() >= (6, 5),
        _ => false,
    }
}
