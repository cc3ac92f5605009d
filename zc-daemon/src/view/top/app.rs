//! What is on the screen, and what keys do to it.

use std::collections::HashMap;

use super::{By, Seen, advice::Advice, help::KEYS};
use crate::engine::top::{
    Key as Who,
    arrange::Order,
    history::History,
    rates::Row,
    tree::{self, Branch},
};

/// A key, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A letter.
    Char(char),
    /// One line up.
    Up,
    /// One line down.
    Down,
    /// A screen up.
    PageUp,
    /// A screen down.
    PageDown,
    /// The first line.
    Home,
    /// The last line.
    End,
    /// Open.
    Enter,
    /// Back.
    Escape,
    /// Takes back a letter.
    Backspace,
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To draw anew.
    Draw,
    /// To look at once: rows are wanted that were not looked at.
    Look,
    /// To run `zc advise`, of this process or of all.
    Advise(Option<u32>),
    /// To end.
    Quit,
}

/// What is shown in front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Front {
    /// The rows.
    #[default]
    Rows,
    /// The rows, while a filter is typed.
    Filter,
    /// One row.
    Detail,
    /// Who could copy less.
    Advice,
    /// The keys.
    Help,
}

/// The screen.
#[derive(Debug, Default)]
pub struct App {
    /// Who counts.
    pub source: String,
    /// What rows are of.
    pub by: By,
    /// Whether groups and processes are shown as a tree.
    pub tree: bool,
    /// Whether nothing is looked at.
    pub paused: bool,
    /// Which rows, in which order.
    pub order: Order,
    /// How many rows at most.
    pub limit: Option<usize>,
    /// What is in front.
    pub front: Front,
    /// What was in front before the advice.
    pub behind: Front,
    /// The advice that was asked for last.
    pub advice: Option<Advice>,
    /// Whether colours are wanted.
    pub colour: bool,
    /// Why there is nothing newer.
    pub trouble: Option<String>,
    /// What was seen last.
    pub seen: Seen,
    /// The last minute.
    pub history: History,
    /// The row that keys are for.
    pub selected: Option<Who>,
    /// Events that were missing at the first look.
    pub lost_before: Option<u64>,
}

/// Lines of a screen that keys move by.
pub(super) const PAGE: isize = 10;

impl App {
    /// Shows what was seen.
    pub fn show(&mut self, seen: Seen) {
        self.lost_before.get_or_insert(seen.standing.lost);
        self.seen = seen;
        let rows = self.seen.groups.iter().chain(self.seen.rows(By::Process));
        self.history.add(rows);
        self.trouble = None;
    }

