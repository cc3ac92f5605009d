//! Two networks of zc's own, joined by a veth: the near one for those that send, the far
//! one for who reads. No other process sees them, and they go with the last of ours.

use std::{
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
    thread,
};

use anyhow::{Context as _, Result, anyhow};
use rtnetlink::{Handle, LinkUnspec, LinkVeth};
use rustix::{io::FdFlags, thread::UnshareFlags};

/// Addresses of documentation (RFC 5737), one for each end.
const NEAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const PREFIX: u8 = 24;

const NEAR_DEVICE: &str = "zc-near";
const FAR_DEVICE: &str = "zc-far";

/// Forbids to send again what is only late by a few milliseconds (tail loss probes): on a
/// slow machine it is not lost, and would be copied twice.
const NO_PROBES: &str = "/proc/sys/net/ipv4/tcp_early_retrans";

/// The near network, and who listens in the far one.
pub(super) struct Veth {
    pub(super) device: &'static str,
    pub(super) near: OwnedFd,
    /// A socket of the near network.
    pub(super) control: UdpSocket,
    pub(super) far: TcpListener,
}

impl Veth {
    pub(super) fn new() -> Result<Self> {
        let (near, control) = in_new_network(|| {
            fs::write(NO_PROBES, "0").context("cannot set up a network")?;
            let control = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            let own = File::open("/proc/thread-self/ns/net").context("no /proc")?;
            // Processes that are started inherit it.
            rustix::io::fcntl_setfd(&own, FdFlags::empty())?;
            Ok((OwnedFd::from(own), control))
        })?;
        let to = near.as_raw_fd();
        let far = in_new_network(move || {
            netlink(async |handle| {
                handle.link().add(LinkVeth::new(FAR_DEVICE, NEAR_DEVICE).build()).execute().await?;
                let away = LinkUnspec::new_with_name(NEAR_DEVICE).setns_by_fd(to).build();
                handle.link().set(away).execute().await
            })
            .context("cannot make a pair of virtual interfaces (does the kernel have veth?)")?;
            let control = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            bring_up(&control, FAR_DEVICE, FAR)?;
            TcpListener::bind((FAR, 0)).context("cannot listen in the far network")
        })?;
        let path = format!("/proc/self/fd/{to}");
        let control = on_a_thread(move || {
            super::enter(path.as_ref())?;
            bring_up(&control, NEAR_DEVICE, NEAR)?;
            Ok(control)
        })?;
        Ok(Self { device: NEAR_DEVICE, near, control, far })
    }
}

/// Networks are left and entered thread by thread.
fn on_a_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let work = thread::scope(|scope| scope.spawn(work).join());
    work.map_err(|_| anyhow!("a thread panicked; please report it"))?
}

fn in_new_network<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    on_a_thread(|| {
        // SAFETY: descriptors stay shared with the other threads.
        let left = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) };
        left.context("cannot make a network; it takes root (CAP_SYS_ADMIN)")?;
        work()
    })
}

fn bring_up(control: &UdpSocket, device: &str, address: Ipv4Addr) -> Result<()> {
    let index = rustix::net::netdevice::name_to_index(control, device)?;
    netlink(async |handle| {
        handle.address().add(index, IpAddr::V4(address), PREFIX).execute().await?;
        handle.link().set(LinkUnspec::new_with_index(index).up().build()).execute().await
    })
    .with_context(|| format!("cannot set up {device}"))
}

/// Asks the kernel about the network of this thread.
fn netlink(ask: impl AsyncFnOnce(Handle) -> Result<(), rtnetlink::Error>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        ask(handle).await.map_err(anyhow::Error::from)
    })
}
