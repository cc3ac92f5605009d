//! The writer against the reader: round trips, cuts at every byte, and the size.

use proptest::prelude::*;
use zc_common::{counter::Counter, flow::Flow};

use super::*;
use crate::engine::recording::{Process, counters, reader::read};

fn header() -> Header {
    Header {
        zc: "0.1.0".to_owned(),
        kernel: "6.12".to_owned(),
        boot_id: "a-boot".to_owned(),
        kind: "machine".to_owned(),
        counters: counters::names(),
        probes: vec![("transfers".to_owned(), None)],
        routes: vec![("read".to_owned(), "inferred".to_owned())],
        ..Header::default()
    }
}

/// An interval in which so many groups counted so much, on a dozen counters each.
fn interval(number: u64, groups: u64, seed: u64) -> Interval {
    let mut interval = Interval {
        from_us: number * 1_000_000,
        to_us: (number + 1) * 1_000_000,
        merged: 1,
        ..Interval::default()
    };
    for group in 0..groups {
        // Numbers without a pattern that deflate could find.
        let mut state = (number * 1_000_003 + group) ^ seed;
        let counts = (0..12).map(|place| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (place * 7, (state >> 34) + 1)
        });
        let who = Who { group: format!("service-{group}.service"), process: None };
        interval.book(who, &Sparse::from_entries(counts));
    }
    interval.lost.insert("recursion".to_owned(), 1);
    interval
}

fn written(intervals: &[Interval], most: u64) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), &header(), most).unwrap();
    intervals.iter().for_each(|interval| writer.push(interval.clone()).unwrap());
    writer.end(77, Some("it ended".to_owned())).unwrap()
}

fn sum(intervals: &[Interval]) -> Sparse {
    let mut total = Tally::default();
    for delta in intervals.iter().flat_map(|interval| interval.rows.values()) {
        delta.add_to(&mut total);
    }
    Sparse::of(&total)
}

#[test]
fn what_is_cut_at_any_byte_reads_to_its_last_whole_record() {
    let intervals: Vec<_> = (0..4).map(|number| interval(number, 3, 9)).collect();
    let bytes = written(&intervals, LEAST);
    let mut known = Vec::new();
    let whole = read(&bytes, &mut |_, interval| known.push(interval)).unwrap();
    assert_eq!((known.as_slice(), &whole.cut), (intervals.as_slice(), &None));
    let trailer = whole.trailer.unwrap();
    assert_eq!((trailer.ended_us, trailer.records, trailer.intervals), (77, 4, 4));
    assert_eq!((trailer.total, trailer.lost["recursion"]), (sum(&intervals), 4));
    let mut counts = Vec::new();
    for end in 0..bytes.len() {
        let mut known = Vec::new();
        match read(&bytes[..end], &mut |_, interval| known.push(interval)) {
            Err(why) => assert!(why.contains("cut short"), "{end}: {why}"),
            Ok(read) => {
                assert!(read.cut.is_some() && read.trailer.is_none(), "{end}");
                assert_eq!(known, intervals[..known.len()], "{end}");
                counts.push(known.len());
            }
        }
    }
    assert!(counts.is_sorted());
    counts.dedup();
    assert_eq!(counts, [0, 1, 2, 3, 4]);
}

#[test]
fn a_byte_that_changed_is_found() {
    let intervals: Vec<_> = (0..2).map(|number| interval(number, 2, 5)).collect();
    let bytes = written(&intervals, LEAST);
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        let mut known = Vec::new();
        let read = read(&bytes, &mut |_, interval| known.push(interval));
        assert!(read.is_err() || read.unwrap().cut.is_some(), "byte {at}");
        assert_eq!(known, intervals[..known.len()], "byte {at}");
    }
}

