//! Intervals and trailers as records hold them: counters by their place in the header.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Header, Interval, Lost, Process, Trailer, Who, counters};
use crate::engine::sparse::Sparse;

type Counts = Vec<(u16, u64)>;

#[derive(Serialize, Deserialize)]
pub(super) struct WireInterval {
    from: u64,
    to: u64,
    merged: u32,
    rows: Vec<Row>,
    #[serde(default)]
    lost: Lost,
}

#[derive(Serialize, Deserialize)]
struct Row {
    #[serde(rename = "g")]
    group: String,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    process: Option<Process>,
    #[serde(rename = "c")]
    counts: Counts,
}

#[derive(Serialize, Deserialize)]
pub(super) struct WireTrailer {
    ended: u64,
    records: u32,
    intervals: u32,
    total: Counts,
    #[serde(default)]
    lost: Lost,
    #[serde(default)]
    how: Option<String>,
}

impl From<&Interval> for WireInterval {
    fn from(interval: &Interval) -> Self {
        let row = |(who, delta): (&Who, &Sparse)| Row {
            group: who.group.clone(),
            process: who.process.clone(),
            counts: delta.entries().collect(),
        };
        Self {
            from: interval.from_us,
            to: interval.to_us,
            merged: interval.merged,
            rows: interval.rows.iter().map(row).collect(),
            lost: interval.lost.clone(),
        }
    }
}

impl From<&Trailer> for WireTrailer {
    fn from(trailer: &Trailer) -> Self {
        Self {
            ended: trailer.ended_us,
            records: trailer.records,
            intervals: trailer.intervals,
            total: trailer.total.entries().collect(),
            lost: trailer.lost.clone(),
            how: trailer.ended.clone(),
        }
    }
}

/// Which counter here is which there.
pub(super) struct Mapping {
    places: Vec<Option<u16>>,
    names: Vec<String>,
    /// Sums of counters that this version does not know.
    pub(super) strange: BTreeMap<String, u64>,
    /// All counts so far, whatever of.
    counted: u64,
}

/// No machine counts to this, so no sum of what is read overflows.
const BEYOND: u64 = 1 << 60;

impl Mapping {
    pub(super) fn of(header: &Header) -> Self {
        let own: BTreeMap<_, _> = counters::names().into_iter().zip(0_u16..).collect();
        let places = header.counters.iter().map(|name| own.get(name).copied()).collect();
        Self { places, names: header.counters.clone(), strange: BTreeMap::new(), counted: 0 }
    }

    fn count(&mut self, value: u64) -> Result<(), String> {
        let sum = self.counted.checked_add(value).filter(|sum| *sum < BEYOND);
        self.counted = sum.ok_or("is damaged: its counts are beyond measure")?;
        Ok(())
    }

    fn counts(&mut self, counts: Counts) -> Result<Sparse, String> {
        let mut known = Counts::new();
        for (place, value) in counts {
            self.count(value)?;
            let at = usize::from(place);
            if let Some(own) = self.places.get(at).copied().flatten() {
                known.push((own, value));
            } else {
                let name = self.names.get(at).map_or_else(|| format!("#{place}"), Clone::clone);
                *self.strange.entry(name).or_default() += value;
            }
        }
        Ok(Sparse::from_entries(known))
    }

    pub(super) fn interval(&mut self, wire: WireInterval) -> Result<Interval, String> {
        let WireInterval { from, to, merged, rows, lost } = wire;
        lost.values().try_for_each(|count| self.count(*count))?;
        let mut interval =
            Interval { from_us: from, to_us: to, merged, lost, ..Interval::default() };
        for Row { group, process, counts } in rows {
            let delta = self.counts(counts)?;
            interval.book(Who { group, process }, &delta);
        }
        Ok(interval)
    }

    /// Counters that are not known are in the intervals already.
    pub(super) fn trailer(&self, wire: WireTrailer) -> Trailer {
        let WireTrailer { ended, records, intervals, total, lost, how } = wire;
        let own = |(place, value): (u16, u64)| {
            self.places.get(usize::from(place)).copied().flatten().map(|own| (own, value))
        };
        Trailer {
            ended_us: ended,
            records,
            intervals,
            total: Sparse::from_entries(total.into_iter().filter_map(own)),
            lost,
            ended: how,
        }
    }
}
