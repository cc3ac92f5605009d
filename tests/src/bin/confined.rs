//! Confines itself as zc does, then does one thing; prints the error's number, 0 for none.

#![expect(clippy::print_stdout, reason = "what its test reads")]

use std::{fs::File, net::TcpStream, os::unix::net::UnixDatagram, process::Command, thread};

use anyhow::{Result, bail};
use rustix::{
    io::Errno,
    mm::{MapFlags, ProtFlags, mmap_anonymous},
    process::{Resource, Rlimit, Signal, getppid, kill_process, setrlimit},
};
use zc_daemon::privileges::{Calls, confine};

fn main() -> Result<()> {
    let [calls, what] = [1, 2].map(|place| std::env::args().nth(place).unwrap_or_default());
    let calls = match calls.as_str() {
        "daemon" => Calls::Serving,
        "clerk" => Calls::Clerk,
        other => bail!("nobody is called {other:?}"),
    };
    // Made before: the filter is to be for all threads.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let other = thread::spawn(move || wait.recv().map(|()| attempt(&what)));
    confine(calls)?;
    go.send(())?;
    let error = match other.join() {
        Ok(Ok(attempted)) => attempted?.map_or(0, Errno::raw_os_error),
        _ => bail!("the thread is gone"),
    };
    println!("{error}");
    Ok(())
}

/// How it failed.
fn attempt(what: &str) -> Result<Option<Errno>> {
    let of = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let done = match what {
        "read a file" => std::fs::read("/proc/self/stat").map(drop).map_err(of),
        "make a file" => File::create("/tmp/zc-confined").map(drop).map_err(of),
        "start a program" => Command::new("/bin/true").spawn().map(drop).map_err(of),
        "connect" => TcpStream::connect("127.0.0.1:1").map(drop).map_err(of),
        "tell the manager" => UnixDatagram::unbound().map(drop).map_err(of),
        "make a thread" => thread::Builder::new().spawn(|| ()).map(drop).map_err(of),
        "run memory" => executable(),
        "signal another" => getppid().map_or(Ok(()), |parent| kill_process(parent, Signal::CONT)),
        "set a limit" => {
            let limit = Rlimit { current: Some(64), maximum: Some(64) };
            setrlimit(Resource::Nofile, limit)
        }
        "change the root" => rustix::process::chroot("/"),
        other => bail!("nothing is called {other:?}"),
    };
    Ok(done.err())
}

fn executable() -> rustix::io::Result<()> {
    let rights = ProtFlags::READ | ProtFlags::EXEC;
    // SAFETY: the kernel chooses a place where nothing is.
    let mapped = unsafe { mmap_anonymous(std::ptr::null_mut(), 4096, rights, MapFlags::PRIVATE) };
    mapped.map(drop)
}
