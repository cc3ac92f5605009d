//! What copying costs on this machine, by doing it.

use std::{hint::black_box, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// Seconds that the copy of one byte takes.
#[derive(Clone, Copy, Debug)]
pub struct Seconds {
    /// Out of memory that stays in the caches.
    pub cached: f64,
    /// Out of memory beyond them.
    pub uncached: f64,
}

/// Bytes of one copy, as much as programs move at once.
const CHUNK: usize = 64 << 10;
/// Of this a copy in the caches copies pieces, over and over: a quarter of a chunk each.
const PIECE: usize = CHUNK / 4;
/// More than most caches hold; there are two of it for the time of a measurement.
const LARGE: usize = 64 << 20;
/// Bytes of one round in the caches.
const SMALL_ROUND: usize = 16 << 20;
/// An odd number, so that there is one in the middle.
const ROUNDS: usize = 5;

/// What the copy of a byte costs, in the processor's time of this thread, so that it does not matter who else runs:
/// some tens of milliseconds, and 128 MiB, which are freed at once.
///
/// The least of the rounds in the caches, as whatever disturbs one makes it longer, and the
/// middle one of the others. No time passes where the clock is too coarse: then it is unknown.
#[must_use]
pub fn cost() -> Option<Seconds> {
    let cached = rounds(in_caches);
    let uncached = beyond_caches();
    let cost = Seconds { cached: cached[0], uncached: uncached[ROUNDS / 2] };
    (cost.cached > 0.0 && cost.uncached > 0.0).then_some(cost)
}

/// Seconds for a byte, a round each, the least first.
fn rounds(mut round: impl FnMut() -> f64) -> [f64; ROUNDS] {
    let mut rounds = [(); ROUNDS].map(|()| round());
    rounds.sort_by(f64::total_cmp);
    rounds
}

fn in_caches() -> f64 {
    let (from, mut to) = (vec![1; CHUNK], vec![2; CHUNK]);
    let once = |to: &mut [u8]| copy_in(PIECE, &from, to);
    once(&mut to);
    seconds_of(SMALL_ROUND, || (0..SMALL_ROUND / CHUNK).for_each(|_| once(&mut to)))
}

fn beyond_caches() -> [f64; ROUNDS] {
    // Not zeroes, of which the kernel gives pages only as they are written to.
    let (from, mut to) = (vec![1; LARGE], vec![2; LARGE]);
    rounds(|| seconds_of(LARGE, || copy_in(CHUNK, &from, &mut to)))
}

/// Copies all of it by pieces of this size.
fn copy_in(size: usize, from: &[u8], to: &mut [u8]) {
    for (from, to) in from.chunks_exact(size).zip(to.chunks_exact_mut(size)) {
        to.copy_from_slice(black_box(from));
        black_box(to);
    }
}

/// How long a copy of so many bytes takes this thread, a byte.
fn seconds_of(bytes: usize, copy: impl FnOnce()) -> f64 {
    let before = now();
    copy();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let bytes = bytes as f64;
    now().saturating_sub(before).as_secs_f64() / bytes
}

fn now() -> Duration {
    // The kernel's time is no less than 0.
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_take_time() {
        let cost = cost().unwrap();
        for seconds in [cost.cached, cost.uncached] {
            // From a TB a second to a MB a second.
            assert!((1e-12..1e-6).contains(&seconds), "{cost:?}");
        }
    }
}
