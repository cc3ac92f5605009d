//! Screens as lines of text.

use ratatui::{Terminal, backend::TestBackend, buffer::Buffer, style::Color};
use zc_common::flow::{Flow, Route};

use super::{
    By, Seen,
    advice::State,
    app::{App, Asked, Front, Key},
    draw::draw,
    json, text,
};
use crate::engine::top::{
    self, Listing, Standing,
    rates::{
        rows,
        tests::{listing, totals},
    },
};

const MIB: u64 = 1 << 20;

fn standing() -> Standing {
    Standing { measured: vec![Route::Sendfile], routes: 2, processes: 3, ..Standing::default() }
}

fn groups(names: &[&str]) -> Listing {
    let flows = [
        vec![(Flow::ReadFile, 20 * MIB), (Flow::WriteSocket, 20 * MIB)],
        vec![(Flow::SendfileSocket, 64 * MIB)],
        vec![(Flow::DirectIoUnsure, MIB)],
        vec![],
    ];
    let rows = names.iter().zip(flows).map(|(name, flows)| totals(name, &flows));
    listing(12.0, rows.collect())
}

/// Four groups after two looks, two seconds apart, and a process of the first.
fn app_of(names: &[&str]) -> App {
    let now = groups(names);
    let before = listing(10.0, Vec::new());
    let mut process = totals("worker", &[(Flow::ReadFile, 20 * MIB)]);
    process.key = top::Key::Process(4711, 1);
    process.group = names[0].to_owned();
    let processes = listing(12.0, vec![process]);
    let standing = standing();
    let mut app = App { source: "probes".to_owned(), colour: true, ..App::default() };
    app.show(Seen {
        groups: rows(Some(&before), &now, &standing),
        processes: Some(rows(Some(&before), &processes, &standing)),
        standing,
    });
    app
}

fn app() -> App {
    app_of(&["relay", "files", "disk", "sleeper"])
}

fn screen(app: &App, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(app, frame.area(), frame.buffer_mut())).unwrap();
    terminal.backend().buffer().clone()
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let area = buffer.area;
    let line = |y| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..area.height).map(|y| line(y).trim_end().to_owned()).collect()
}

fn drawn(app: &App, width: u16) -> Vec<String> {
    lines(&screen(app, width, 24))
}

#[test]
fn eighty_columns() {
    let lines = drawn(&app(), 80);
    let expected = [
        "zc top  probes  4 groups, 3 processes, by copied",
        "copies measured on 1 of 2 routes (~ inferred)",
        "GROUP            COPIED/s▾ COPIES/B VERDICT     MOVED/s ROUTE           SWITCH/s",
        "relay               ~20.0M    ~1.00 ~copies           0 read                 4/0",
        "disk                    ~0   ≥~0.00 unsure            0 direct_io            4/0",
        "files                    0     0.00 zero-copy         0 sendfile             4/0",
        "sleeper                  0          idle              0                      4/0",
    ];
    assert_eq!(lines[..7], expected);
    assert!(lines[23].starts_with("q quit  g procs  t tree"), "{}", lines[23]);
    assert!(lines[23].ends_with("? help"), "{}", lines[23]);
}

#[test]
fn columns_go_by_priority_as_it_gets_narrow() {
    let narrow = drawn(&app(), 40);
    assert_eq!(narrow[2], "GROUP                 COPIED/s▾ COPIES/B");
    assert_eq!(narrow[3], "relay                    ~20.0M    ~1.00");
    let wide = drawn(&app(), 200);
    assert!(wide[2].ends_with("FAULTS/s  BYTES/s"), "{}", wide[2]);
    assert!(wide[3].ends_with("20.0M"), "{}", wide[3]);
    // Of a screen without room nothing is drawn, and nothing fails.
    for (width, height) in [(1, 1), (9, 24), (10, 4), (80, 3), (15, 5)] {
        for front in [Front::Rows, Front::Detail, Front::Help, Front::Filter, Front::Advice] {
            let mut app = app();
            app.selected = Some(top::Key::Group("relay".to_owned()));
            app.press(Key::Char('a'));
            app.front = front;
            screen(&app, width, height);
        }
    }
}

#[test]
fn colours_stand_beside_words_and_go_with_no_color() {
    let mut app = app();
    let colours = |app: &App| -> Vec<Color> {
        let buffer = screen(app, 80, 24);
        let mut colours: Vec<_> = buffer.content.iter().map(|cell| cell.fg).collect();
        colours.dedup();
        colours.retain(|colour| *colour != Color::Reset);
        colours
    };
    assert!(colours(&app).contains(&Color::Red) && colours(&app).contains(&Color::Green));
    app.colour = false;
    assert_eq!(colours(&app), []);
    assert!(drawn(&app, 80)[3].contains("~copies"));
}

