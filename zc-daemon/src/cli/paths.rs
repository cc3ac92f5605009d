//! Flags of `zc paths`.

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
};

use clap::Args;

use super::Attach;
use crate::{engine::bytes::Bytes, kernel::path::CHUNK};

/// Flags of `zc paths`.
#[derive(Debug, Args)]
pub struct Paths {
    /// Bytes that go by each path, such as 64MiB or 1GB, in whole requests of 64 KiB.
    #[arg(long, default_value = "16MiB", value_parser = size)]
    pub size: u64,
    /// Where sockets lead: loopback, veth (a pair of virtual interfaces, which stands for a
    /// network card), or HOST:PORT of anything that reads [default: veth, where it can be made].
    #[arg(long, value_parser = to)]
    pub to: Option<To>,
    /// The folder for the files; on a disk, for there to be transfers by one [default: the
    /// folder for temporary files, /var/tmp, or this folder: the first that is on a disk].
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Run only the path of this name, as --json has it; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Print JSON.
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print a table in Markdown.
    #[arg(long)]
    pub markdown: bool,
    /// How to attach.
    #[command(flatten)]
    pub attach: Attach,
}

/// Where sockets lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// To this machine.
    Loopback,
    /// To another network on this machine.
    Veth,
    /// To who listens there.
    Host(SocketAddr),
}

fn to(text: &str) -> Result<To, String> {
    match text {
        "loopback" => Ok(To::Loopback),
        "veth" => Ok(To::Veth),
        _ if !text.contains(':') => {
            Err(format!("{text:?} is no receiver; write loopback, veth or HOST:PORT"))
        }
        _ => {
            let found = text.to_socket_addrs().ok().and_then(|mut found| found.next());
            found.map(To::Host).ok_or_else(|| format!("there is no host and port {text:?}"))
        }
    }
}

/// The most that there is a use for.
pub(super) const MOST: u64 = 1 << 40;

pub(super) fn size(text: &str) -> Result<u64, String> {
    match text.parse::<Bytes>()?.0 {
        bytes @ 1..=MOST => Ok(bytes.next_multiple_of(CHUNK)),
        _ => Err(format!("{text:?} is out of range: 1 to 1 TiB")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_are_whole_requests() {
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!((size("65536"), size("1")), (Ok(CHUNK), Ok(CHUNK)));
        assert_eq!(size("1MB"), Ok(16 * CHUNK));
        for wrong in ["", "0", "-1", "MiB", "2TiB", "99999999999GiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_receiver_is_a_name_or_an_address() {
        assert_eq!((to("loopback"), to("veth")), (Ok(To::Loopback), Ok(To::Veth)));
        assert_eq!(to("127.0.0.1:9"), Ok(To::Host(([127, 0, 0, 1], 9).into())));
        for wrong in ["", "eth0", "127.0.0.1", "127.0.0.1:port"] {
            assert!(to(wrong).is_err(), "{wrong}");
        }
    }
}
