//! The sampler: one pass over the slots whenever it is time or somebody asks.

use std::{
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use tokio::sync::{oneshot, watch};
use zc_common::slot::{Care, Look};

use super::{
    ledger::Ledger,
    probes::Probes,
    snapshot::{Process, Snapshot},
    tax::Tax,
};

/// Where readings come from.
pub trait Source: Send {
    /// Hands every slot in use to `book` and gives back those it returns `true`
    /// for.
    ///
    /// # Errors
    ///
    /// If the slots cannot be read.
    fn read(&mut self, care: Care, book: &mut dyn FnMut(Look<'_>) -> bool) -> Result<()>;

    /// What time it is: the engine has no clock.
    fn now(&self) -> Instant;

    /// How many slots there are.
    fn capacity(&self) -> u32;

    /// What was missed since the start, by reason.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell.
    fn lost(&self) -> Result<Vec<(&'static str, u64)>>;

    /// What the probes see, and what observing costs, if the kernel tells.
    ///
    /// # Errors
    ///
    /// If a budget for it cannot be kept.
    fn standing(&mut self) -> Result<Standing> {
        Ok(Standing::default())
    }
}

/// How zc itself stands.
pub type Standing = (Arc<Probes>, Option<Tax>);

/// What the sampler is asked for.
enum Request {
    /// A snapshot taken now.
    Now(oneshot::Sender<Arc<Snapshot>>),
    /// Every process as it is now: only who wants it pays for it.
    Census(oneshot::Sender<Vec<Process>>),
    /// To go on by other settings.
    Change(Box<Change>),
    /// To end, whoever may still want to ask.
    End,
}

/// Changes settings of a ledger, and how often it is looked when nobody asks.
type Change = dyn FnOnce(&mut Ledger, &mut Duration) + Send;

/// Asks the sampler.
#[derive(Clone)]
pub struct Asker {
    requests: mpsc::Sender<Request>,
    /// The latest snapshot.
    pub latest: watch::Receiver<Arc<Snapshot>>,
}

impl Asker {
    /// A snapshot taken after this call; none if the sampler has ended.
    pub async fn now(&self) -> Option<Arc<Snapshot>> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Now(reply)).ok()?;
        answer.await.ok()
    }

    /// Goes on by other settings from the next look on.
    ///
    /// # Errors
    ///
    /// If the sampler has ended.
    pub fn change(
        &self,
        change: impl FnOnce(&mut Ledger, &mut Duration) + Send + 'static,
    ) -> Result<()> {
        let sent = self.requests.send(Request::Change(Box::new(change)));
        sent.map_err(|_| anyhow!("the sampler has ended"))
    }

    /// Every process as it stands after this call; none if the sampler has ended.
    pub async fn census(&self) -> Option<Vec<Process>> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Census(reply)).ok()?;
        answer.await.ok()
    }
}

/// The running sampler.
pub struct Sampler {
    requests: mpsc::Sender<Request>,
    thread: JoinHandle<()>,
}

impl Sampler {
    /// Ends it, which drops the source.
    ///
    /// # Errors
    ///
    /// If it panicked.
    pub fn end(self) -> Result<()> {
        // It may have ended by itself; then it is told in vain.
        let _ = self.requests.send(Request::End);
        self.thread.join().map_err(|_| anyhow!("the sampler panicked; please report it"))
    }
}

/// Starts the sampler on a thread of its own, with a ledger that may have books of the
/// same source already; it looks so often when nobody asks. `seen` is told of each snapshot, and
/// when it was taken.
pub fn start(
    source: impl Source + 'static,
    ledger: Ledger,
    interval: Duration,
    seen: impl FnMut(Instant, &Snapshot) + Send + 'static,
) -> std::io::Result<(Asker, Sampler)> {
    let (requests, inbox) = mpsc::channel::<Request>();
    let (publish, latest) = watch::channel(Arc::new(Snapshot::default()));
    let thread = std::thread::Builder::new()
        .name("sampler".to_owned())
        .stack_size(STACK)
        .spawn(move || sample(source, ledger, (interval, seen), &inbox, &publish))?;
    Ok((Asker { requests: requests.clone(), latest }, Sampler { requests, thread }))
}

/// Tallies and the words of all CPUs are handed on by value, which a debug build copies
/// at each step.
const STACK: usize = 8 << 20;

