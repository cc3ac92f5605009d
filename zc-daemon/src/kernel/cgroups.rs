//! The `CGROUPS` map: paths of cgroups that were made since it was last emptied.

use anyhow::{Context as _, Result};
use aya::maps::{HashMap, Map, MapData, MapError};
use zc_common::slot::CgroupPath;

/// The map.
pub(super) const CGROUPS: &str = "CGROUPS";

/// Paths by the cgroup's id.
pub struct Cgroups(HashMap<MapData, u64, CgroupPath>);

impl Cgroups {
    pub(super) fn new(map: Map) -> Result<Self> {
        Ok(Self(HashMap::try_from(map).context("the object's CGROUPS has an unknown shape")?))
    }

    /// Takes out all that is in it. A path without an end was cut.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell.
    pub fn take(&mut self) -> Result<Vec<(u64, CgroupPath)>> {
        let mut taken = Vec::new();
        // What is made meanwhile may be seen or not; then it is there the next time.
        let ids: Vec<u64> = self.0.keys().filter_map(Result::ok).collect();
        for id in ids {
            match self.0.get(&id, 0) {
                Ok(path) => taken.push((id, path)),
                Err(MapError::KeyNotFound) => continue,
                Err(error) => return Err(error).context("cannot read the map CGROUPS"),
            }
            self.0.remove(&id).context("cannot empty the map CGROUPS")?;
        }
        Ok(taken)
    }
}