#[test]
fn what_is_unknown_is_no_zero() {
    let mut app = App::default();
    let standing = standing();
    assert_eq!(drawn(&app, 80)[1], "the first look is under way");
    let groups = rows(None, &groups(&["relay"]), &standing);
    app.show(Seen { groups, processes: None, standing });
    let line = &drawn(&app, 80)[3];
    assert_eq!(
        line.split_whitespace().collect::<Vec<_>>(),
        ["relay", "-", "-", "-", "-", "-", "-"]
    );
    let page = serde_json::to_value(json::document(
        "x",
        By::Group,
        &app.order.apply(&app.seen.groups),
        &app.seen.standing,
        0,
    ))
    .unwrap();
    let row = &page["rows"][0];
    for field in ["bytes", "copied_bytes", "moved_bytes", "context_switches", "routes"] {
        assert!(row[field].is_null(), "{field}: {row}");
    }
    assert_eq!((&row["verdict"], &page["seconds"]), (&"unknown".into(), &().into()));
}

#[test]
fn hostile_names_are_inert_everywhere() {
    let name = "\u{1b}[2J\u{1b}]0;x\u{7}evil\u{202e}日本\r\n";
    let mut app = app_of(&[name, "b", "c", "d"]);
    app.source = name.to_owned();
    app.trouble = Some(name.to_owned());
    app.order.filter = "evil".to_owned();
    app.press(Key::Down);
    let harmless = |page: &str| {
        let controls = page.chars().filter(|c| *c != '\n' && (c.is_control() || *c == '\u{202e}'));
        assert_eq!(controls.count(), 0, "{page:?}");
        assert!(page.contains("evil"), "{page}");
    };
    for keys in [&[][..], &[Key::Enter], &[Key::Char('t')], &[Key::Char('g')], &[Key::Char('/')]] {
        for key in keys {
            app.press(*key);
        }
        harmless(&drawn(&app, 120).join("\n"));
    }
    let rows = app.order.apply(&app.seen.groups);
    harmless(&text::table(By::Group, &rows, &app.order));
    let processes = app.order.apply(app.seen.rows(By::Process));
    harmless(&text::table(By::Process, &processes, &app.order));
}

#[test]
fn one_row_has_its_minute_its_routes_and_reasons() {
    let mut app = app();
    app.press(Key::Down);
    app.press(Key::Up);
    assert_eq!(app.press(Key::Enter), Asked::Draw);
    let page = drawn(&app, 80);
    assert_eq!(page[2], "relay  ~copies");
    assert!(page[3].starts_with("copied/s 20.0M") && page[4].ends_with('█'), "{page:?}");
    assert_eq!(page[8], "ROUTE             BYTES/s  MEASURED/s  INFERRED/s   UNKNOWN/s");
    assert_eq!(page[9], "read                10.0M           0       10.0M           0");
    assert!(page.iter().any(|line| line.starts_with("relayed: 20.0 MiB were read")), "{page:?}");
    assert!(page.iter().any(|line| line.starts_with("  try: ")), "{page:?}");
    app.press(Key::Enter);
    assert_eq!(app.front, Front::Rows);
}

#[test]
fn keys_do_what_the_footer_says() {
    let mut app = app();
    let first = |app: &App| app.lines()[0].row.name.clone();
    assert_eq!(first(&app), "relay");
    app.press(Key::Char('r'));
    assert_eq!(first(&app), "disk");
    app.press(Key::Char('r'));
    for _ in 0..3 {
        app.press(Key::Char('s'));
    }
    assert_eq!(first(&app), "files", "by bytes");
    app.press(Key::Char('S'));
    app.press(Key::Char('p'));
    assert!(app.paused && drawn(&app, 80)[0].ends_with("PAUSED"));
    for key in "/disX".chars().map(Key::Char).chain([Key::Backspace, Key::Enter]) {
        app.press(key);
    }
    assert_eq!((first(&app), app.lines().len()), ("disk".to_owned(), 1));
    assert!(drawn(&app, 80)[23].starts_with("[dis] q quit"));
    // A letter of a filter is no command.
    app.press(Key::Char('/'));
    assert_eq!(app.press(Key::Char('q')), Asked::Draw);
    assert!(drawn(&app, 80)[3].starts_with("no such row"));
    app.press(Key::Escape);
    assert_eq!(app.lines().len(), 4);
    assert!(!app.wants_processes());
    assert_eq!(app.press(Key::Char('t')), Asked::Look);
    assert!(app.wants_processes() && drawn(&app, 80)[2].starts_with("TREE "));
    assert!(drawn(&app, 80).iter().any(|line| line.starts_with("  worker          ")));
    assert_eq!(app.press(Key::Char('g')), Asked::Look);
    assert_eq!((first(&app), app.tree), ("worker".to_owned(), false));
    assert!(drawn(&app, 80)[3].contains(" 4711 "));
    app.press(Key::Char('?'));
    assert!(drawn(&app, 80)[2].starts_with("q       end"));
    app.press(Key::Char('q'));
    assert_eq!(app.front, Front::Rows, "any key closes it");
    assert_eq!(app.press(Key::Char('q')), Asked::Quit);
}

