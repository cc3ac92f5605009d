//! Netlink: from one socket of this process to another.

use anyhow::{Context as _, Result};

use super::sockets::make_room_to_send;
use super::step::{exactly, no_files};
use super::sys::{net, netlink};
use super::{Case, Expected, Params};

/// The most bytes of one message; chunks are clamped to it.
const MESSAGE: u64 = 60_000;

/// Chunks are at most 60000 bytes.
pub(super) const UNICAST: Case = Case::new("netlink-send-recv", no_files, unicast, |params| {
    let params = &params.in_chunks_of_at_most(MESSAGE);
    Expected::default().sends(params).receives(params)
});

fn unicast(params: &Params) -> Result<()> {
    let params = &params.in_chunks_of_at_most(MESSAGE);
    let (near, far) = netlink::pair().context("cannot make a pair of netlink sockets")?;
    make_room_to_send(&near, params)?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        let buffer = &mut buffer[..chunk.len];
        exactly("send", net::send(&near, buffer, 0), chunk.len)?;
        exactly("recv", net::recv(&far, buffer, 0), chunk.len)?;
    }
    Ok(())
}
