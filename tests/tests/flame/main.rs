//! Flame graphs: the stacks of a known workload, as text, picture and profile.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

mod profile;

use std::{
    fs,
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
};

use flate2::read::GzDecoder;
use quick_xml::{Reader, events::Event};
use zc_tests::{
    kernel, programs,
    programs::{Stage, Waiting},
    watching::{Ended, Watching},
    workload::{KNOWN_COMPILED, KNOWN_SITE},
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
    of_a_reading(&["site"], flags)
}

/// The same, of one that reads by these words.
fn of_a_reading(words: &[&str], flags: &[&str]) -> Ended {
    let stage = Stage::new().unwrap();
    assert!(workload(&stage, "sited", &["read-file", "prepare"]).status().unwrap().success());
    let process = Waiting::start(workload(&stage, "sited", words)).unwrap();
    let pid = process.pid().to_string();
    let flame = Watching::start("flame", &[&["--pid", &pid], flags].concat()).unwrap();
    process.step().unwrap();
    process.finish().unwrap();
    let ended = flame.end().unwrap();
    // One that compiles leaves the names behind.
    let _ = fs::remove_file(format!("/tmp/perf-{pid}.map"));
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

/// The process names its code itself, as it is in no file.
#[test]
fn code_that_is_made_at_run_time_has_its_name() {
    let Ended { output, .. } = of_a_reading(&["site", "--compiled"], &["--sample", "1"]);
    let (frames, bytes) = &stacks(&output)[0];
    assert_eq!(*bytes, BYTES, "{output}");
    let user = frames.iter().rfind(|frame| !frame.ends_with("_[k]"));
    assert!(user.is_some_and(|frame| frame.contains(KNOWN_COMPILED)), "{output}");
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

/// What is said of the switches or faults of a workload, each of them taken.
fn of_events(weight: &str, words: &[&str]) -> String {
    let program = programs::folder().unwrap().join("workload");
    let flags = ["flame", "--weight", weight, "--sample", "1", "--", program.to_str().unwrap()];
    let zc = programs::folder().unwrap().join("zc");
    let mut command = Command::new(zc);
    let output = command.args(flags).args(words).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn switches_stand_where_a_thread_left() {
    const NAPS: u64 = 300;
    let text = of_events("switches", &["switches", "--count", &NAPS.to_string()]);
    let stacks = stacks(&text);
    let (frames, weight) = &stacks[0];
    assert!(frames[0] == "workload" && *weight >= NAPS, "{text}");
    assert!(frames.iter().any(|frame| frame.ends_with("nanosleep_[k]")), "{text}");
    // Both know all of a process that began after them.
    let ledger = said(&text, "By the ledger: ", " context switches");
    assert_eq!(sum(&stacks), ledger, "{text}");
    assert_eq!(said(&text, "Every context switch was taken: ", " context switches"), ledger);
}

#[test]
fn faults_stand_where_a_page_was_missing() {
    const PAGES: u64 = 1000;
    let stage = Stage::new().unwrap();
    let mut command = stage.workload("faulting").unwrap();
    command.args(["faults", "--wait", "--pages", &PAGES.to_string()]);
    let process = Waiting::start(command).unwrap();
    let pid = process.pid().to_string();
    let flags = ["--pid", &pid, "--weight", "faults", "--sample", "1"];
    let flame = Watching::start("flame", &flags).unwrap();
    process.step().unwrap();
    process.finish().unwrap();
    let Ended { output, code, log } = flame.end().unwrap();
    assert_eq!(code, Some(0), "{log}");
    let stacks = stacks(&output);
    assert!(stacks[0].0[0].starts_with("faulting") && stacks[0].1 + 10 >= PAGES, "{output}");
    // The loop's first turn may be a place of its own.
    let touches = |frame: &str| frame.ends_with("touch") || frame.starts_with("workload+0x");
    let touched = stacks.iter().filter(|(frames, _)| touches(frames[frames.len() - 1]));
    let touched: u64 = touched.map(|(_, weight)| weight).sum();
    assert!((PAGES..PAGES + 10).contains(&touched), "{output}");
    // None but those that the kernel has on its own account, as a process ends.
    let (drawn, ledger) = (sum(&stacks), said(&output, "By the ledger: ", " page faults"));
    assert!(drawn <= ledger && drawn + 10 >= ledger, "{output}");
}

#[test]
fn a_profile_says_what_was_copied_where() {
    let stage = Stage::new().unwrap();
    let path = stage.path().join("profile.pb.gz");
    let Ended { log, .. } = of_a_reader(&["--sample", "1", "-o", path.to_str().unwrap()]);
    let mut profile = Vec::new();
    GzDecoder::new(fs::File::open(&path).unwrap()).read_to_end(&mut profile).unwrap();
    let stacks = profile::stacks(&profile);
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
