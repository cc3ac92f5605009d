//! The terminal: taken over, and given back whatever happens.

use std::{
    io::{self, Stdout, stdout},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use crossterm::{
    cursor::Show,
    execute,
    terminal::{
        Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
        enable_raw_mode,
    },
};
use ratatui::{Terminal, backend::CrosstermBackend};

use crate::view::top::{app::App, draw::draw};

/// A terminal that zc draws on, until it is dropped or zc panics.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    ///
    /// If it cannot be written to.
    pub fn enter() -> io::Result<Self> {
        restore_on_panic();
        take()?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout()));
        // Dropped with it on an error.
        terminal.map(|terminal| Self { terminal }).inspect_err(|_| give_back())
    }

    /// Draws what there is to see.
    ///
    /// # Errors
    ///
    /// If the terminal cannot be written to.
    pub fn show(&mut self, app: &App) -> io::Result<()> {
        self.terminal.draw(|frame| draw(app, frame.area(), frame.buffer_mut()))?;
        Ok(())
    }

    /// Gives the terminal back while `away` runs.
    ///
    /// # Errors
    ///
    /// If it cannot be taken over again.
    pub fn leave(&mut self, away: impl FnOnce()) -> io::Result<()> {
        give_back();
        away();
        take()?;
        // Not `clear`, which asks where the cursor is: the answer would be read as keys.
        self.terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        execute!(stdout(), Clear(ClearType::All))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Whether the terminal is zc's.
static TAKEN: AtomicBool = AtomicBool::new(false);

fn take() -> io::Result<()> {
    TAKEN.store(true, Relaxed);
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen)
}

/// The terminal as it was, once: a second time would move the cursor to where it was before a
/// panic was told of. There is nobody to tell if that fails: it is gone.
fn give_back() {
    if !TAKEN.swap(false, Relaxed) {
        return;
    }
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

/// Before anything is said of a panic, so that it can be read.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |about| {
            give_back();
            before(about);
        }));
    });
}
