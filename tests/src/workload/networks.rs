//! Two networks within this process, joined by a pair of virtual interfaces.
//!
//! Processes of other programs make them, so that no byte of theirs is counted here.

use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::Params;
use super::sockets::connect;
use super::sys::{net, process};

/// What a case that uses them needs.
pub(super) const NEEDS: &str = "root, veth, and ip of iproute2 or of busybox";

/// Addresses of documentation (RFC 5737), one for each end.
const NEAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// Forbids to send again what is only late by a few milliseconds (tail loss probes):
/// on a slow machine it is not lost, and would be copied twice.
const NO_PROBES: &str = "echo 0 >/proc/sys/net/ipv4/tcp_early_retrans";

/// A TCP connection from one network to another, as [`super::sockets::tcp_pair`].
///
/// The networks go with their last sockets. This process must have one thread.
pub(super) fn tcp_pair(params: &Params) -> Result<(TcpStream, TcpStream)> {
    tcp_pair_over(params, || Ok(()))
}

/// The same, the first end of which sends by a device without scatter-gather.
pub(super) fn tcp_pair_without_scatter_gather(params: &Params) -> Result<(TcpStream, TcpStream)> {
    tcp_pair_over(params, || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        net::forbid_scatter_gather(&socket, "veth1").context("cannot set up veth1")
    })
}

/// Takes this thread into a network of its own; who listens in another one, joined to it, in
/// which no process is.
///
/// # Errors
///
/// If no networks can be made.
pub fn listener_beyond() -> Result<TcpListener> {
    process::leave_network().context("cannot make a network; it takes root")?;
    let near = process::own_tid();
    let far = thread::spawn(move || listen_far(near))
        .join()
        .map_err(|_| anyhow!("a thread panicked"))??;
    ip(&["addr", "add", &format!("{NEAR}/24"), "dev", "veth1"])?;
    ip(&["link", "set", "veth1", "up"])?;
    Ok(far)
}

fn tcp_pair_over(
    params: &Params,
    set_up: impl FnOnce() -> Result<()>,
) -> Result<(TcpStream, TcpStream)> {
    process::keep_one_arena();
    let far = listener_beyond()?;
    program("sh", &["-c", NO_PROBES])?;
    set_up()?;
    connect(&far, params).context("cannot connect one network to the other")
}

/// Two interfaces joined to each other in one network of this process, by number, that
/// nobody sends by of himself.
pub(super) fn interfaces() -> Result<(u32, u32)> {
    const QUIET: &str = "cd /proc/sys/net/ipv6/conf && echo 1 >default/disable_ipv6 || true";
    process::keep_one_arena();
    process::leave_network().context("cannot make a network; it takes root")?;
    program("sh", &["-c", QUIET])?;
    ip(&["link", "add", "type", "veth"])?;
    let interface = |name: &str| -> Result<u32> {
        ip(&["link", "set", name, "up"])?;
        net::interface(name).with_context(|| format!("there is no {name}"))
    };
    Ok((interface("veth0")?, interface("veth1")?))
}

/// Makes the far network, and joins it to that of a thread.
fn listen_far(near: libc::pid_t) -> Result<TcpListener> {
    process::leave_network().context("cannot make a second network")?;
    ip(&["link", "add", "type", "veth"])?;
    ip(&["link", "set", "veth1", "netns", &near.to_string()])?;
    ip(&["addr", "add", &format!("{FAR}/24"), "dev", "veth0"])?;
    ip(&["link", "set", "veth0", "up"])?;
    TcpListener::bind((FAR, 0)).context("cannot listen in the second network")
}

/// Runs `ip` in the network of this thread.
fn ip(arguments: &[&str]) -> Result<()> {
    program("ip", arguments).context("it is part of iproute2, and of busybox")
}

/// Runs a program in the network of this thread.
fn program(name: &str, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(name);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.status().with_context(|| format!("cannot run {name}"))?;
    ensure!(status.success(), "{name} {} ended with {status}", arguments.join(" "));
    Ok(())
}
