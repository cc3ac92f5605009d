//! The screen, its keys, and signals.

use std::thread;

use anyhow::{Context as _, Result, anyhow};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use rustix::process::{Signal, getpid, kill_process};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{Source, advice::Adviser, between, screen::Screen};
use crate::{
    cli::Top,
    engine::top::Look,
    shutdown::Shutdown,
    view::top::app::{App, Asked, Key},
};

/// What happened on the terminal.
enum Happened {
    /// A key.
    Pressed(Key),
    /// It is another size.
    Resized,
    /// Ctrl-Z.
    Suspend,
    /// Ctrl-C.
    Quit,
}

/// Shows it until told to end.
pub(super) async fn show(source: Box<dyn Source>, mut app: App, flags: &Top) -> Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("cannot catch signals")?;
    let mut stop = signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?;
    let shutdown = Shutdown::new()?.requested();
    tokio::pin!(shutdown);
    let mut looks = Looks::start(source)?;
    // Who cannot be read at all is told of where it can be read.
    let first = looks.next(app.wants_processes()).await?;
    app.show(between(None, &first));
    looks.before = Some(first);
    let mut screen = Screen::enter().context("the terminal cannot be drawn on")?;
    let mut events = events()?;
    let mut adviser = Adviser::new(flags.connect.url.is_some());
    let mut due = Instant::now() + flags.interval;
    loop {
        screen.show(&app)?;
        tokio::select! {
            _ = &mut shutdown => return Ok(()),
            _ = hangup.recv() => return Ok(()),
            _ = stop.recv() => screen.leave(suspend)?,
            () = sleep_until(due), if !app.paused && !looks.under_way => {
                looks.ask(app.wants_processes())?;
                due += flags.interval;
            }
            look = looks.answers.recv() => {
                looks.seen(&mut app, look.context("the reader of totals has ended")?);
                due = due.max(Instant::now());
            }
            state = adviser.next(), if adviser.is_asked() => app.advised(state),
            event = events.recv() => match event {
                Some(Happened::Pressed(key)) => match app.press(key) {
                    Asked::Quit => return Ok(()),
                    Asked::Look => due = Instant::now(),
                    Asked::Advise(of) => app.advised(adviser.ask(of)),
                    Asked::Draw => {}
                },
                Some(Happened::Suspend) => screen.leave(suspend)?,
                Some(Happened::Resized) => {}
                Some(Happened::Quit) | None => return Ok(()),
            },
        }
    }
}

/// Stops, until somebody has it go on.
fn suspend() {
    // It cannot be refused to signal oneself.
    let _ = kill_process(getpid(), Signal::STOP);
}

/// Looks are made on a thread of their own, as a daemon may be slow.
struct Looks {
    requests: std::sync::mpsc::Sender<bool>,
    answers: mpsc::UnboundedReceiver<Result<Look>>,
    under_way: bool,
    before: Option<Look>,
}

impl Looks {
    fn start(mut source: Box<dyn Source>) -> Result<Self> {
        let (requests, inbox) = std::sync::mpsc::channel();
        let (answer, answers) = mpsc::unbounded_channel();
        // Tallies are handed on by value, which a debug build copies at each step.
        let looker = thread::Builder::new().name("looks".to_owned()).stack_size(8 << 20);
        looker.spawn(move || {
            while let Ok(processes) = inbox.recv() {
                if answer.send(source.look(processes)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { requests, answers, under_way: false, before: None })
    }

    fn ask(&mut self, processes: bool) -> Result<()> {
        self.under_way = true;
        self.requests.send(processes).map_err(|_| anyhow!("the reader of totals has ended"))
    }

    async fn next(&mut self, processes: bool) -> Result<Look> {
        self.ask(processes)?;
        let look = self.answers.recv().await.context("the reader of totals has ended")?;
        self.under_way = false;
        look
    }

    /// Shows a look, or why there is none.
    fn seen(&mut self, app: &mut App, look: Result<Look>) {
        self.under_way = false;
        match look {
            Ok(now) => {
                app.show(between(self.before.as_ref(), &now));
                self.before = Some(now);
            }
            Err(error) => app.trouble = Some(format!("{error:#}")),
        }
    }
}

/// What happens on the terminal, read on a thread that ends with zc.
fn events() -> Result<mpsc::UnboundedReceiver<Happened>> {
    let (send, events) = mpsc::unbounded_channel();
    thread::Builder::new().name("keys".to_owned()).spawn(move || {
        while let Ok(event) = event::read() {
            if happened(&event).is_some_and(|happened| send.send(happened).is_err()) {
                return;
            }
        }
    })?;
    Ok(events)
}

fn happened(event: &Event) -> Option<Happened> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => pressed(*key),
        Event::Resize(..) => Some(Happened::Resized),
        Event::Key(_)
        | Event::FocusGained
        | Event::FocusLost
        | Event::Mouse(_)
        | Event::Paste(_) => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most keys are for nothing")]
fn pressed(key: KeyEvent) -> Option<Happened> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Happened::Quit),
            KeyCode::Char('z') => Some(Happened::Suspend),
            _ => None,
        };
    }
    let key = match key.code {
        KeyCode::Char(letter) => Key::Char(letter),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        _ => return None,
    };
    Some(Happened::Pressed(key))
}