fn sample(
    mut source: impl Source,
    mut ledger: Ledger,
    (mut interval, mut seen): (Duration, impl FnMut(Instant, &Snapshot)),
    inbox: &mpsc::Receiver<Request>,
    publish: &watch::Sender<Arc<Snapshot>>,
) {
    let mut wait = Duration::ZERO;
    let mut cares = (0..LOOKS).map(care).cycle();
    loop {
        let request = match inbox.recv_timeout(wait) {
            Ok(Request::End) | Err(RecvTimeoutError::Disconnected) => return,
            Ok(Request::Change(change)) => {
                change(&mut ledger, &mut interval);
                None
            }
            Ok(request) => Some(request),
            Err(RecvTimeoutError::Timeout) => None,
        };
        let care = cares.next().unwrap_or(Care::Thorough);
        match pass(&mut source, &mut ledger, care) {
            Ok(snapshot) => {
                wait = pause(&snapshot, interval);
                seen(source.now(), &snapshot);
                let snapshot = Arc::new(snapshot);
                publish.send_replace(Arc::clone(&snapshot));
                answer(request, snapshot, &ledger);
            }
            Err(error) => {
                tracing::error!("a pass over the slots failed: {error:#}");
                wait = interval;
            }
        }
    }
}

/// Tells who asked what there is; it may have given up.
fn answer(request: Option<Request>, snapshot: Arc<Snapshot>, ledger: &Ledger) {
    match request {
        Some(Request::Now(reply)) => drop(reply.send(snapshot)),
        Some(Request::Census(reply)) => drop(reply.send(ledger.census())),
        Some(Request::Change(_) | Request::End) | None => {}
    }
}

/// One pass over the slots: books them, and says how all stands.
///
/// # Errors
///
/// If the slots, the losses, or the names of cgroups cannot be read.
pub fn pass(source: &mut impl Source, ledger: &mut Ledger, care: Care) -> Result<Snapshot> {
    ledger.begin(source.now())?;
    source.read(care, &mut |look| ledger.look(look))?;
    ledger.end();
    let mut snapshot = ledger.snapshot();
    snapshot.thread_capacity = source.capacity();
    (snapshot.probes, snapshot.tax) = source.standing()?;
    snapshot.lost = source.lost()?;
    Ok(snapshot)
}

/// Looks of which one is thorough.
const LOOKS: u32 = 16;

/// How closely to look, for the so manieth time: what a quick look misses stands in the books
/// no more than [`LOOKS`] later.
fn care(look: u32) -> Care {
    if look == 0 { Care::Thorough } else { Care::Quick }
}

/// Looks sooner while slots run short, so that those of dead threads come back.
fn pause(snapshot: &Snapshot, interval: Duration) -> Duration {
    const HASTE: u32 = 20;
    let crowded = snapshot.threads * 2 > snapshot.thread_capacity as usize;
    if crowded { interval / HASTE } else { interval }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source with a given number of slots in use.
    struct Fixed(usize);

    impl Source for Fixed {
        fn read(&mut self, _: Care, _: &mut dyn FnMut(Look<'_>) -> bool) -> Result<()> {
            Ok(())
        }

        fn now(&self) -> Instant {
            Instant::now()
        }

        fn capacity(&self) -> u32 {
            100
        }

        fn lost(&self) -> Result<Vec<(&'static str, u64)>> {
            Ok(vec![("reason", self.0 as u64)])
        }
    }

    #[test]
    fn it_ends_although_somebody_could_still_ask() {
        let (told, seen) = mpsc::channel();
        let tell = move |_: Instant, snapshot: &Snapshot| drop(told.send(snapshot.lost.clone()));
        let hour = Duration::from_secs(3600);
        let (asker, sampler) = start(Fixed(7), Ledger::new(1), hour, tell).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let snapshot = runtime.block_on(asker.now()).unwrap();
        assert_eq!(snapshot.lost, [("reason", 7)]);
        assert_eq!(seen.recv().unwrap(), [("reason", 7)]);
        sampler.end().unwrap();
        assert!(runtime.block_on(asker.now()).is_none());
    }

    #[test]
    fn it_looks_sooner_while_slots_run_short() {
        let second = Duration::from_secs(1);
        let pause = |threads| {
            pause(&Snapshot { threads, thread_capacity: 100, ..Snapshot::default() }, second)
        };
        assert_eq!(pause(50), second);
        assert!(pause(51) < second / 10);
    }
}
