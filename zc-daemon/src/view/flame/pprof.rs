//! A recording as a profile that `go tool pprof` and its like read (`profile.proto` of
//! github.com/google/pprof, compressed).

use std::{
    collections::HashMap,
    io::{self, Write as _},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use prost::Message;

use super::notes;
use crate::engine::flame::{Recording, Weight};

/// `perftools.profiles.Profile`, as far as it is used.
#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    mapping: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, repeated, tag = "13")]
    comment: Vec<i64>,
}

/// A kind and its unit, by position in the table of strings.
#[derive(Clone, Copy, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

/// A stack, the innermost frame first, and its weight.
#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
}

/// What frames are in. One stands for all: what they are called is known, where they lie is not
/// told.
#[derive(Clone, Copy, PartialEq, Message)]
struct Mapping {
    #[prost(uint64, tag = "1")]
    id: u64,
    /// So that no reader looks for names where there are none to find.
    #[prost(bool, tag = "7")]
    has_functions: bool,
}

/// A frame.
#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    mapping_id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

/// Its function.
#[derive(Clone, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
}

/// A name.
#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
}

/// Positions of what is in a table once.
#[derive(Default)]
struct Positions<'a> {
    of: HashMap<&'a str, u64>,
    all: Vec<&'a str>,
}

impl<'a> Positions<'a> {
    /// Its position, which it gets if it has none.
    fn take(&mut self, text: &'a str) -> u64 {
        let Self { of, all } = self;
        *of.entry(text).or_insert_with(|| {
            all.push(text);
            all.len() as u64 - 1
        })
    }
}

/// A recording as a compressed profile.
///
/// # Errors
///
/// If it cannot be compressed.
pub fn pprof(recording: &Recording) -> io::Result<Vec<u8>> {
    let mut compressed = GzEncoder::new(Vec::new(), Compression::default());
    compressed.write_all(&profile(recording).encode_to_vec())?;
    compressed.finish()
}

fn profile(recording: &Recording) -> Profile {
    let (mut strings, mut frames) = (Positions::default(), Positions::default());
    // The first string is the empty one, and no id is 0.
    strings.take("");
    frames.take("");
    let said = notes(recording);
    let comment = said.iter().map(|note| number(strings.take(note))).collect();
    let unit = match recording.weight {
        Weight::Bytes => "bytes",
        Weight::Copies | Weight::Switches | Weight::Faults => "count",
    };
    let kind = number(strings.take(recording.weight.name()));
    let kind = ValueType { kind, unit: number(strings.take(unit)) };
    let mut samples = Vec::new();
    for (names, weight) in &recording.stacks {
        let location_id = names.iter().rev().map(|name| frames.take(name)).collect();
        samples.push(Sample { location_id, value: vec![number(*weight)] });
    }
    let named = (1..).zip(&frames.all[1..]);
    let function =
        named.clone().map(|(id, name)| Function { id, name: number(strings.take(name)) }).collect();
    let mapping = Mapping { id: 1, has_functions: true };
    let line = |id| vec![Line { function_id: id }];
    let location = named.map(|(id, _)| Location { id, mapping_id: mapping.id, line: line(id) });
    Profile {
        sample_type: vec![kind],
        sample: samples,
        mapping: vec![mapping],
        location: location.collect(),
        function,
        string_table: strings.all.into_iter().map(str::to_owned).collect(),
        duration_nanos: nanoseconds(recording.seconds),
        period_type: Some(kind),
        period: recording.period.into(),
        comment,
    }
}

/// A number as profiles have them.
fn number(of: u64) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

fn nanoseconds(seconds: f64) -> i64 {
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::{super::tests::recording, *};

    /// What a reader of profiles makes of one: names, the innermost first, and a weight.
    fn read(profile: &Profile) -> Vec<(Vec<&str>, i64)> {
        let text =
            |position: i64| profile.string_table[usize::try_from(position).unwrap()].as_str();
        let name = |id: &u64| {
            let location = profile.location.iter().find(|location| location.id == *id).unwrap();
            let function = location.line[0].function_id;
            text(profile.function.iter().find(|held| held.id == function).unwrap().name)
        };
        let stack = |sample: &Sample| sample.location_id.iter().map(name).collect();
        profile.sample.iter().map(|sample| (stack(sample), sample.value[0])).collect()
    }

    #[test]
    fn a_profile_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        let compressed = pprof(&recording(1 << 20)).unwrap();
        GzDecoder::new(compressed.as_slice()).read_to_end(&mut bytes).unwrap();
        let profile = Profile::decode(bytes.as_slice()).unwrap();
        let expected =
            [(vec!["main", "<i>&\"'_:x"], 1 << 20), (vec!["vfs_read_[k]", "main", "cat"], 3 << 20)];
        assert_eq!(read(&profile), expected);
        let kind = profile.sample_type[0];
        let text =
            |position: i64| profile.string_table[usize::try_from(position).unwrap()].as_str();
        assert_eq!((text(0), text(kind.kind), text(kind.unit)), ("", "bytes", "bytes"));
        assert_eq!((profile.period, profile.duration_nanos), (1 << 20, 1_500_000_000));
        assert!(profile.comment.iter().any(|note| text(*note).contains("By the ledger")));
    }
}
