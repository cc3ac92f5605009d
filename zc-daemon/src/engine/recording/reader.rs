//! Reads a recording as far as it is whole, and says where and why it is not.

use std::collections::BTreeMap;

use super::{
    Header, Interval, Lost, Trailer,
    frame::{self, Kind, MAGIC, Record},
    wire::Mapping,
};
use crate::engine::sparse::Sparse;

/// What was read besides the intervals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// How it began.
    pub header: Header,
    /// How it ended; none if it was cut short.
    pub trailer: Option<Trailer>,
    /// Why it is not whole, as a sentence.
    pub cut: Option<String>,
    /// Records of intervals that were read.
    pub records: u32,
    /// What all of them say was done.
    pub total: Sparse,
    /// What all of them say was missed.
    pub lost: Lost,
    /// Sums of counters that this version of zc does not know, by their names there.
    pub strange: BTreeMap<String, u64>,
    /// Records of a kind that this version does not know.
    pub skipped: u32,
}

/// Reads a recording; each interval is told of as it comes.
///
/// # Errors
///
/// If it is none, or of another version, or has no whole header.
pub fn read(bytes: &[u8], told: &mut dyn FnMut(&Header, Interval)) -> Result<Read, String> {
    let (header, mut rest) = begin(bytes)?;
    let mut mapping = Mapping::of(&header);
    let mut read = Read { header, ..Read::default() };
    loop {
        let at = bytes.len() - rest.len();
        if rest.is_empty() {
            read.cut = Some(format!(
                "it was cut short after {at} bytes, or is still being written: it has no end; what \
                 is before that was read"
            ));
            break;
        }
        let taken = frame::next(rest)
            .map_err(str::to_owned)
            .and_then(|record| take(&record, &mut mapping, &mut read, told).map(|()| record));
        match taken {
            Ok(record) => rest = rest.get(record.length..).unwrap_or_default(),
            Err(why) => {
                read.cut = Some(format!("at byte {at} it {why}; what is before that was read"));
                break;
            }
        }
        if read.trailer.is_some() {
            break;
        }
    }
    read.strange = mapping.strange;
    check(&mut read, rest.len());
    Ok(read)
}

/// The header, and what follows it.
fn begin(bytes: &[u8]) -> Result<(Header, &[u8]), String> {
    let (magic, rest) = bytes
        .split_first_chunk::<{ MAGIC.len() }>()
        .ok_or("is no recording of zc's, or was cut short before it began")?;
    let ([name @ .., version], [own @ .., own_version]) = (magic, &MAGIC);
    if name != own {
        return Err("is no recording of zc's".to_owned());
    }
    if version != own_version {
        return Err(format!(
            "is a recording in version {version} of the format, and this zc reads version \
             {own_version}; read it by the zc that wrote it"
        ));
    }
    let whole = "has no whole header: it was cut short before anything was recorded";
    let record = frame::next(rest).map_err(|why| format!("{whole} (it {why})"))?;
    if record.kind != Kind::Header {
        return Err("does not begin with a header".to_owned());
    }
    Ok((record.decode()?, &rest[record.length..]))
}

fn take(
    record: &Record<'_>,
    mapping: &mut Mapping,
    read: &mut Read,
    told: &mut dyn FnMut(&Header, Interval),
) -> Result<(), String> {
    match record.kind {
        Kind::Interval => {
            let interval = mapping.interval(record.decode()?)?;
            read.records += 1;
            interval.rows.values().for_each(|delta| read.total.add(delta));
            for (reason, count) in &interval.lost {
                *read.lost.entry(reason.clone()).or_default() += count;
            }
            told(&read.header, interval);
        }
        Kind::Trailer => read.trailer = Some(mapping.trailer(record.decode()?)),
        Kind::Header => return Err("has a second header".to_owned()),
        Kind::Other(_) => read.skipped += 1,
    }
    Ok(())
}

/// Holds the intervals to the sums at the end.
fn check(read: &mut Read, left: usize) {
    let Some(trailer) = &read.trailer else { return };
    if left > 0 {
        read.cut = Some(format!("{left} bytes follow its end; they were not read"));
    }
    if trailer.total != read.total || trailer.records != read.records || trailer.lost != read.lost {
        read.cut =
            Some("its intervals do not sum to the totals at its end: please report it".to_owned());
    }
}
