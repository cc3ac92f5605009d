//! Maps of a few entries, and looks of either kind: what finds no room is counted as lost, all
//! else is booked, and what a quick look leaves out has not changed.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{collections::BTreeSet, process::Command, thread::sleep, time::Duration};

use zc_common::{
    counter::Counter,
    flow::{Direction, Flow, Route},
    slot::Care,
};
use zc_daemon::{
    engine::snapshot::Snapshot,
    kernel::{sites::Stack, sizes::Sizes},
};
use zc_tests::{
    books::{Books, lost, total},
    cgroup::Cgroup,
    kernel,
    programs::{Stage, Waiting},
};

/// Bytes of each request and of each packet.
const EACH: u64 = 4096;

/// Makes the file `data`.
fn prepare(stage: &Stage, bytes: u64) {
    let mut command = stage.workload("prepares").unwrap();
    command.args(["read-file", "prepare", "--bytes", &bytes.to_string(), "--dir"]);
    assert!(command.arg(stage.path()).status().unwrap().success());
}

/// Bytes, and copies, measured by a route in a direction.
fn measured(snapshot: &Snapshot, group: Option<&str>, by: Route, to: Direction) -> [u64; 2] {
    let (bytes, copies) = Counter::measured(by, to);
    [bytes, copies].map(|counter| total(snapshot, group, counter))
}

/// Requests that there is room for.
const ROOM: u32 = 5;

#[test]
fn what_finds_no_room_is_counted_as_lost() {
    let stage = Stage::new().unwrap();
    let mut books = Books::open(|sizes| Sizes { requests: ROOM, senders: 1, ..sizes }).unwrap();
    requests_without_room(&mut books, &stage);
    senders_without_room(&mut books, &stage);
}

/// Workers of a ring do more requests than there is room for before one is complete: what they
/// saw of the others is inferred besides, and each of those is counted.
fn requests_without_room(books: &mut Books, stage: &Stage) {
    const COUNT: u64 = 64;
    prepare(stage, COUNT * EACH);
    let mut command = stage.workload("hands-over").unwrap();
    command.args(["hand-over", "--count", &COUNT.to_string(), "--dir"]).arg(stage.path());
    let waiting = Waiting::start(command).unwrap();
    let group = Some("hands-over");
    let seen = |snapshot: &Snapshot| measured(snapshot, group, Route::IoUring, Direction::ToUser);
    let known = if kernel::hooks_functions() { [COUNT * EACH, COUNT] } else { [0, 0] };
    let mut now = books.look(Care::Thorough).unwrap();
    while seen(&now) < known {
        sleep(Duration::from_millis(20));
        now = books.look(Care::Thorough).unwrap();
    }
    assert_eq!(seen(&now), known);
    let without = known[1].saturating_sub(ROOM.into());
    assert_eq!(lost(&now, "request_room").unwrap(), without);
    waiting.step().unwrap();
    let after = books.look(Care::Thorough).unwrap();
    let (plain, twin) = (Flow::IoUringReadFile, Flow::IoUringReadFile.seen());
    let moved =
        |flow| [Counter::bytes(flow), Counter::calls(flow)].map(|c| total(&after, group, c));
    let inferred = COUNT - known[1] + without;
    assert_eq!(moved(plain), [inferred * EACH, inferred]);
    assert_eq!(moved(twin), [(COUNT - inferred) * EACH, COUNT - inferred]);
    assert_eq!((seen(&after), lost(&after, "request_room").unwrap()), (known, without));
    waiting.finish().unwrap();
}

/// There is room for one sender, and the second one takes it: the first one's copies are
/// nobody's, and counted.
fn senders_without_room(books: &mut Books, stage: &Stage) {
    const BYTES: u64 = 20 * 1400;
    let before = books.look(Care::Thorough).unwrap();
    let mut command = stage.workload("sends-raw").unwrap();
    command.args(["af-xdp", "run", "--bytes", &BYTES.to_string(), "--chunk", "1400", "--dir"]);
    let status = command.arg(stage.path()).status().unwrap();
    let after = books.look(Care::Thorough).unwrap();
    if !kernel::hooks_functions() {
        // Nothing is charged to whom it belongs, so nothing can be charged to nobody.
        return assert_eq!(lost(&after, "no_owner").unwrap(), 0);
    }
    assert!(status.success());
    let of = |group| {
        [Direction::FromUser, Direction::ToUser].map(|to| measured(&after, group, Route::AfXdp, to))
    };
    assert_eq!(of(None), [[BYTES, 20]; 2]);
    let nobodys: u64 = of(Some("other")).iter().map(|[_, copies]| copies).sum();
    let counted = lost(&after, "no_owner").unwrap() - lost(&before, "no_owner").unwrap();
    assert!(nobodys >= 20 && counted >= nobodys, "{nobodys}, {counted} counted");
}

#[test]
fn sleepers_are_seen_and_stacks_without_room_are_in_the_second_map() {
    let stage = Stage::new().unwrap();
    let sizes = |sizes| Sizes { sites: 4096, stacks: Some(1), ..sizes };
    let mut books = Books::open(sizes).unwrap();
    a_quick_look_sees_what_a_thorough_one_does(&mut books, &stage);
    stacks_without_room_are_in_the_second_map(&books, &stage);
}

