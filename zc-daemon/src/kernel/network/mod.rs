//! Where paths send to: over the loopback, a pair of virtual interfaces (veth) between two
//! networks of zc's own, or a network card; and what reads and sends at the far end.

mod device;
mod far;
mod veth;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
    path::PathBuf,
};

use anyhow::{Context as _, Result, bail};
pub(super) use far::PIECE;

/// A way to a receiver.
pub struct Network {
    /// The device by which bytes leave, and a socket of its network.
    device: (String, UdpSocket),
    kind: Kind,
    /// Who reads all that it is sent.
    pub sink: SocketAddr,
    /// Who sends when asked to, always over the loopback.
    pub source: SocketAddr,
}

/// What kind of device it is.
enum Kind {
    /// None: what is sent is received.
    Loopback,
    /// One end of a veth, in this network.
    Veth(OwnedFd),
    /// A device of this machine, which is not zc's to change.
    Card,
}

impl Network {
    /// The loopback.
    ///
    /// # Errors
    ///
    /// If it cannot be listened on.
    pub fn loopback() -> Result<Self> {
        let control = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no loopback")?;
        let device = ("lo".to_owned(), control);
        let sink = far::sink(listen()?)?;
        Ok(Self { device, kind: Kind::Loopback, sink, source: far::source(listen()?)? })
    }

    /// Two networks joined by a veth, which go with this process.
    ///
    /// # Errors
    ///
    /// If they cannot be made.
    pub fn veth() -> Result<Self> {
        let veth = veth::Veth::new()?;
        let device = (veth.device.to_owned(), veth.control);
        let (sink, source) = (far::sink(veth.far)?, far::source(listen()?)?);
        Ok(Self { device, kind: Kind::Veth(veth.near), sink, source })
    }

    /// The way to a receiver that somebody runs.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn to(sink: SocketAddr) -> Result<Self> {
        let any = if sink.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let control = UdpSocket::bind(any)?;
        // Sends nothing: the kernel only looks for the way.
        control.connect(sink).with_context(|| format!("there is no way to {sink}"))?;
        let name = device::of(control.local_addr()?.ip())?;
        let kind = if name == "lo" { Kind::Loopback } else { Kind::Card };
        Ok(Self { device: (name, control), kind, sink, source: far::source(listen()?)? })
    }

    /// What it is, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Loopback => "loopback (no device: nothing is transferred by DMA)".to_owned(),
            Kind::Veth(_) => "veth (a pair of virtual interfaces stands for a network card)".into(),
            Kind::Card => format!("{} by {}", self.sink, self.device.0),
        }
    }

    /// Whether there is a device that takes bytes from memory, or one that stands for it.
    #[must_use]
    pub fn has_device(&self) -> bool {
        !matches!(self.kind, Kind::Loopback)
    }

    /// Where a process that is started finds the network that it must send from.
    #[must_use]
    pub fn namespace(&self) -> Option<PathBuf> {
        let Kind::Veth(near) = &self.kind else { return None };
        Some(format!("/proc/self/fd/{}", near.as_raw_fd()).into())
    }

    /// Sees to it that the device takes packets in pieces, or does not.
    ///
    /// # Errors
    ///
    /// If it is otherwise, and cannot be changed.
    pub fn set_scatter_gather(&self, on: bool) -> Result<()> {
        let (name, control) = &self.device;
        if let Kind::Veth(_) = self.kind {
            return device::set_scatter_gather(control, name, on);
        }
        let has = device::scatter_gather(control, name)?;
        match (on, has, &self.kind) {
            (false, true, Kind::Loopback) => {
                bail!("the loopback always has scatter-gather; --to veth has it switched off")
            }
            (false, true, _) => bail!(
                "{name} has scatter-gather, and zc changes no device of this machine (ethtool -K \
                 {name} sg off does); --to veth has it switched off"
            ),
            (true, false, _) => bail!(
                "{name} has no scatter-gather; ethtool -K {name} sg on switches it on, where the \
                 device can"
            ),
            _ => Ok(()),
        }
    }
}

/// Enters the network that [`Network::namespace`] names; this process must have one thread.
///
/// # Errors
///
/// If that may not be.
pub(super) fn enter(namespace: &std::path::Path) -> Result<()> {
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    use std::os::fd::AsFd as _;
    let network = std::fs::File::open(namespace).context("zc's network is gone")?;
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
        .context("cannot enter zc's network")
}

fn listen() -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on the loopback")
}
