//! The file: TOML, whose every key is a setting.

use std::path::Path;

use anyhow::{Result, anyhow, ensure};
use clap::{
    ArgAction, Command,
    error::{ContextKind, ContextValue, ErrorKind},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::settings::{self, Setting};

/// What a file says.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) id: String,
    pub(super) values: Vec<String>,
    /// The file and the line.
    pub(super) place: String,
    /// Where its key begins.
    at: usize,
}

/// A key and its value as they stand.
struct Entry<'t> {
    key: String,
    at: usize,
    value: &'t Spanned<DeValue<'t>>,
}

/// Reads a file, and holds every value against its setting.
///
/// # Errors
///
/// The first thing that is wrong, with line and column.
pub(super) fn read(path: &Path, text: &str, command: &Command) -> Result<Vec<Given>> {
    let wrong = |at: usize, what: &str| {
        let (line, column) = place(text, at);
        anyhow!("{}:{line}:{column}: {what}", path.display())
    };
    let table = DeTable::parse(text).map_err(|error| {
        wrong(error.span().map_or(0, |span| span.start), &error.message().replace('\n', " "))
    })?;
    let mut entries = Vec::new();
    flatten("", table.get_ref(), &mut entries);
    entries.sort_by_key(|entry| entry.at);
    let known = settings::of(command);
    let mut all: Vec<Given> = Vec::new();
    for Entry { key, at, value } in entries {
        ensure!(key != settings::FILE, wrong(at, &format!("{key} is no setting of a file")));
        let setting = known.iter().find(|setting| setting.key == key);
        let setting = setting.ok_or_else(|| {
            wrong(at, &format!("nothing is called {key}; zc check-config prints all there is"))
        })?;
        let start = value.span().start;
        let values = values(setting, value.get_ref()).map_err(|what| wrong(start, &what))?;
        for value in &values {
            check(command, &key, value).map_err(|what| wrong(start, &format!("{key}: {what}")))?;
        }
        let place = format!("{}, line {}", path.display(), place(text, at).0);
        all.push(Given { id: setting.id.clone(), values, place, at });
    }
    for one in &all {
        let others = settings::conflicts(command, &one.id);
        if let Some(other) = all.iter().find(|other| others.contains(&other.id)) {
            let [one_key, other_key] = [&one.id, &other.id].map(|id| id.replace('_', "-"));
            let what = format!("{one_key} and {other_key} contradict each other: leave one out");
            return Err(wrong(one.at.min(other.at), &what));
        }
    }
    Ok(all)
}

/// Line and column of a byte, from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

fn flatten<'t>(prefix: &str, table: &'t DeTable<'t>, entries: &mut Vec<Entry<'t>>) {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        if let DeValue::Table(table) = value.get_ref() {
            flatten(&format!("{key}."), table, entries);
        } else {
            entries.push(Entry { key, at: name.span().start, value });
        }
    }
}

/// The values as a flag would have them.
fn values(setting: &Setting, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    if let DeValue::Array(array) = value {
        if !matches!(setting.action, ArgAction::Append) {
            return Err(format!("{} takes one value", setting.key));
        }
        return array.iter().map(|value| scalar(value.get_ref())).collect();
    }
    Ok(vec![scalar(value)?])
}

fn scalar(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Float(number) => Ok(number.to_string()),
        DeValue::Boolean(is) => Ok(is.to_string()),
        DeValue::Datetime(_) => Err("there is no date among zc's settings".to_owned()),
        DeValue::Array(_) | DeValue::Table(_) => Err("there is no list of lists".to_owned()),
    }
}

/// What is wrong with a value, as its flag has it.
fn check(command: &Command, key: &str, value: &str) -> Result<(), String> {
    let flag = format!("--{key}={value}");
    let checked = settings::without_environment(command.clone());
    let Err(error) = checked.try_get_matches_from(["zc", "run", &flag]) else { return Ok(()) };
    if let Some(source) = std::error::Error::source(&error) {
        return Err(source.to_string());
    }
    match (error.kind(), error.get(ContextKind::ValidValue)) {
        (ErrorKind::InvalidValue, Some(ContextValue::Strings(valid))) if !valid.is_empty() => {
            Err(format!("{value:?} is none of {}", valid.join(", ")))
        }
        _ => Err(format!("{value:?} will not do")),
    }
}
