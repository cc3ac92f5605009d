//! `zc top`: rows in; a screen, a plain table or JSON out.

pub mod advice;
pub mod app;
pub mod columns;
mod detail;
pub mod draw;
mod help;
pub mod json;
pub mod number;
#[cfg(test)]
mod tests;
pub mod text;

use crate::engine::top::{Standing, rates::Row};

/// What was seen between two looks.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Of groups.
    pub groups: Vec<Row>,
    /// Of processes, if they were looked at.
    pub processes: Option<Vec<Row>>,
    /// How far it can be relied on.
    pub standing: Standing,
}

/// What rows are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// Groups.
    #[default]
    Group,
    /// Processes.
    Process,
}

impl By {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Process => "process",
        }
    }
}

impl Seen {
    /// The rows of either; none of processes that were not looked at.
    #[must_use]
    pub fn rows(&self, by: By) -> &[Row] {
        match by {
            By::Group => &self.groups,
            By::Process => self.processes.as_deref().unwrap_or_default(),
        }
    }
}

/// How the counts stand, as one line; `lost` events have gone missing since the first look.
#[must_use]
pub fn standing(standing: &Standing, lost: u64) -> String {
    let Standing { measured, routes, down, .. } = standing;
    let mut line = format!("copies measured on {} of {routes} routes", measured.len());
    if measured.len() < *routes {
        line += " (~ inferred)";
    }
    if !down.is_empty() {
        line += &format!("; {} probes down", down.len());
    }
    if lost > 0 {
        line += &format!("; {lost} lost");
    }
    line
}