/// What is copied for who sleeps is seen at once.
fn a_quick_look_sees_what_a_thorough_one_does(books: &mut Books, stage: &Stage) {
    let mut command = stage.workload("owes").unwrap();
    command.arg("owe");
    let waiting = Waiting::start(command).unwrap();
    let copied = |snapshot: &Snapshot| {
        measured(snapshot, Some("owes"), Route::MsgZerocopy, Direction::InKernel)
    };
    books.look(Care::Thorough).unwrap();
    let before = books.look(Care::Quick).unwrap();
    waiting.step().unwrap();
    let quick = books.look(Care::Quick).unwrap();
    let thorough = books.look(Care::Thorough).unwrap();
    assert_eq!(copied(&quick), copied(&thorough));
    assert_eq!(kernel::hooks_functions(), copied(&thorough) > copied(&before));
    waiting.finish().unwrap();
}

/// Nobody has a slot: what one thread was seen to copy in a call that waits is not taken off
/// what another one moves meanwhile.
#[test]
fn threads_without_slots_do_not_share_what_was_seen() {
    const ROUNDS: u64 = 200;
    const TEED: u64 = 100_000;
    let stage = Stage::new().unwrap();
    let mut books = Books::open(|sizes| Sizes { threads: 1, ..sizes }).unwrap();
    let before = books.look(Care::Thorough).unwrap();
    let mut command = stage.workload("interleaves").unwrap();
    command.args(["interleave", "--rounds", &ROUNDS.to_string()]);
    assert!(command.status().unwrap().success());
    let after = books.look(Care::Thorough).unwrap();
    let teed = |now: &Snapshot| total(now, None, Counter::references(Route::Tee));
    assert_eq!(teed(&after) - teed(&before), ROUNDS * TEED);
    assert!(lost(&after, "no_slot").unwrap() - lost(&before, "no_slot").unwrap() >= ROUNDS);
}

/// A thread that waits in the middle of a receive is moved to another cgroup, which gives it
/// another slot: what it was seen to copy by then is of the same call.
#[test]
fn what_was_seen_of_a_call_goes_along_to_another_slot() {
    const RECEIVED: u64 = 2000;
    let cgroup = Cgroup::new("zc-halves").unwrap();
    let stage = Stage::new().unwrap();
    let mut books = Books::open(|sizes| sizes).unwrap();
    let mut command = stage.workload("halves").unwrap();
    command.arg("halve");
    let waiting = Waiting::start(command).unwrap();
    let before = books.look(Care::Thorough).unwrap();
    cgroup.add(waiting.pid()).unwrap();
    waiting.step().unwrap();
    let after = books.look(Care::Thorough).unwrap();
    let seen = kernel::hooks_functions();
    let flow = if seen { Flow::Recv.seen() } else { Flow::Recv };
    let received = [Counter::bytes(flow), Counter::calls(flow)];
    let received = received.map(|counter| total(&after, Some("halves"), counter));
    assert_eq!(received, [RECEIVED, 1]);
    let copied = measured(&after, Some("halves"), Route::Recv, Direction::ToUser);
    assert_eq!(copied, if seen { [RECEIVED, 2] } else { [0, 0] });
    let partly = |now: &Snapshot| lost(now, "partly_seen").unwrap();
    assert_eq!(partly(&after), partly(&before));
    waiting.finish().unwrap();
}

/// The first map of stacks has one place: all others are in the second.
fn stacks_without_room_are_in_the_second_map(books: &Books, stage: &Stage) {
    const BYTES: u64 = 300_007;
    prepare(stage, BYTES);
    let mut pids = BTreeSet::new();
    for case in ["site", "write-file", "pipe"] {
        let mut command = stage.workload("stacked").unwrap();
        let action: &[_] = if case == "site" { &[case] } else { &[case, "run"] };
        command.args(action).args(["--bytes", &BYTES.to_string(), "--dir"]).arg(stage.path());
        pids.insert(ended(command));
    }
    let sites = books.kernel().sites().unwrap();
    assert_eq!(sites.unplaced, 0);
    let own: Vec<_> = sites.sites.iter().filter(|site| pids.contains(&site.tgid)).collect();
    // By pipes, both ways.
    let sum: u64 = own.iter().filter(|site| site.bytes >= BYTES / 8).map(|site| site.bytes).sum();
    assert!(sum >= 4 * BYTES, "{own:?}");
    // Now and then a place is taken there, too.
    let lost = own.iter().filter(|site| [&site.kernel, &site.user].contains(&&Stack::Lost));
    assert!(lost.count() * 4 <= own.len(), "{own:?}");
    let stacks = |of: fn(&zc_daemon::kernel::sites::Site) -> &Stack| {
        let taken = own.iter().filter_map(|site| match of(site) {
            Stack::Taken(frames) => Some(frames),
            Stack::None | Stack::Lost => None,
        });
        taken.collect::<BTreeSet<_>>().len()
    };
    assert!(stacks(|site| &site.user) > 2, "{own:?}");
    if kernel::hooks_functions() {
        assert!(stacks(|site| &site.kernel) > 2, "{own:?}");
    }
}

/// Runs a program to its end; its process id.
fn ended(mut command: Command) -> u32 {
    let mut child = command.spawn().unwrap();
    assert!(child.wait().unwrap().success());
    child.id()
}
