//! The panel of advice: what `zc advise` says, which top runs beside itself.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use serde::{Deserialize, de::IgnoredAny};

use super::{
    app::{App, Asked, Front, Key},
    detail::wrapped,
    draw::{BOLD, put},
    number,
};
use crate::{
    engine::top::Key as Who,
    view::{advise::of_a_core, inert::inert, site::Frame},
};

/// What is asked for, and what has come of it.
#[derive(Debug)]
pub struct Advice {
    /// The process that is looked at, with its descendants; all if there is none.
    pub of: Option<u32>,
    /// What has come of it.
    pub state: State,
    /// Lines that are above the screen.
    above: usize,
}

/// What has come of it.
#[derive(Debug)]
pub enum State {
    /// It is looked at, for so many seconds.
    Looking(u64),
    /// This is said.
    Told(Told),
    /// Why there is nothing.
    Failed(String),
}

/// A report of `zc advise`, as far as it is shown.
#[derive(Debug, Deserialize)]
pub struct Told {
    seconds: f64,
    findings: Vec<Finding>,
    not_advised: Vec<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Finding {
    pid: u32,
    process: String,
    from: String,
    to: String,
    #[serde(rename = "use")]
    call: String,
    confidence: String,
    saved_bytes_per_second: [f64; 2],
    saved_cpu_share: Option<[f64; 2]>,
    frames: Vec<Frame>,
}

impl App {
    /// Opens the panel; has it looked anew unless that is under way.
    pub(super) fn ask_for_advice(&mut self) -> Asked {
        let is_looking =
            self.advice.as_ref().is_some_and(|advice| matches!(advice.state, State::Looking(_)));
        let of = match (self.front, &self.selected) {
            (Front::Advice, _) => self.advice.as_ref().and_then(|advice| advice.of),
            (Front::Detail, Some(Who::Process(pid, _))) => Some(*pid),
            _ => None,
        };
        if self.front != Front::Advice {
            self.behind = self.front;
        }
        self.front = Front::Advice;
        if is_looking {
            return Asked::Draw;
        }
        self.advice = Some(Advice { of, state: State::Looking(0), above: 0 });
        Asked::Advise(of)
    }

    /// What has come of the advice that was asked for.
    pub fn advised(&mut self, state: State) {
        if let Some(advice) = &mut self.advice {
            advice.state = state;
        }
    }

    /// A key while the panel is in front.
    pub(super) fn in_advice(&mut self, key: Key) -> Asked {
        match key {
            Key::Char('q') => return Asked::Quit,
            Key::Char('a') => return self.ask_for_advice(),
            Key::Char('?' | 'h') => self.front = Front::Help,
            Key::Enter | Key::Escape => self.front = self.behind,
            Key::Up | Key::Char('k') => self.scroll(-1),
            Key::Down | Key::Char('j') => self.scroll(1),
            Key::PageUp => self.scroll(-super::app::PAGE),
            Key::PageDown => self.scroll(super::app::PAGE),
            Key::Home => self.scroll(isize::MIN),
            Key::Char(_) | Key::End | Key::Backspace => {}
        }
        Asked::Draw
    }

    fn scroll(&mut self, by: isize) {
        if let Some(advice) = &mut self.advice {
            let last = advice.lines().len().saturating_sub(1);
            advice.above = advice.above.saturating_add_signed(by).min(last);
        }
    }
}

pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let Some(advice) = &app.advice else { return };
    put(buffer, area, (area.x, area.y), &advice.title(), BOLD);
    let lines = advice.lines().into_iter().skip(advice.above);
    let lines = lines.flat_map(|(text, style)| {
        wrapped(&inert(&text), area.width.into()).map(move |line| (line, style))
    });
    for (y, (text, style)) in (area.y + 1..area.bottom()).zip(lines) {
        put(buffer, area, (area.x, y), &text, style);
    }
}

impl Advice {
    fn title(&self) -> String {
        let of = match self.of {
            Some(pid) => format!("process {pid} and its descendants"),
            None => "all processes".to_owned(),
        };
        match &self.state {
            State::Told(told) => format!("advice: {of}, watched for {:.1} s", told.seconds),
            State::Looking(_) | State::Failed(_) => format!("advice: {of}"),
        }
    }

    fn lines(&self) -> Vec<(String, Style)> {
        let plain = |text: String| vec![(text, Style::new())];
        match &self.state {
            State::Looking(seconds) => plain(format!("looking for relays, {seconds} s")),
            State::Failed(why) => plain(why.clone()),
            State::Told(told) => told.lines(),
        }
    }
}

impl Told {
    fn lines(&self) -> Vec<(String, Style)> {
        let mut lines: Vec<_> = self.findings.iter().flat_map(Finding::lines).collect();
        let mut say = |text: String| lines.push((text, Style::new()));
        if self.findings.is_empty() {
            say("nothing is advised: nobody was surely seen to relay bytes unchanged".to_owned());
        }
        if let others @ 1.. = self.not_advised.len() {
            say(format!("looked at and not advised: {others}; `zc advise --all` says why"));
        }
        lines
    }
}

impl Finding {
    fn lines(&self) -> Vec<(String, Style)> {
        let Self { pid, process, from, to, call, confidence, .. } = self;
        let [least, most] = self.saved_bytes_per_second.map(number::bytes);
        let saved = if least == most { least } else { format!("{least} to {most}") };
        let share = self.saved_cpu_share.map(of_a_core);
        let share = share.unwrap_or_else(|| "an unknown share of a core".to_owned());
        let mut lines = vec![
            (format!("{process} ({pid}): {from} to {to}: use {call}"), BOLD),
            (
                format!("  saves {saved}/s of copies, {share}; confidence {confidence}"),
                Style::new(),
            ),
        ];
        lines.extend(self.frames.first().map(|at| (format!("  at {}", at.text()), Style::new())));
        lines
    }
}
