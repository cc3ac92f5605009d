//! The clerk: a process that keeps `CAP_SYS_ADMIN` for one call, so that the daemon need not.
//!
//! The kernel times programs as long as somebody holds what `BPF_ENABLE_STATS` gives, and that
//! takes `CAP_SYS_ADMIN`, which is next to being root. Timing costs each run something, so zc
//! has it done for a second now and then, and must ask anew each time. The clerk can do nothing
//! else: it holds no other capability, and its system calls are confined to this one, and to
//! the socket on which it is asked.

use std::{
    io::{IoSlice, IoSliceMut, stdin},
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use rustix::{
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
    thread::CapabilitySet,
};

use super::{Calls, confine, give_up_capabilities};

/// The hidden command of zc that is the clerk.
pub const COMMAND: &str = "clerk";

/// What it is asked: for anything at all.
const ASKED: &[u8] = b"?";

/// The daemon's end.
pub struct Clerk(UnixStream);

impl Clerk {
    /// Starts it; it ends with the daemon.
    ///
    /// # Errors
    ///
    /// If this program cannot be started again.
    pub fn start() -> Result<Self> {
        let (ours, theirs) = UnixStream::pair().context("there is no pair of sockets")?;
        Command::new("/proc/self/exe")
            .arg0("zc")
            .arg(COMMAND)
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            // A terminal's Ctrl-C is for the daemon, which ends it.
            .process_group(0)
            .spawn()
            .context("cannot start the clerk")?;
        Ok(Self(ours))
    }

    /// Has the kernel time programs as long as the result is held.
    ///
    /// # Errors
    ///
    /// If the kernel does not, or the clerk is gone.
    pub fn time(&self) -> Result<OwnedFd> {
        const GONE: &str = "the clerk is gone";
        let send = |bytes| sendmsg_plain(self.0.as_fd(), bytes);
        send(ASKED).context(GONE)?;
        let (mut answer, mut space) = ([0; 4], [MaybeUninit::uninit(); ROOM]);
        let mut passed = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let got = recvmsg(&self.0, &mut [IoSliceMut::new(&mut answer)], &mut passed, flags);
        if got.context(GONE)?.bytes != answer.len() {
            bail!(GONE);
        }
        let descriptor = passed.drain().find_map(|message| {
            let RecvAncillaryMessage::ScmRights(mut descriptors) = message else { return None };
            descriptors.next()
        });
        descriptor
            .ok_or_else(|| std::io::Error::from_raw_os_error(i32::from_ne_bytes(answer)).into())
    }
}

/// Room for one descriptor.
const ROOM: usize = rustix::cmsg_space!(ScmRights(1));

fn sendmsg_plain(to: BorrowedFd<'_>, bytes: &[u8]) -> rustix::io::Result<usize> {
    let mut nothing = SendAncillaryBuffer::default();
    sendmsg(to, &[IoSlice::new(bytes)], &mut nothing, SendFlags::NOSIGNAL)
}

/// Is the clerk: answers on standard input until the daemon has ended. `time` has the kernel
/// time programs.
///
/// # Errors
///
/// If it cannot give up what it does not need.
pub fn serve(mut time: impl FnMut() -> std::io::Result<OwnedFd>) -> Result<()> {
    give_up_capabilities(CapabilitySet::SYS_ADMIN)?;
    confine(Calls::Clerk)?;
    let daemon = stdin();
    let mut asked = [0; 1];
    while rustix::io::read(&daemon, &mut asked)? > 0 {
        let answered = match time() {
            Ok(stats) => answer(daemon.as_fd(), 0, Some(stats.as_fd())),
            Err(error) => {
                let number = error.raw_os_error().unwrap_or(Errno::IO.raw_os_error());
                answer(daemon.as_fd(), number, None)
            }
        };
        answered?;
    }
    Ok(())
}

fn answer(to: BorrowedFd<'_>, number: i32, stats: Option<BorrowedFd<'_>>) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); ROOM];
    let mut passed = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<_> = stats.into_iter().collect();
    if !descriptors.is_empty() {
        passed.push(SendAncillaryMessage::ScmRights(&descriptors));
    }
    let number = number.to_ne_bytes();
    sendmsg(to, &[IoSlice::new(&number)], &mut passed, SendFlags::NOSIGNAL)?;
    Ok(())
}
