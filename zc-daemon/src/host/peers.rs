//! Where the connections of a process lead: to this machine, or to another one.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    net::SocketAddr,
};

use rustix::fs::getxattr;

use super::{
    lossy,
    tcp::{self, Socket},
};

/// How many connections of a process lead where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// To other machines, as far as is known here.
    pub remote: usize,
    /// To this machine.
    pub local: usize,
    /// It cannot be told.
    pub unknown: usize,
}

/// The ends of all connections of this machine, in whatever network a process is in.
#[derive(Debug, Default)]
pub struct Ends {
    local: HashSet<SocketAddr>,
    remote: HashSet<SocketAddr>,
}

impl Ends {
    /// As they are now.
    #[must_use]
    pub fn now() -> Self {
        let (mut ends, mut networks) = (Self::default(), BTreeSet::new());
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let network = fs::read_link(format!("/proc/{pid}/ns/net"));
            if network.is_ok_and(|network| networks.insert(network)) {
                let connected = sockets(pid).filter(|socket| socket.is_connected);
                connected.for_each(|socket| ends.add(socket));
            }
        }
        ends
    }

    fn add(&mut self, socket: Socket) {
        self.local.insert(socket.local);
        self.remote.insert(socket.remote);
    }

    /// Whether the peer of a connection is on this machine: it is the loopback's, or another
    /// socket here has its address, or has this one's for its peer; each alone, as addresses may
    /// be translated on the way.
    fn have_peer_of(&self, socket: &Socket) -> bool {
        let (local, remote) = (socket.local, socket.remote);
        remote.ip().is_loopback()
            || remote.ip() == local.ip()
            || self.local.contains(&remote)
            || self.remote.contains(&local)
    }
}

/// Where the connections of a process lead by TCP; none if it is gone.
#[must_use]
pub fn of(pid: u32, ends: &Ends) -> Option<Peers> {
    let descriptors = descriptors(pid)?;
    let known: BTreeMap<u64, Socket> = sockets(pid).map(|socket| (socket.inode, socket)).collect();
    let mut peers = Peers::default();
    for (inode, descriptor) in descriptors {
        match known.get(&inode) {
            Some(socket) if !socket.is_connected => {}
            Some(socket) if ends.have_peer_of(socket) => peers.local += 1,
            Some(_) => peers.remote += 1,
            // Of another network than the process, or not connected: the kernel lists none that
            // was bound to nothing.
            None => peers.unknown += usize::from(is_tcp(&descriptor)),
        }
    }
    Some(peers)
}

/// The sockets of the network that a process is in.
fn sockets(pid: u32) -> impl Iterator<Item = Socket> {
    let table = |name| lossy(&format!("/proc/{pid}/net/{name}")).unwrap_or_default();
    let all = ["tcp", "tcp6"].map(|name| tcp::sockets(&table(name)).collect::<Vec<_>>());
    all.into_iter().flatten()
}

/// The sockets that a process has, each once, by number, with a descriptor's path.
fn descriptors(pid: u32) -> Option<BTreeMap<u64, String>> {
    let mut sockets = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten() {
        let path = entry.path();
        let Ok(target) = fs::read_link(&path) else { continue };
        let number =
            target.to_str().and_then(|name| name.strip_prefix("socket:[")?.strip_suffix("]"));
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            sockets.insert(number, path.to_string_lossy().into_owned());
        }
    }
    Some(sockets)
}

/// Whether a socket is one of TCP; one that is gone by now is none.
fn is_tcp(descriptor: &str) -> bool {
    // `sockfs_xattr_get` (net/socket.c): the name of its `struct proto`.
    let mut name = [0; 32];
    let length = getxattr(descriptor, "system.sockprotoname", &mut name[..]);
    length.is_ok_and(|length| name[..length].starts_with(b"TCP"))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn socket(local: &str, remote: &str) -> Socket {
        let [local, remote] = [local, remote].map(|address| address.parse().unwrap());
        Socket { local, remote, inode: 1, is_connected: true }
    }

    #[test]
    fn who_is_here_is_told_by_either_end() {
        let mut ends = Ends::default();
        let near = socket("192.0.2.1:1000", "192.0.2.2:80");
        ends.add(near);
        assert!(!ends.have_peer_of(&near));
        // The far end; then one that was reached under another address; then one that sees another.
        for far in [
            ("192.0.2.2:80", "192.0.2.1:1000"),
            ("198.51.100.7:8080", "192.0.2.1:1000"),
            ("192.0.2.2:80", "203.0.113.9:4000"),
        ] {
            let mut ends = Ends::default();
            ends.add(near);
            ends.add(socket(far.0, far.1));
            assert!(ends.have_peer_of(&near), "{far:?}");
        }
        assert!(ends.have_peer_of(&socket("127.0.0.1:1", "127.0.0.2:2")));
        assert!(ends.have_peer_of(&socket("192.0.2.1:1", "192.0.2.1:2")));
    }

    #[test]
    fn connections_over_the_loopback_are_local() {
        let own = std::process::id();
        let before = of(own, &Ends::now()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap();
        let after = of(own, &Ends::now()).unwrap();
        assert!(after.local >= before.local + 2, "{before:?} {after:?}");
        drop((near, far));
        assert_eq!(of(u32::MAX, &Ends::default()), None);
    }
}
