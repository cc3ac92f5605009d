//! Flame graphs: the stacks of a known workload, as text, picture and profile.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{fs, io::Read as _, path::Path, process::Command};

use flate2::read::GzDecoder;
use quick_xml::{Reader, events::Event};
use zc_tests::{
    kernel, programs,
    programs::{Stage, Waiting},
    watching::{Ended, Watching},
    workload::KNOWN_SITE,
};

const BYTES: u64 = 300_007;
const CHUNK: u64 = 4093;

/// A workload under a name.
fn workload(stage: &Stage, name: &str, words: &[&str]) -> Command {
    let mut command = stage.workload(name).unwrap();
    command.args(words).args(["--bytes", "300007", "--chunk", "4093", "--dir"]).arg(stage.path());
    command
}

/// What zc tells of a process that reads so many bytes of a file at a known place.
fn of_a_reader(flags: &[&str]) -> Ended {
    let stage = Stage::new().unwrap();
    assert!(workload(&stage, "sited", &["read-file", "prepare"]).status().unwrap().success());
    let process = Waiting::start(workload(&stage, "sited", &["site"])).unwrap();
    let pid = process.pid().to_string();
    let flame = Watching::start("flame", &[&["--pid", &pid], flags].concat()).unwrap();
    process.step().unwrap();
    process.finish().unwrap();
    let ended = flame.end().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    ended
}

/// The stacks of a folded text, the heaviest first.
fn stacks(text: &str) -> Vec<(Vec<&str>, u64)> {
    let lines = text.lines().filter(|line| !line.starts_with("# "));
    let mut stacks: Vec<_> = lines
        .map(|line| {
            let (frames, weight) = line.rsplit_once(' ').unwrap();
            (frames.split(';').collect::<Vec<_>>(), weight.parse().unwrap())
        })
        .collect();
    stacks.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    stacks
}

fn sum(stacks: &[(Vec<&str>, u64)]) -> u64 {
    stacks.iter().map(|(_, weight)| weight).sum()
}

/// A number of what is said of a recording, between these words.
fn said(text: &str, before: &str, after: &str) -> u64 {
    let (_, rest) = text.split_once(before).expect(text);
    rest.split_once(after).expect(text).0.parse().unwrap()
}

/// A frame of the known place; a program that is stripped has no names.
fn is_known(frame: &str) -> bool {
    frame.ends_with(KNOWN_SITE) || frame.starts_with("workload+0x")
}

/// Where the process' part of a stack ends is the known place; the kernel's follows where
/// functions are hooked, and only there.
fn assert_known(frames: &[&str], text: &str) {
    let kernel = frames.iter().filter(|frame| frame.ends_with("_[k]")).count();
    let user = &frames[..frames.len() - kernel];
    assert!(user[0].starts_with("sited"), "{text}");
    assert!(is_known(user[user.len() - 1]), "{text}");
    assert_eq!(kernel > 0, kernel::hooks_functions(), "{text}");
    if kernel > 0 {
        assert!(frames.contains(&"vfs_read_[k]"), "{text}");
    }
}

#[test]
fn every_byte_stands_on_its_stack() {
    let Ended { output, .. } = of_a_reader(&["--sample", "1"]);
    let stacks = stacks(&output);
    let (frames, bytes) = &stacks[0];
    assert_eq!(*bytes, BYTES, "{output}");
    assert_known(frames, &output);
    let ledger = said(&output, "By the ledger: ", " bytes in");
    assert_eq!(sum(&stacks), ledger, "{output}");
    // One byte is what it waits for.
    assert!(ledger > BYTES, "{output}");
    assert_eq!(said(&output, "Every copy was taken: ", " bytes."), ledger);
}

#[test]
fn copies_can_be_the_weight() {
    let Ended { output, .. } = of_a_reader(&["--sample", "1", "--weight", "copies"]);
    let stacks = stacks(&output);
    let (frames, copies) = &stacks[0];
    assert_eq!(*copies, BYTES.div_ceil(CHUNK), "{output}");
    assert_known(frames, &output);
    assert_eq!(sum(&stacks), said(&output, " bytes in ", " copies."), "{output}");
}

