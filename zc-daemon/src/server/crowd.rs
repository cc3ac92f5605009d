//! How many connections there may be, and which gives way to a new one: the one that has
//! waited longest without a request, so that those who hold connections open keep nobody out.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::phase::Phase;

/// Every open connection.
pub(super) struct Crowd {
    free: Arc<Semaphore>,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    next: u64,
    taken: BTreeMap<u64, (Arc<Phase>, Arc<Notify>)>,
}

/// The place of one connection; free for the next once this is dropped.
pub(super) struct Seat {
    number: u64,
    crowd: Arc<Crowd>,
    leave: Arc<Notify>,
    _free: OwnedSemaphorePermit,
}

/// How often to look for somebody who waits, while all are being answered.
const AGAIN: Duration = Duration::from_millis(20);

impl Crowd {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(limit)), seats: Mutex::default() })
    }

    /// A seat, once there is one: where all are taken, who has waited longest has to leave.
    /// Nobody has who is being answered, which takes nobody for ever.
    pub(super) async fn seat(self: &Arc<Self>, phase: Arc<Phase>) -> Seat {
        let free = loop {
            if self.free.available_permits() == 0 {
                self.send_away();
            }
            // It is never closed, and looks again if nobody has left.
            if let Ok(Ok(free)) = timeout(AGAIN, Arc::clone(&self.free).acquire_owned()).await {
                break free;
            }
        };
        let leave = Arc::new(Notify::new());
        let mut seats = self.seats();
        let number = seats.next;
        seats.next += 1;
        seats.taken.insert(number, (phase, Arc::clone(&leave)));
        Seat { number, crowd: Arc::clone(self), leave, _free: free }
    }

    /// Has the one leave who has waited longest.
    fn send_away(&self) {
        let mut seats = self.seats();
        let taken = seats.taken.iter();
        let waiting = taken.filter_map(|(seat, (phase, _))| Some((phase.waits_since()?, *seat)));
        let longest = waiting.min().and_then(|(_, seat)| seats.taken.remove(&seat));
        if let Some((_, leave)) = longest {
            leave.notify_one();
        }
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        // What it holds is whole after each step.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Resolves once somebody else wants it.
    pub(super) async fn lost(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.crowd.seats().taken.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_longest_gives_way_and_who_is_answered_never() {
        let crowd = Crowd::new(3);
        let mut seats = Vec::new();
        let phases: Vec<_> = (0..3).map(|_| Arc::new(Phase::new())).collect();
        for phase in &phases {
            advance(Duration::from_secs(1)).await;
            phase.stands();
            seats.push(crowd.seat(Arc::clone(phase)).await);
        }
        phases[0].answering();
        let fourth = Arc::new(Phase::new());
        let wanted = tokio::spawn({
            let (crowd, fourth) = (Arc::clone(&crowd), Arc::clone(&fourth));
            async move { crowd.seat(fourth).await }
        });
        seats[1].lost().await;
        assert!(!wanted.is_finished());
        drop(seats.remove(1));
        let newest = wanted.await.unwrap();
        // Now everybody is being answered, and the next one waits until one is not.
        phases[2].answering();
        fourth.answering();
        let next = timeout(Duration::from_secs(30), crowd.seat(Arc::new(Phase::new()))).await;
        assert!(next.is_err());
        fourth.idle();
        let (next, ()) = tokio::join!(crowd.seat(Arc::new(Phase::new())), async {
            newest.lost().await;
            drop(newest);
        });
        drop((next, seats));
        assert!(crowd.seats().taken.is_empty() && crowd.free.available_permits() == 3);
    }
}
