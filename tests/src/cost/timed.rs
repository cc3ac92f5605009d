//! Workloads whose CPU time is taken: that of this process, its threads and its children,
//! so that waiting costs nothing and other processes do not count.

use std::{
    fs::File,
    hint::black_box,
    io::{Read as _, Write as _},
    mem::MaybeUninit,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::{fs::FileExt as _, process::parent_id},
    path::Path,
    thread,
};

use anyhow::{Result, ensure};

use super::peer::ping_pong;

const LARGE: usize = 64 << 10;

/// A workload.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timed {
    Getppid,
    Pread,
    PingPong,
    Tmpfs,
    Tcp,
    Fork,
}

impl Timed {
    /// Every one, with its name.
    pub(super) const ALL: &[(Self, &str)] = &[
        (Self::Getppid, "getppid"),
        (Self::Pread, "pread-1"),
        (Self::PingPong, "ping-pong"),
        (Self::Tmpfs, "tmpfs-64k"),
        (Self::Tcp, "tcp-64k"),
        (Self::Fork, "fork-exit"),
    ];

    /// CPU nanoseconds of one operation.
    pub(super) fn time(self, folder: &Path) -> Result<f64> {
        match self {
            Self::Getppid => each(1_500_000, || {
                black_box(parent_id());
                Ok(())
            }),
            Self::Pread => {
                let (file, mut byte) = (cached(folder)?, [0]);
                each(800_000, || Ok(file.read_exact_at(&mut byte, 0)?))
            }
            Self::PingPong => ping_pong(|round| each(60_000, round)),
            Self::Tmpfs => {
                let (file, mut buffer) = (cached(Path::new("/dev/shm"))?, vec![0; LARGE]);
                each(30_000, || Ok(file.read_exact_at(&mut buffer, 0)?))
            }
            Self::Tcp => tcp(15_000),
            Self::Fork => each(1500, fork),
        }
    }
}

/// A file of 64 KiB, in the page cache; it has no name any more.
fn cached(folder: &Path) -> Result<File> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&vec![7; LARGE])?;
    Ok(file)
}

fn each(count: u32, mut operation: impl FnMut() -> Result<()>) -> Result<f64> {
    let before = spent()?;
    for _ in 0..count {
        operation()?;
    }
    Ok((spent()? - before) / f64::from(count))
}

/// CPU nanoseconds that this process has spent, and its children that ended.
fn spent() -> Result<f64> {
    let mut sum = 0.0;
    for who in [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN] {
        let mut usage = MaybeUninit::<libc::rusage>::uninit();
        // SAFETY: the kernel writes a whole `rusage`, or fails.
        let answer = unsafe { libc::getrusage(who, usage.as_mut_ptr()) };
        ensure!(answer == 0, "getrusage failed");
        // SAFETY: it has been written.
        let usage = unsafe { usage.assume_init() };
        for time in [usage.ru_utime, usage.ru_stime] {
            #[expect(clippy::cast_precision_loss, reason = "a benchmark's seconds")]
            let (seconds, micros) = (time.tv_sec as f64, time.tv_usec as f64);
            sum += seconds * 1e9 + micros * 1e3;
        }
    }
    Ok(sum)
}

fn tcp(count: u32) -> Result<f64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    thread::scope(|scope| {
        scope.spawn(move || {
            let buffer = vec![7; LARGE];
            while sender.write_all(&buffer).is_ok() {}
        });
        let mut buffer = vec![0; LARGE];
        let time = each(count, || Ok(receiver.read_exact(&mut buffer)?));
        drop(receiver);
        time
    })
}

/// A child that ends at once.
fn fork() -> Result<()> {
    // SAFETY: the child does nothing but end, without any of the parent's clean-up.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: as above.
        unsafe { libc::_exit(0) };
    }
    ensure!(child > 0, "fork failed");
    // SAFETY: without a place for it no status is written.
    let waited = unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    ensure!(waited == child, "the child was not waited for");
    Ok(())
}
