//! What `/proc/PID/net/tcp` and `tcp6` say. Nothing is read here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    /// Its own address.
    pub(super) local: SocketAddr,
    /// That of its peer.
    pub(super) remote: SocketAddr,
    /// The number by which descriptors refer to it; 0 if none does.
    pub(super) inode: u64,
    /// Whether it has a peer: who listens, or is closed, has none.
    pub(super) is_connected: bool,
}

/// The sockets of a table, whichever of both it is.
pub(super) fn sockets(table: &str) -> impl Iterator<Item = Socket> + '_ {
    table.lines().filter_map(socket)
}

/// A line, by `get_tcp4_sock` (net/ipv4/tcp_ipv4.c): numbers in hexadecimal, but for the last.
fn socket(line: &str) -> Option<Socket> {
    /// `TCP_CLOSE` and `TCP_LISTEN` (include/net/tcp_states.h).
    const UNCONNECTED: [&str; 2] = ["07", "0A"];
    let mut words = line.split_whitespace().skip(1);
    let (local, remote) = (address(words.next()?)?, address(words.next()?)?);
    let is_connected = !UNCONNECTED.contains(&words.next()?);
    let inode = words.nth(5)?.parse().ok()?;
    Some(Socket { local, remote, inode, is_connected })
}

/// An address and a port; words of 32 bits as the machine has them in memory.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| {
        let word = address.get(at..at + 8)?;
        u32::from_str_radix(word, 16).ok().map(u32::to_ne_bytes)
    };
    let address = match address.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (at, part) in (0..).step_by(8).zip(bytes.chunks_exact_mut(4)) {
                part.copy_from_slice(&word(at)?);
            }
            // One of IPv4 stands in the other table as such.
            IpAddr::from(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 93196 1
   1: 020200C0:B58B 010200C0:0050 01 00000000:00000001 00:00000000 00000000     0        0 95381 2 0
   2: 020200C0:B58C 010200C0:0050 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0
   3: 020200C0:B58D 010200C0:0050 07 00000000:00000000 00:00000000 00000000     0        0 7 3 0
";

    #[test]
    fn who_is_connected_is_told() {
        let found: Vec<_> = sockets(TABLE).filter(|socket| socket.is_connected).collect();
        let socket = |port, inode| Socket {
            local: SocketAddr::new([192, 0, 2, 2].into(), port),
            remote: SocketAddr::new([192, 0, 2, 1].into(), 80),
            inode,
            is_connected: true,
        };
        assert_eq!(sockets(TABLE).count(), 4);
        assert_eq!(found, [socket(0xb58b, 95381), socket(0xb58c, 0)]);
    }

    #[test]
    fn addresses_are_told_in_either_family() {
        let told = |text| address(text).map(|address| address.to_string());
        assert_eq!(told("0100007F:0050").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(told("0000000000000000FFFF00000100007F:0050").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(
            told("B80D0120000000000000000001000000:0050").as_deref(),
            Some("[2001:db8::1]:80")
        );
        for none in ["", "0100007F", "0100007:0050", "0100007F:x", "+100007F:0050é"] {
            assert_eq!(told(none), None, "{none}");
        }
    }
}