/// What `docs/recordings.md` says of the size, and that it is kept.
#[test]
fn ten_minutes_at_full_load_stay_within_their_size() {
    const GROUPS: u64 = 200;
    const A_GROUP: u64 = 100;
    let intervals: Vec<_> = (0..600).map(|number| interval(number, GROUPS, 1)).collect();
    let bytes = written(&intervals, 64 << 20);
    let (records, size) = (record_count(&bytes), bytes.len() as u64);
    assert_eq!(records, 600);
    assert!(size <= 600 * GROUPS * A_GROUP, "{size} bytes");
    // With less room it is coarser, and all sums hold.
    let bytes = written(&intervals, LEAST);
    assert!(bytes.len() as u64 <= LEAST, "{} bytes", bytes.len());
    let (mut last, mut merged) = (0, 0);
    let told = &mut |_: &_, interval: Interval| {
        assert_eq!(interval.from_us, last);
        last = interval.to_us;
        merged += interval.merged;
    };
    let whole = read(&bytes, told).unwrap();
    assert_eq!((last, merged, whole.cut), (600_000_000, 600, None));
    assert_eq!((whole.total, whole.lost["recursion"]), (sum(&intervals), 600));
}

fn record_count(bytes: &[u8]) -> u32 {
    read(bytes, &mut |_, _| ()).unwrap().records
}

#[test]
fn too_many_processes_stand_under_their_group() {
    let mut crowd = Interval { to_us: 1, merged: 1, ..Interval::default() };
    for pid in 0..u32::try_from(PROCESSES).unwrap() + 500 {
        let process = Some(Process { start: 1, pid, comm: "cc1".to_owned() });
        let who = Who { group: "make".to_owned(), process };
        crowd.book(who, &Sparse::from_entries([(40, u64::from(pid) + 1)]));
    }
    let bytes = written(&[crowd.clone()], LEAST);
    let mut rows = Vec::new();
    let whole = read(&bytes, &mut |_, interval| rows.extend(interval.rows)).unwrap();
    assert_eq!((rows.len(), whole.total), (PROCESSES + 1, sum(&[crowd])));
    let rest = rows.iter().find(|(who, _)| who.process.is_none()).unwrap();
    assert_eq!(rest.1.entries().next(), Some((40, (1..=500).sum())));
}

/// A later version has a counter more, in another order, and a kind of record more.
#[test]
fn another_version_is_read_by_name_and_what_is_strange_is_said() {
    let mut later = header();
    later.counters.insert(0, "quantum/leaps".to_owned());
    let mut bytes = MAGIC.to_vec();
    bytes.extend(frame::encode(Kind::Header, &later).unwrap());
    bytes.extend(frame::encode(Kind::Other(b'Q'), &"news").unwrap());
    let place = u16::try_from(Counter::bytes(Flow::ReadFile).index()).unwrap();
    let who = Who { group: "a".to_owned(), process: None };
    // Built as that version would: every place is one further.
    let shifted = Sparse::from_entries([(0, 7), (place + 1, 9)]);
    let interval = Interval { merged: 1, rows: [(who, shifted)].into(), ..Interval::default() };
    bytes.extend(encoded(&interval).unwrap());
    let read = read(&bytes, &mut |_, _| ()).unwrap();
    assert_eq!(read.total.entries().collect::<Vec<_>>(), [(place, 9)]);
    assert_eq!((read.strange["quantum/leaps"], read.skipped), (7, 1));
    bytes[7] = 2;
    let why = super::super::reader::read(&bytes, &mut |_, _| ()).unwrap_err();
    assert!(why.contains("version 2"), "{why}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_is_written_is_read(
        rows in prop::collection::vec((0_u64..6, 0_u64..20, any::<u64>()), 1..30),
        most in LEAST..LEAST * 4,
    ) {
        let intervals: Vec<_> = rows
            .iter()
            .enumerate()
            .map(|(number, (_, groups, seed))| interval(number as u64, *groups, *seed))
            .collect();
        let bytes = written(&intervals, most);
        let mut known = Interval::default();
        let whole = read(&bytes, &mut |_, interval| known.merge(interval)).unwrap();
        let mut expected = Interval::default();
        intervals.iter().for_each(|interval| expected.merge(interval.clone()));
        prop_assert_eq!((known, whole.cut), (expected, None));
    }
}