#[test]
fn the_selected_row_stays_selected_and_in_view() {
    let mut app = app();
    app.press(Key::End);
    let last = app.selected.clone();
    app.press(Key::Char('r'));
    assert_eq!(app.selected, last);
    app.press(Key::Char('r'));
    let screen = lines(&screen(&app, 80, 6));
    assert!(screen[4].starts_with("sleeper"), "{screen:?}");
    app.press(Key::Home);
    assert_eq!(app.place(&app.lines()), 0);
    app.limit = Some(2);
    assert_eq!(app.lines().len(), 2);
}

#[test]
fn json_has_the_bytes_and_what_they_are_a_second() {
    let app = app();
    let rows = app.order.apply(&app.seen.groups);
    let page = json::document("probes", By::Group, &rows, &app.seen.standing, 3);
    let page = serde_json::to_value(page).unwrap();
    assert_eq!(
        (&page["version"], &page["seconds"], &page["lost"]),
        (&1.into(), &2.0.into(), &3.into())
    );
    let row = &page["rows"][0];
    assert_eq!((&row["name"], &row["inferred"]), (&"relay".into(), &true.into()));
    assert_eq!(row["copied_bytes"]["inferred"], 40 * MIB);
    assert_eq!(row["per_second"]["copied_bytes"], 20.0 * 1_048_576.0);
    assert_eq!(row["reasons"][0]["code"], "relayed");
    assert_eq!(page["rows"][2]["verdict"], "zero-copy");
}

/// What `zc advise --json` says, shortened.
const REPORT: &str = r#"{"version": 1, "seconds": 10.04, "findings": [
    {"pid": 4711, "process": "cat", "from": "file", "to": "pipe", "use": "splice",
     "confidence": "high", "bytes": 9, "saved_bytes_per_second": [50017280.0, 50017280.0],
     "saved_cpu_share": [0.0013, 0.0082],
     "frames": [{"kernel": false, "function": "__write", "module": "/lib/libc.so.6"}]},
    {"pid": 4712, "process": "evil\u001b[2J", "from": "own memory", "to": "TCP socket",
     "use": "MSG_ZEROCOPY", "confidence": "medium", "saved_bytes_per_second": [0, 1048576.0],
     "saved_cpu_share": null, "frames": []}], "not_advised": [{}, {}], "not_seen": []}"#;

#[test]
fn advice_is_looked_for_and_shown() {
    let mut app = app();
    assert_eq!(app.press(Key::Char('a')), Asked::Advise(None));
    app.advised(State::Looking(3));
    let page = drawn(&app, 80);
    assert_eq!(page[2..4], ["advice: all processes", "looking for relays, 3 s"]);
    assert_eq!(page[23], "q quit  a again  Esc back  ? help");
    // It goes on behind the rows, and is not asked for twice.
    app.press(Key::Escape);
    assert_eq!((app.front, app.press(Key::Char('a'))), (Front::Rows, Asked::Draw));
    app.advised(State::Told(serde_json::from_str(REPORT).unwrap()));
    let expected = [
        "advice: all processes, watched for 10.0 s",
        "cat (4711): file to pipe: use splice",
        "  saves 47.7M/s of copies, 0.1 to 0.8 % of a core; confidence high",
        "  at __write (libc.so.6)",
        "evil\u{fffd}[2J (4712): own memory to TCP socket: use MSG_ZEROCOPY",
        "  saves 0 to 1.0M/s of copies, an unknown share of a core; confidence medium",
        "looked at and not advised: 2; `zc advise --all` says why",
        "",
    ];
    assert_eq!(drawn(&app, 80)[2..10], expected);
    app.press(Key::Down);
    assert_eq!(drawn(&app, 80)[3], expected[2]);
    app.press(Key::PageDown);
    assert_eq!(drawn(&app, 80)[3], expected[6]);
    app.press(Key::Home);
    assert_eq!(drawn(&app, 80)[3], expected[1]);
    app.advised(State::Told(
        serde_json::from_str(r#"{"seconds": 1, "findings": [], "not_advised": []}"#).unwrap(),
    ));
    assert!(drawn(&app, 80)[3].starts_with("nothing is advised"));
    assert_eq!(app.press(Key::Char('q')), Asked::Quit);
}

#[test]
fn advice_is_of_the_process_that_is_open() {
    let mut app = app();
    app.by = By::Process;
    app.press(Key::Enter);
    assert_eq!(app.press(Key::Char('a')), Asked::Advise(Some(4711)));
    app.advised(State::Failed("it takes root\u{7}".to_owned()));
    let page = drawn(&app, 80);
    assert_eq!(page[2..4], ["advice: process 4711 and its descendants", "it takes root\u{fffd}"]);
    assert_eq!(app.press(Key::Char('a')), Asked::Advise(Some(4711)), "the same again");
    app.press(Key::Escape);
    assert_eq!(app.front, Front::Detail);
    // A group has no process id.
    app.press(Key::Char('g'));
    app.press(Key::Enter);
    app.advised(State::Failed(String::new()));
    assert_eq!(app.press(Key::Char('a')), Asked::Advise(None));
}