/// Whole periods, as many as are likely: six times the standard deviation off at most, of as
/// many draws as there are copies.
fn assert_sampled(output: &str, period: u64, exact: u64) {
    let stacks = stacks(output);
    assert!(stacks.iter().all(|(_, weight)| weight % period == 0), "{output}");
    let (before, _) = output.split_once(", which stand for").expect(output);
    let samples: u64 = before.rsplit(' ').next().unwrap().parse().unwrap();
    assert_eq!((sum(&stacks), samples > 0), (samples * period, true), "{output}");
    let expected = exact as f64 / period as f64;
    let off = (samples as f64 - expected).abs();
    assert!(off <= 6.0 * expected.sqrt(), "{samples} samples for {expected}: {output}");
    assert_known(&stacks[0].0, output);
    assert!(output.contains(&format!("sqrt(p(1-p)/{samples})")), "{output}");
}

#[test]
fn samples_stand_for_the_rest() {
    let Ended { output, .. } = of_a_reader(&["--sample", "16KiB"]);
    assert_sampled(&output, 16 << 10, said(&output, "By the ledger: ", " bytes in"));
    let Ended { output, .. } = of_a_reader(&["--weight", "copies", "--sample", "4"]);
    assert_sampled(&output, 4, said(&output, " bytes in ", " copies."));
}

/// The fields of a message of protocol buffers, by their wire format alone: number, and value or
/// bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = varint(&mut bytes);
        let held = match tag & 7 {
            0 => &[],
            2 => bytes.split_off(..usize::try_from(value).unwrap()).unwrap(),
            wire => panic!("profile.proto has no field of type {wire}"),
        };
        fields.push((tag >> 3, value, held));
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first().unwrap();
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

/// All bytes of a field, one after the other.
fn all<'a>(message: &'a [u8], number: u64) -> Vec<&'a [u8]> {
    let of = |(field, _, held): (u64, u64, &'a [u8])| (field == number).then_some(held);
    fields(message).into_iter().filter_map(of).collect()
}

/// The value of a field that is there once.
fn one(message: &[u8], number: u64) -> u64 {
    fields(message).into_iter().find(|(field, ..)| *field == number).unwrap().1
}

/// Numbers of a field that are packed.
fn packed(message: &[u8], number: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    for mut held in all(message, number) {
        while !held.is_empty() {
            numbers.push(varint(&mut held));
        }
    }
    numbers
}

/// The stacks of a profile, the outermost frame first, by the numbers of `profile.proto`
/// (github.com/google/pprof).
fn stacks_of_profile(profile: &[u8]) -> Vec<(Vec<String>, u64)> {
    let strings = all(profile, 6);
    let text = |position: u64| {
        String::from_utf8(strings[usize::try_from(position).unwrap()].to_vec()).unwrap()
    };
    let find = |number, id| all(profile, number).into_iter().find(|held| one(held, 1) == id);
    let name = |id: &u64| {
        let location = find(4, *id).unwrap();
        assert!(find(3, one(location, 2)).is_some());
        let function = find(5, one(all(location, 4)[0], 1)).unwrap();
        text(one(function, 2))
    };
    let kind = all(profile, 1)[0];
    assert_eq!([text(0), text(one(kind, 1)), text(one(kind, 2))], ["", "bytes", "bytes"]);
    let stack =
        |sample: &&[u8]| (packed(sample, 1).iter().rev().map(name).collect(), packed(sample, 2)[0]);
    all(profile, 2).iter().map(stack).collect()
}

#[test]
fn a_profile_says_what_was_copied_where() {
    let stage = Stage::new().unwrap();
    let path = stage.path().join("profile.pb.gz");
    let Ended { log, .. } = of_a_reader(&["--sample", "1", "-o", path.to_str().unwrap()]);
    let mut profile = Vec::new();
    GzDecoder::new(fs::File::open(&path).unwrap()).read_to_end(&mut profile).unwrap();
    let stacks = stacks_of_profile(&profile);
    let (frames, bytes) = stacks.iter().max_by_key(|(_, bytes)| *bytes).unwrap();
    assert_eq!(*bytes, BYTES, "{stacks:?}");
    assert_known(&frames.iter().map(String::as_str).collect::<Vec<_>>(), &format!("{stacks:?}"));
    let sum: u64 = stacks.iter().map(|(_, bytes)| bytes).sum();
    assert_eq!(sum, said(&log, "By the ledger: ", " bytes in"), "{stacks:?}");
}

