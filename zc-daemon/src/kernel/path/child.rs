//! The process of one path.

use std::{
    fs::File,
    io::Write as _,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use rustix::{
    fs::OFlags,
    process::{Pid, Signal, getpid, kill_process, set_parent_process_death_signal},
};
use serde::{Deserialize, Serialize};

use super::{NOTHING, PATHS, Path, Peer, Source, data, tcp};
use crate::kernel::network;

/// Where, and how much.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setting {
    /// The file to read.
    pub data: PathBuf,
    /// One of a single request, to warm up with.
    pub warm: PathBuf,
    /// A file of holes.
    pub holes: PathBuf,
    /// Where to make files to write to.
    pub dir: PathBuf,
    /// Bytes in all.
    pub bytes: u64,
    /// Who reads what is sent, or sends.
    pub peer: SocketAddr,
    /// The network to be in, if it is not the one of who starts it.
    pub namespace: Option<PathBuf>,
    /// Seconds after which it has failed.
    pub patience: u32,
}

/// What a request reads from and writes to.
pub(super) struct Ends {
    pub(super) from: File,
    pub(super) to: Option<File>,
}

/// One request: which, counted from 0.
type Request = Box<dyn FnMut(&Ends, u64) -> Result<()>>;

/// A path that is ready.
pub(super) struct Prepared {
    request: Request,
    /// The connection by which bytes are sent or received.
    socket: Option<TcpStream>,
}

impl Prepared {
    pub(super) fn new(
        socket: Option<TcpStream>,
        request: impl FnMut(&Ends, u64) -> Result<()> + 'static,
    ) -> Self {
        Self { request: Box::new(request), socket }
    }

    /// Makes so many requests.
    fn run(&mut self, ends: &Ends, requests: u64) -> Result<()> {
        (0..requests).try_for_each(|number| (self.request)(ends, number))
    }
}

impl Setting {
    /// A connection to the far end.
    pub(super) fn connect(&self) -> Result<TcpStream> {
        let socket = TcpStream::connect(self.peer);
        let socket = socket.with_context(|| format!("cannot connect to {}", self.peer))?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }

    fn ends(&self, path: &Path, warm: bool) -> Result<Ends> {
        let name = match path.source {
            Source::Holes => &self.holes,
            Source::File | Source::Direct if warm => &self.warm,
            Source::File | Source::Direct | Source::Memory | Source::Peer => &self.data,
        };
        let flags = if path.source == Source::Direct { OFlags::DIRECT } else { OFlags::empty() };
        let from = data::open(name, flags)?;
        if !warm {
            data::cool(&from)?;
        }
        let to = path.writes.then(|| tempfile::tempfile_in(&self.dir)).transpose()?;
        Ok(Ends { from, to })
    }
}

/// Runs a path: one request to warm up, then all of them, between two stops of this process
/// by `SIGSTOP`; what it sends is on its way then. A third stop once all has arrived. Prints
/// how many bytes its connection transferred since the first.
///
/// A stop, and not the end of an input: it costs one call after the requests, and none before.
///
/// # Errors
///
/// If there is no path of that name, or it cannot run here.
pub fn run(name: &str, setting: &str) -> Result<()> {
    let path = PATHS.iter().chain([&NOTHING]).find(|path| path.name == name);
    let path = path.with_context(|| format!("there is no path {name}"))?;
    let setting: Setting = serde_json::from_str(setting).context("no setting of a path")?;
    // A process that is stopped is not to be left behind.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // SAFETY: no precondition; the signal ends this process, which does nothing else.
    unsafe { libc::alarm(setting.patience) };
    if let Some(namespace) = &setting.namespace {
        network::enter(namespace)?;
    }
    let mut prepared = (path.set_up)(&setting)?;
    prepared.run(&setting.ends(path, true)?, 1)?;
    let ends = setting.ends(path, false)?;
    let (requests, me) = (path.requests(setting.bytes), getpid());
    let before = transferred(path, prepared.socket.as_ref())?;
    stop(me)?;
    prepared.run(&ends, requests)?;
    stop(me)?;
    let after = transferred(path, prepared.socket.as_ref())?;
    stop(me)?;
    let bytes = after.zip(before).map(|(after, before)| after - before);
    let mut out = std::io::stdout();
    Ok(out.write_all(serde_json::to_string(&bytes)?.as_bytes())?)
}

fn stop(me: Pid) -> Result<()> {
    Ok(kill_process(me, Signal::STOP)?)
}

/// What a connection has transferred so far, once all of it has arrived.
fn transferred(path: &Path, socket: Option<&TcpStream>) -> Result<Option<u64>> {
    let Some(socket) = socket else { return Ok(None) };
    tcp::settle(socket)?;
    let sums = tcp::Sums::of(socket)?;
    Ok(Some(if path.peer == Peer::Source { sums.received } else { sums.sent }))
}
