//! Loops of one operation each, timed. In a guest that counts, a nanosecond is an
//! instruction.

use std::{
    fs::File,
    hint::black_box,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result};

use super::peer::ping_pong;

/// A large read.
const LARGE: usize = 64 << 10;
const PAGE: usize = 4096;

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loop {
    /// A system call that moves nothing.
    Getppid,
    /// One byte of a cached file.
    Pread,
    /// 64 KiB of it.
    PreadLarge,
    /// One byte of `/dev/zero`.
    Zero,
    /// A byte there and back between two threads: two writes, two reads, two switches.
    PingPong,
    /// A switch between two threads that give way to each other, and the system call that
    /// asks for it.
    Yield,
    /// The first write to a page of anonymous memory.
    Fault,
}

impl Loop {
    /// Every one, with its name.
    pub(super) const ALL: &[(Self, &str)] = &[
        (Self::Getppid, "getppid"),
        (Self::Pread, "pread-1"),
        (Self::PreadLarge, "pread-64k"),
        (Self::Zero, "zero-1"),
        (Self::PingPong, "ping-pong"),
        (Self::Yield, "yield"),
        (Self::Fault, "fault"),
    ];

    /// What one operation takes, in nanoseconds: the median of several loops, each too short
    /// for most to be interrupted.
    ///
    /// # Errors
    ///
    /// If the file in `folder` cannot be written or read.
    pub(super) fn time(self, folder: &Path) -> Result<f64> {
        const SAMPLES: usize = 21;
        let path = folder.join("cost-data");
        std::fs::write(&path, vec![7; LARGE]).context("the file to read cannot be written")?;
        let file = File::open(&path)?;
        let zero = File::open("/dev/zero")?;
        let mut buffer = vec![0; LARGE];
        let mut sample = || match self {
            Self::Getppid => each(1000, || {
                black_box(std::os::unix::process::parent_id());
                Ok(())
            }),
            Self::Pread => each(500, || Ok(file.read_exact_at(&mut buffer[..1], 0)?)),
            Self::PreadLarge => each(20, || Ok(file.read_exact_at(&mut buffer, 0)?)),
            Self::Zero => each(500, || Ok(zero.read_exact_at(&mut buffer[..1], 0)?)),
            Self::PingPong => ping_pong(|round| {
                round()?;
                each(200, round)
            }),
            Self::Yield => give_way(400),
            Self::Fault => faults(500),
        };
        sample()?;
        let mut times = (0..SAMPLES).map(|_| sample()).collect::<Result<Vec<_>>>()?;
        times.sort_by(f64::total_cmp);
        Ok(times[SAMPLES / 2])
    }
}

/// The time of one of `count` operations.
fn each(count: u32, mut operation: impl FnMut() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    for _ in 0..count {
        operation()?;
    }
    Ok(per(start, count))
}

fn per(start: Instant, count: u32) -> f64 {
    start.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

fn give_way(count: u32) -> Result<f64> {
    let done = Arc::new(AtomicBool::new(false));
    let other = Arc::clone(&done);
    let thread = thread::spawn(move || {
        while !other.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    });
    thread::yield_now();
    let there_and_back = each(count, || {
        thread::yield_now();
        Ok(())
    });
    done.store(true, Ordering::Relaxed);
    let _ = thread.join();
    Ok(there_and_back? / 2.0)
}

/// Larger than what an allocator keeps for reuse, so its pages are fresh.
fn faults(count: u32) -> Result<f64> {
    let mut memory = vec![0_u8; 64 << 20];
    let mut pages = memory.chunks_mut(PAGE);
    each(count, || {
        let page = pages.next().context("too few pages")?;
        page[0] = black_box(1);
        Ok(())
    })
}