    /// Events that went missing since the first look.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.seen.standing.lost.saturating_sub(self.lost_before.unwrap_or(0))
    }

    /// Whether processes are to be looked at.
    #[must_use]
    pub fn wants_processes(&self) -> bool {
        self.tree || self.by == By::Process
    }

    /// The rows as they stand on the screen.
    #[must_use]
    pub fn lines(&self) -> Vec<Branch> {
        let mut lines = if self.tree {
            tree::tree(&self.seen.groups, self.seen.rows(By::Process), &self.order)
        } else {
            let rows = self.order.apply(self.seen.rows(self.by));
            let line = |row: &Row| Branch { depth: 0, label: row.name.clone(), row: row.clone() };
            rows.into_iter().map(line).collect()
        };
        lines.truncate(self.limit.unwrap_or(usize::MAX));
        lines
    }

    /// Where the selected row is; the first if there is none.
    #[must_use]
    pub fn place(&self, lines: &[Branch]) -> usize {
        let is_it = |line: &Branch| Some(&line.row.key) == self.selected.as_ref();
        lines.iter().position(is_it).unwrap_or(0)
    }

    /// Does what a key is for.
    pub fn press(&mut self, key: Key) -> Asked {
        match self.front {
            Front::Filter => self.type_filter(key),
            Front::Help => {
                self.front = Front::Rows;
                Asked::Draw
            }
            Front::Advice => self.in_advice(key),
            Front::Rows | Front::Detail => self.command(key),
        }
    }

    fn type_filter(&mut self, key: Key) -> Asked {
        match key {
            Key::Char(letter) => self.order.filter.push(letter),
            Key::Backspace => drop(self.order.filter.pop()),
            Key::Enter => self.front = Front::Rows,
            Key::Escape => {
                self.order.filter.clear();
                self.front = Front::Rows;
            }
            Key::Up | Key::Down | Key::PageUp | Key::PageDown | Key::Home | Key::End => {
                self.go(key);
            }
        }
        Asked::Draw
    }

    fn command(&mut self, key: Key) -> Asked {
        match key {
            Key::Char('q') => return Asked::Quit,
            Key::Char('g') => return self.toggle_by(),
            Key::Char('a') => return self.ask_for_advice(),
            Key::Char('t') => return self.toggle_tree(),
            Key::Char('s' | '>') => self.order.sort = self.order.sort.step(1),
            Key::Char('S' | '<') => self.order.sort = self.order.sort.step(-1),
            Key::Char('r') => self.order.reverse = !self.order.reverse,
            Key::Char('p' | ' ') => self.paused = !self.paused,
            Key::Char('/') => self.front = Front::Filter,
            Key::Char('?' | 'h') => self.front = Front::Help,
            Key::Enter => self.open(),
            Key::Escape => self.back(),
            Key::Char('k') => self.go(Key::Up),
            Key::Char('j') => self.go(Key::Down),
            Key::Char(_) | Key::Backspace => {}
            Key::Up | Key::Down | Key::PageUp | Key::PageDown | Key::Home | Key::End => {
                self.go(key);
            }
        }
        Asked::Draw
    }

    fn toggle_by(&mut self) -> Asked {
        self.tree = false;
        self.by = match self.by {
            By::Group => By::Process,
            By::Process => By::Group,
        };
        self.front = Front::Rows;
        Asked::Look
    }

    fn toggle_tree(&mut self) -> Asked {
        self.tree = !self.tree;
        Asked::Look
    }

    /// Opens the selected row, or closes it.
    fn open(&mut self) {
        if self.front == Front::Detail {
            self.front = Front::Rows;
            return;
        }
        let lines = self.lines();
        if let Some(line) = lines.get(self.place(&lines)) {
            self.selected = Some(line.row.key.clone());
            self.front = Front::Detail;
        }
    }

    fn back(&mut self) {
        if self.front == Front::Rows {
            self.order.filter.clear();
        }
        self.front = Front::Rows;
    }

    /// Selects another row.
    fn go(&mut self, key: Key) {
        let lines = self.lines();
        let last = lines.len().saturating_sub(1);
        let at = self.place(&lines);
        let by = |lines: isize| at.saturating_add_signed(lines).min(last);
        let to = match key {
            Key::Up => by(-1),
            Key::Down => by(1),
            Key::PageUp => by(-PAGE),
            Key::PageDown => by(PAGE),
            Key::End => last,
            Key::Home | Key::Char(_) | Key::Enter | Key::Escape | Key::Backspace => 0,
        };
        self.selected = lines.get(to).map(|line| line.row.key.clone());
    }

    /// The selected row as it was seen last.
    #[must_use]
    pub fn opened(&self) -> Option<Branch> {
        let lines = self.lines();
        lines.into_iter().find(|line| Some(&line.row.key) == self.selected.as_ref())
    }

    /// The keys of the last line, by what they do now.
    #[must_use]
    pub fn footer(&self) -> Vec<(&'static str, String)> {
        if self.front == Front::Advice {
            let keys = [("q", "quit"), ("a", "again"), ("Esc", "back"), ("?", "help")];
            return keys.map(|(key, word)| (key, word.to_owned())).to_vec();
        }
        let now: HashMap<&str, String> = [
            ("g", if self.by == By::Group { "procs" } else { "groups" }.to_owned()),
            ("t", if self.tree { "flat" } else { "tree" }.to_owned()),
            ("p", if self.paused { "go" } else { "pause" }.to_owned()),
            ("⏎", if self.front == Front::Detail { "back" } else { "detail" }.to_owned()),
        ]
        .into();
        let word = |key: &str, word: &str| now.get(key).cloned().unwrap_or_else(|| word.to_owned());
        KEYS.iter()
            .filter(|(_, short, _)| !short.is_empty())
            .map(|(key, short, _)| (*key, word(key, short)))
            .collect()
    }
}
