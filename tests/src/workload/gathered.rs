//! Sends to another network, by a device that takes a packet in pieces, and by one that
//! does not (no scatter-gather): then the kernel gathers them, by one more copy.

use anyhow::Result;

use super::copies::send_file_over;
use super::step::{input, no_files};
use super::zerocopy::send_by_reference_over;
use super::{Case, Expected, Params, networks, sockets};

/// The negative twin: nothing is copied before the receiver takes it.
pub(super) const SENDFILE: Case = Case::new("sendfile-veth", input, sendfile, |params| {
    Expected::default().passes_on("sendfile", "socket", params).receives(params)
})
.needs(networks::NEEDS);

/// What was taken by reference is gathered on its way.
pub(super) const SENDFILE_GATHERED: Case =
    Case::new("sendfile-veth-no-sg", input, sendfile_gathered, |params| {
        let passed = Expected::default().passes_on("sendfile", "socket", params);
        gathered(passed.receives(params), "sendfile", params)
            .falls_back("sendfile", "gathered", params)
    })
    .needs(networks::NEEDS);

/// Copied from the process, and once more on its way. No promise is broken.
pub(super) const SEND_GATHERED: Case =
    Case::new("send-veth-no-sg", no_files, send_gathered, |params| {
        gathered(Expected::default().sends(params).receives(params), "send", params)
    })
    .needs(networks::NEEDS);

/// The copy comes before the one that the receiver would have made.
pub(super) const ZERO_COPY_GATHERED: Case =
    Case::new("msg-zerocopy-veth-no-sg", no_files, zero_copy_gathered, |params| {
        let sent = Expected::default()
            .moves("msg_zerocopy", "socket", params)
            .leaves_to_probes("msg_zerocopy", "socket", params)
            .links("msg_zerocopy", params)
            .receives(params);
        gathered(sent, "msg_zerocopy", params).falls_back("msg_zerocopy", "gathered", params)
    })
    .needs(networks::NEEDS);

fn gathered(expected: Expected, route: &'static str, params: &Params) -> Expected {
    expected.copies_in_truth(route, "in_kernel", params)
}

fn sendfile(params: &Params) -> Result<()> {
    send_file_over(&networks::tcp_pair(params)?, params)
}

fn sendfile_gathered(params: &Params) -> Result<()> {
    send_file_over(&networks::tcp_pair_without_scatter_gather(params)?, params)
}

fn send_gathered(params: &Params) -> Result<()> {
    sockets::send_over(&networks::tcp_pair_without_scatter_gather(params)?, params)
}

fn zero_copy_gathered(params: &Params) -> Result<()> {
    send_by_reference_over(&networks::tcp_pair_without_scatter_gather(params)?, params)
}
