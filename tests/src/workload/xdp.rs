//! AF_XDP sockets in copy mode, one at each end of a pair of virtual interfaces.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::step::{done, no_files};
use super::sys::xdp::Socket;
use super::{Case, Expected, Params, networks};

/// The most bytes of a packet. What remains for the last one must not be less than its
/// header of 14.
const PACKET: u64 = 1400;

/// No call moves bytes: packets lie in memory shared with the kernel, which copies them
/// out of it and into it. Chunks are at most 1400 bytes.
pub(super) const COPY_MODE: Case = Case::new("af-xdp", no_files, copy_mode, |params| {
    Expected::default()
        .copies_in_truth("af_xdp", "from_user", params)
        .copies_in_truth("af_xdp", "to_user", params)
})
.needs(networks::NEEDS);

fn copy_mode(params: &Params) -> Result<()> {
    let params = params.in_chunks_of_at_most(PACKET);
    let (near, far) = networks::interfaces()?;
    let sender = Socket::new(near).context("cannot open an AF_XDP socket")?;
    let receiver = Socket::new(far).context("cannot open an AF_XDP socket")?;
    let _program = receiver.receive_all_of(far).context("cannot attach a program")?;
    for chunk in params.chunks() {
        let len = u32::try_from(chunk.len).context("a packet too long")?;
        done("sendto", sender.send(len))?;
        let received = wait_for(|| receiver.receive()).context("no packet came")?;
        ensure!(received == len, "{len} bytes were sent, and {received} received");
        wait_for(|| sender.sent()).context("a packet was not sent to its end")?;
    }
    Ok(())
}

/// What `look` finds, as soon as it does; none if it takes too long.
fn wait_for<T>(look: impl Fn() -> Option<T>) -> Option<T> {
    const PATIENCE: Duration = Duration::from_secs(20);
    let begin = Instant::now();
    loop {
        match look() {
            None if begin.elapsed() < PATIENCE => thread::yield_now(),
            found => return found,
        }
    }
}
