//! Writes a recording, record by record, and keeps it within a size: the less room is left, the
//! more intervals go into a record.

use std::io::Write;

use anyhow::{Context as _, Result, anyhow};
use zc_common::counter::Tally;

use super::{
    Header, Interval, Lost, Trailer, Who,
    frame::{self, Kind, MAGIC},
    wire::{WireInterval, WireTrailer},
};
use crate::engine::sparse::Sparse;

/// No recording may be bound to less.
pub const LEAST: u64 = 1 << 20;

/// Room that is kept for the end.
const END: u64 = 16 << 10;

/// Processes that a record tells apart; the others' counts stand under their groups.
const PROCESSES: usize = 2000;

/// A recording that is being written.
pub struct Writer<W> {
    to: W,
    most: u64,
    written: u64,
    largest: u64,
    pending: Interval,
    coarsest: u32,
    trailer: Trailer,
    total: Tally,
}

impl<W: Write> Writer<W> {
    /// Writes the header; all that follows stays within `most` bytes, which are at least
    /// [`LEAST`].
    ///
    /// # Errors
    ///
    /// If that fails: a disk is full.
    pub fn begin(to: W, header: &Header, most: u64) -> Result<Self> {
        let mut writer = Self {
            to,
            most,
            written: 0,
            largest: 0,
            pending: Interval::default(),
            coarsest: 1,
            trailer: Trailer::default(),
            total: Tally::default(),
        };
        let record = frame::encode(Kind::Header, header).map_err(|why| anyhow!(why))?;
        writer.put(&[&MAGIC[..], &record].concat())?;
        Ok(writer)
    }

    /// Records an interval, at once or with those that follow.
    ///
    /// # Errors
    ///
    /// As [`Self::begin`].
    pub fn push(&mut self, interval: Interval) -> Result<()> {
        interval.rows.values().for_each(|delta| delta.add_to(&mut self.total));
        for (reason, count) in &interval.lost {
            *self.trailer.lost.entry(reason.clone()).or_default() += count;
        }
        self.trailer.intervals += interval.merged;
        self.pending.merge(interval);
        bound(&mut self.pending);
        if self.wanted().is_some_and(|wanted| self.pending.merged >= wanted) {
            let record = encoded(&self.pending)?;
            self.write(&record)?;
        }
        Ok(())
    }

    /// How many intervals a record is to hold; none if the rest of the room is for the last one.
    #[must_use]
    pub fn wanted(&self) -> Option<u32> {
        const ROOM: u64 = 4;
        const SMALL: u64 = 16 << 10;
        let free = self.most.saturating_sub(self.written + END);
        if free <= ROOM * self.largest.max(SMALL) {
            return None;
        }
        let halvings = (self.most / free).ilog2();
        Some(1 << halvings.min(31))
    }

    /// Into how coarse records intervals went.
    #[must_use]
    pub fn coarsest(&self) -> u32 {
        self.coarsest
    }

    /// Bytes written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes what is left, and the end. Where there is no room for whose it is, the counts stand
    /// under their groups, or `other`.
    ///
    /// # Errors
    ///
    /// As [`Self::begin`].
    pub fn end(mut self, ended_us: u64, ended: Option<String>) -> Result<W> {
        if self.pending.merged > 0 {
            let room = self.most.saturating_sub(self.written + END);
            let mut record = encoded(&self.pending)?;
            for coarser in [of_groups, of_all] {
                if record.len() as u64 > room {
                    coarser(&mut self.pending);
                    record = encoded(&self.pending)?;
                }
            }
            self.write(&record)?;
        }
        let trailer = Trailer { ended_us, total: Sparse::of(&self.total), ended, ..self.trailer };
        let record = frame::encode(Kind::Trailer, &WireTrailer::from(&trailer));
        self.trailer = Trailer::default();
        self.put(&record.map_err(|why| anyhow!(why))?)?;
        Ok(self.to)
    }

    fn write(&mut self, record: &[u8]) -> Result<()> {
        self.put(record)?;
        self.largest = self.largest.max(record.len() as u64);
        self.coarsest = self.coarsest.max(self.pending.merged);
        self.trailer.records += 1;
        self.pending = Interval::default();
        Ok(())
    }

    /// In one go, so that a record is in the file or is not.
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.to.write_all(bytes).context("the recording cannot be written")?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

fn encoded(interval: &Interval) -> Result<Vec<u8>> {
    frame::encode(Kind::Interval, &WireInterval::from(interval)).map_err(|why| anyhow!(why))
}

/// Tells no more than so many processes apart: those that counted most.
fn bound(interval: &mut Interval) {
    let processes = || interval.rows.iter().filter(|(who, _)| who.process.is_some());
    let Some(beyond) = processes().count().checked_sub(PROCESSES).filter(|beyond| *beyond > 0)
    else {
        return;
    };
    let counted =
        |delta: &Sparse| delta.entries().map(|(_, value)| u128::from(value)).sum::<u128>();
    let mut least: Vec<_> = processes().map(|(who, delta)| (counted(delta), who.clone())).collect();
    least.sort_unstable();
    for (_, who) in least.drain(..beyond) {
        if let Some(delta) = interval.rows.remove(&who) {
            interval.book(Who { process: None, ..who }, &delta);
        }
    }
}

/// Forgets which processes did what.
fn of_groups(interval: &mut Interval) {
    for (who, delta) in std::mem::take(&mut interval.rows) {
        interval.book(Who { process: None, ..who }, &delta);
    }
}

/// Forgets who did what.
fn of_all(interval: &mut Interval) {
    let other = Who { group: crate::engine::group::OTHER.to_owned(), process: None };
    for (_, delta) in std::mem::take(&mut interval.rows) {
        interval.book(other.clone(), &delta);
    }
}

/// What was missed since a reading before, by reason.
#[must_use]
pub fn lost_since(before: &[(&'static str, u64)], now: &[(&'static str, u64)]) -> Lost {
    let earlier = |reason: &str| before.iter().find(|(of, _)| *of == reason).map_or(0, |(_, n)| *n);
    let more = |(reason, count): &(&'static str, u64)| {
        let more = count.saturating_sub(earlier(reason));
        (more > 0).then(|| ((*reason).to_owned(), more))
    };
    now.iter().filter_map(more).collect()
}

#[cfg(test)]
mod tests;
