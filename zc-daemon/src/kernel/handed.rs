//! The `HANDED` map: what workers of io_urings saw of requests that are not complete.
//!
//! A request that completes without saying so leaves its entry behind (`IOSQE_CQE_SKIP_SUCCESS`,
//! a program that the kernel skipped). There are few of these, as addresses of requests are
//! used again; but they must not fill the map for good.

use std::time::Duration;

use anyhow::{Context as _, Result};
use aya::maps::{HashMap, Map, MapData};
use rustix::time::{ClockId, clock_gettime};
use zc_common::slot::Handed;

/// The map.
pub(super) const HANDED: &str = "HANDED";

/// How long a request may take to complete once its bytes were seen, where room is short.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was seen, by the address of the request.
pub(super) struct Requests {
    map: HashMap<MapData, u64, [u64; Handed::WORDS]>,
    room: usize,
    forgotten: u64,
}

impl Requests {
    pub(super) fn new(map: Map) -> Result<Self> {
        let Map::HashMap(data) = &map else { anyhow::bail!("the object's HANDED is no hash") };
        let room = data.info()?.max_entries() as usize;
        let map = HashMap::try_from(map).context("the object's HANDED has an unknown shape")?;
        Ok(Self { map, room, forgotten: 0 })
    }

    /// How many were forgotten to make room: should they complete after all, nothing is known
    /// of them.
    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Once half the room is taken, forgets what is old.
    pub(super) fn make_room(&mut self) -> Result<()> {
        // A list that changes under the eyes of who reads it may begin anew.
        let all: Vec<u64> = self.map.keys().filter_map(Result::ok).take(2 * self.room).collect();
        if all.len() * 2 < self.room {
            return Ok(());
        }
        let now = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default();
        for request in all {
            // One that is complete is not there any more.
            let Ok([.., since]) = self.map.get(&request, 0) else { continue };
            if Duration::from_nanos(since) + PATIENCE < now {
                // One that completes meanwhile was not forgotten.
                self.forgotten += u64::from(self.map.remove(&request).is_ok());
            }
        }
        Ok(())
    }
}
