//! What happens while a guest runs, in one queue.

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Instant;

/// One thing that happens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The guest's command says this.
    Line(String),
    /// It says no more: the guest is off, or is going.
    End,
    /// Nothing, until the deadline.
    Late,
    /// We are asked to end.
    Interrupted,
}

/// The queue.
pub(super) struct Events {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
}

impl Events {
    pub(super) fn new() -> Events {
        let (sender, receiver) = mpsc::channel();
        Events { sender, receiver }
    }

    /// Queues what used to end us: from now on whoever reads the queue has to.
    pub(super) fn add_signals(&self) -> Result<()> {
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])
            .context("the signals that end this cannot be waited for")?;
        let sender = self.sender.clone();
        thread::spawn(move || {
            for _ in signals.forever() {
                if sender.send(Event::Interrupted).is_err() {
                    break;
                }
            }
        });
        Ok(())
    }

    /// Queues the lines of `from`, and its end.
    pub(super) fn add_lines(&self, from: impl Read + Send + 'static) {
        let sender = self.sender.clone();
        thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).into_owned();
                if sender.send(Event::Line(text)).is_err() {
                    return;
                }
                line.clear();
            }
            // Nobody waits for it once the queue is gone.
            let _ = sender.send(Event::End);
        });
    }

    /// The next one; for ever without a deadline.
    pub(super) fn next(&self, deadline: Option<Instant>) -> Event {
        let Some(deadline) = deadline else {
            return self.receiver.recv().unwrap_or(Event::End);
        };
        match self.receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(event) => event,
            Err(RecvTimeoutError::Disconnected) => Event::End,
            Err(RecvTimeoutError::Timeout) => Event::Late,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_order_and_then_their_end() {
        let events = Events::new();
        events.add_lines(&b"one\n\xfftwo"[..]);
        assert_eq!(events.next(None), Event::Line("one\n".to_owned()));
        assert_eq!(events.next(None), Event::Line("\u{fffd}two".to_owned()));
        assert_eq!(events.next(None), Event::End);
        assert_eq!(events.next(Some(Instant::now())), Event::Late);
    }
}
