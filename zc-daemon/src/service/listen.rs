//! The socket that is served: bound before anything is attached, listened to at the end.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context as _, Result};
use listenfd::ListenFd;
use rustix::{
    fd::OwnedFd,
    net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt},
};

/// Connections that may wait to be taken.
const WAITING: i32 = 1024;

/// A socket that is not served yet.
pub enum Bound {
    /// Nobody can connect to it.
    Own(OwnedFd, SocketAddr),
    /// The service manager has opened it (socket activation): who connects waits.
    Passed(TcpListener),
}

impl Bound {
    /// The sockets that the service manager has passed (`sd_listen_fds(3)`), or else those of
    /// these addresses.
    ///
    /// # Errors
    ///
    /// If an address is not to be had, or what was passed is no socket that zc can serve.
    pub fn passed_or(addresses: &[SocketAddr]) -> Result<Vec<Self>> {
        let mut passed = ListenFd::from_env();
        if passed.len() == 0 {
            return addresses.iter().copied().map(Self::to).collect();
        }
        tracing::info!("the sockets that were passed take the place of --web.listen-address");
        (0..passed.len()).map(|number| Self::taken(&mut passed, number)).collect()
    }

    fn taken(passed: &mut ListenFd, number: usize) -> Result<Self> {
        let listener = passed.take_tcp_listener(number);
        let listener = listener.context("what was passed is no TCP socket")?;
        let listener = listener.context("a socket was passed twice")?;
        listener.set_nonblocking(true).context("cannot serve the socket that was passed")?;
        Ok(Self::Passed(listener))
    }

    /// Takes an address.
    ///
    /// # Errors
    ///
    /// If it is not to be had.
    pub fn to(address: SocketAddr) -> Result<Self> {
        let socket = bound(address).with_context(|| refused(address))?;
        Ok(Self::Own(socket, address))
    }

    /// Has others connect from here on.
    ///
    /// # Errors
    ///
    /// If another process has begun to listen there meanwhile.
    pub fn listen(self) -> Result<TcpListener> {
        match self {
            Self::Own(socket, address) => {
                listen(&socket, WAITING).with_context(|| refused(address))?;
                Ok(socket.into())
            }
            Self::Passed(listener) => Ok(listener),
        }
    }
}

fn refused(address: SocketAddr) -> String {
    format!("cannot listen on {address}; choose another with --web.listen-address")
}

fn bound(address: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    // Else the address stays taken for a minute after the end.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn nobody_connects_before_it_listens() {
        let bound = Bound::to("127.0.0.1:0".parse().unwrap()).unwrap();
        let Bound::Own(socket, _) = &bound else { panic!("nothing was passed") };
        let address = SocketAddr::try_from(rustix::net::getsockname(socket).unwrap());
        let address = address.unwrap();
        assert!(TcpStream::connect(address).is_err());
        let listener = bound.listen().unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);
        TcpStream::connect(address).unwrap();
        let taken = Bound::to(address).err().unwrap();
        assert!(format!("{taken:#}").contains("cannot listen on 127.0.0.1:"), "{taken:#}");
    }
}
