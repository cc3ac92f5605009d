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
        "uring-send-zc" | "uring-send-zc-veth" => Some((6, 0)),
        "splice-zero-pipe" => Some((6, 5)),
        _ => None,
    }
}

/// Whether the io_uring tracepoint names its request (5.19).
#[must_use]
pub fn shows_rings() -> bool {
    version() >= (5, 19)
}