/// All text of a picture, which must be well-formed and have no script but its own.
fn text_of(picture: &Path) -> String {
    let picture = fs::read_to_string(picture).unwrap();
    let mut reader = Reader::from_str(&picture);
    let (mut text, mut scripts) = (String::new(), 0);
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => break,
            Event::Text(part) => text += &part.decode().unwrap(),
            Event::GeneralRef(name) => text += &format!("&{};", name.decode().unwrap()),
            Event::Start(tag) => scripts += u32::from(tag.name().as_ref() == b"script"),
            Event::End(_)
            | Event::Empty(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_) => {}
        }
    }
    assert_eq!(scripts, 1);
    text
}

/// Runs zc to its end.
fn zc(words: &[&str]) -> (Option<i32>, String) {
    let zc = programs::folder().unwrap().join("zc");
    let output = Command::new(zc).arg("flame").args(words).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_picture_of_a_hostile_name_is_well_formed() {
    const HOSTILE: &str = "<b>;\n&\"--> 7\u{1b}x";
    let stage = Stage::new().unwrap();
    assert!(workload(&stage, "sited", &["read-file", "prepare"]).status().unwrap().success());
    stage.workload(HOSTILE).unwrap();
    let program = stage.path().join(HOSTILE).display().to_string();
    let path = |name: &str| stage.path().join(name).display().to_string();
    let folder = stage.path().display().to_string();
    let run = ["read-file", "run", "--bytes", "300007", "--chunk", "4093", "--dir", &folder];
    let recorded = |output: &str| {
        let flags = ["--sample", "1", "-o", output, "--", &program];
        let (code, log) = zc(&[&flags[..], &run].concat());
        assert_eq!(code, Some(0), "{log}");
    };
    let [svg, folded, pprof, diff] = ["x.svg", "x.folded", "x.pb.gz", "d.svg"].map(path);
    for output in [&svg, &folded, &pprof] {
        recorded(output);
    }
    let text = text_of(Path::new(&svg));
    assert!(text.contains("&lt;b&gt;:_&amp;") && text.contains("bytes, "), "{text}");
    let held = fs::read_to_string(&folded).unwrap();
    assert!(stacks(&held).iter().all(|(frames, _)| frames[0] == "<b>:_&\"-->_7_x"), "{held}");
    assert_eq!(fs::read(&pprof).unwrap()[..2], [0x1f, 0x8b]);
    let (code, log) = zc(&["--diff", &folded, &folded, "-o", &diff]);
    assert_eq!(code, Some(0), "{log}");
    assert!(text_of(Path::new(&diff)).contains("what changed"));
    let (code, log) = zc(&["--diff", &folded, &svg, "-o", &diff]);
    assert_eq!((code, log.contains("no folded stack")), (Some(2), true), "{log}");
}

#[test]
fn all_of_a_machine_is_watched_without_a_target() {
    let stage = Stage::new().unwrap();
    assert!(workload(&stage, "sited", &["read-file", "prepare"]).status().unwrap().success());
    // Other tests have processes of the other name, which may end between two looks.
    let process = Waiting::start(workload(&stage, "sited-alone", &["site"])).unwrap();
    let flame = Watching::start("flame", &["--for", "3s", "--sample", "1"]).unwrap();
    process.step().unwrap();
    let Ended { output, code, log } = flame.end().unwrap();
    process.finish().unwrap();
    assert_eq!(code, Some(0), "{log}");
    let stacks = stacks(&output);
    let known =
        stacks.iter().find(|(frames, weight)| frames[0] == "sited-alone" && *weight == BYTES);
    assert_known(&known.expect(&output).0, &output);
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (words, why) in [
        (&["--sample", "3"][..], "power of two"),
        (&["-o", "/tmp/x.png"], "tells no form"),
        (&["--diff", "a"], "2 values"),
        (&["--diff", "/nowhere/a", "/nowhere/b"], "cannot be read"),
        (&["--pid", "1", "--cgroup", "/"], "cannot be used"),
        (&["--pid", "4194304"], "no process"),
    ] {
        let (code, log) = zc(words);
        assert_eq!((code, log.contains(why)), (Some(2), true), "{words:?}: {log}");
    }
}
