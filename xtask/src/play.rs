//! Measured numbers on any machine: zc in a stock kernel under QEMU, its pages on a port
//! of this host.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, TcpListener},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, builder::PossibleValuesParser};

use crate::{
    built,
    vm::{self, Event, Forward, Guest, GuestStatus, Machine, SERIES},
};

/// What prints the measured table.
const TABLE: &str = "zc paths --dir /mnt --size 4MiB";

/// Where the daemon serves, in the guest and, unless told otherwise, here.
const PORT: u16 = 10042;

/// What the guest says when its daemon serves and its bytes move.
const READY: &str = "play: ready";

/// How long that may take: emulated machines are slow.
const PATIENCE: Duration = Duration::from_secs(300);

/// Flags of `cargo xtask vm play`.
#[derive(Args)]
pub(crate) struct PlayFlags {
    /// Kernel series.
    #[arg(default_value = "6.12", value_parser = PossibleValuesParser::new(SERIES))]
    kernel: String,
    /// Port of 127.0.0.1 that leads to the daemon; 0 takes a free one.
    #[arg(long, default_value_t = PORT)]
    port: u16,
}

/// Until Ctrl-C, which is how it ends well.
pub(crate) fn play(flags: &PlayFlags) -> Result<()> {
    let port = free(flags.port)?;
    let folder = built::programs()?;
    vm::fetch(&flags.kernel)?;
    let guest = Guest {
        binaries: vec![(built::stripped(&folder, &folder.join("zc"))?, "/bin/zc".to_owned())],
        memory_mib: 768,
        disk_mib: Some(128),
        forward: Some(Forward { host: port, guest: PORT }),
        interruptible: true,
        ..Guest::new(format!(
            "export TMPDIR=/mnt\nTABLE='{TABLE}' PORT={PORT} READY='{READY}'\n{}",
            include_str!("play.sh")
        ))
    };
    let (release, mut machine) = vm::start(&flags.kernel, &guest)?;
    eprintln!("xtask: {release} boots, and runs `{TABLE}`; Ctrl-C ends it");
    match follow(&machine, port)? {
        Event::Interrupted => Ok(()),
        end @ (Event::Line(_) | Event::End | Event::Late) => {
            let status = machine.end(end == Event::End)?;
            bail!("{}; its lines are above{}", what_failed(status), machine.console())
        }
    }
}

/// Shows what the guest says, and where it serves; what comes instead of more.
fn follow(machine: &Machine, port: u16) -> Result<Event> {
    let mut deadline = Some(Instant::now() + PATIENCE);
    loop {
        match machine.next(deadline) {
            Event::Line(line) if line.trim_end() == READY => {
                deadline = None;
                invite(port);
            }
            Event::Line(line) => io::stdout().write_all(line.as_bytes())?,
            end @ (Event::End | Event::Late | Event::Interrupted) => return Ok(end),
        }
    }
}

fn what_failed(status: GuestStatus) -> String {
    match status {
        GuestStatus::Exited(code) => format!("the guest's daemon, or its table, ended with {code}"),
        GuestStatus::TimedOut => format!("the guest does not serve after {} s", PATIENCE.as_secs()),
        GuestStatus::Died => "the guest died".to_owned(),
    }
}

/// Says what there is to see.
fn invite(port: u16) {
    let url = format!("http://127.0.0.1:{port}/metrics");
    eprintln!(
        "xtask: serving {url} until Ctrl-C; each second dd sends a file by read and write, \
         cat the same by sendfile:\n\n    \
         curl -s {url} | grep -E 'bytes_total.*\"(dd|cat)\",route=\"(read|write|sendfile)\"'\n"
    );
}

/// The port itself, or a free one for 0, if this host lets us listen on it.
fn free(port: u16) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| {
        format!(
            "port {port} of 127.0.0.1 is not to be had; end what listens on it, or name another \
             by --port (0 takes a free one)"
        )
    })?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_refused_by_number() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = format!("{:#}", free(port).unwrap_err());
        assert!(error.contains(&format!("port {port} ")) && error.contains("--port"), "{error}");
        assert_ne!(free(0).unwrap(), 0);
    }
}
