//! The table of settings, which is that of the flags.

use std::fmt::Write as _;

use clap::{
    Arg, ArgAction, ArgMatches, Command,
    builder::{OsStr, Resettable},
    parser::ValueSource,
};

use super::file::Given;

/// The flag that names the file, which no file may.
pub(super) const FILE: &str = "config.file";

/// The settings that SIGHUP changes.
pub const RELOADED: &[&str] =
    &["log.level", "interval", "group-by", "group-template", "max-groups", "group-expiry"];

/// A setting.
pub(super) struct Setting {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) action: ArgAction,
    arg: Arg,
}

/// Every setting, in the order of help.
pub(super) fn of(command: &Command) -> Vec<Setting> {
    let run = command.find_subcommand("run");
    let own = run.into_iter().flat_map(Command::get_arguments);
    let setting = |arg: &Arg| {
        let key = arg.get_long()?.to_owned();
        let is_setting = !["help", "version", FILE].contains(&key.as_str());
        let (id, action) = (arg.get_id().to_string(), arg.get_action().clone());
        is_setting.then(|| Setting { id, key, action, arg: arg.clone() })
    };
    own.chain(command.get_arguments()).filter_map(setting).collect()
}

/// The settings that cannot be made beside one.
pub(super) fn conflicts(command: &Command, id: &str) -> Vec<String> {
    let Some(run) = command.find_subcommand("run") else { return Vec::new() };
    let others = |arg: &Arg| -> Vec<String> {
        run.get_arg_conflicts_with(arg).iter().map(|other| other.get_id().to_string()).collect()
    };
    let mut all = Vec::new();
    for arg in run.get_arguments() {
        let others = others(arg);
        if arg.get_id().as_str() == id {
            all.extend(others);
        } else if others.iter().any(|other| other == id) {
            all.push(arg.get_id().to_string());
        }
    }
    all
}

/// The command whose defaults are what a file says.
pub(super) fn with_defaults(command: Command, given: &[Given]) -> Command {
    let default = |arg: Arg| match given.iter().find(|given| given.id == arg.get_id().as_str()) {
        Some(given) => arg.default_values(given.values.iter().cloned().map(OsStr::from)),
        None => arg,
    };
    everywhere(command, default)
}

/// The command that does not look into the environment.
pub(super) fn without_environment(command: Command) -> Command {
    everywhere(command, |arg| arg.env(Resettable::Reset))
}

fn everywhere(command: Command, change: impl Fn(Arg) -> Arg) -> Command {
    let command = super::CONFIGURED
        .iter()
        .fold(command, |command, name| command.mut_subcommand(name, |run| run.mut_args(&change)));
    command.mut_args(&change)
}

/// A setting as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Its name.
    pub key: String,
    /// Its value; none if it is not set, several if it takes a list.
    pub values: Vec<String>,
    /// Who says so.
    source: String,
    takes_list: bool,
}

/// Every setting as it stands; none for a command that takes none.
pub(super) fn effective(
    command: &Command,
    matches: &ArgMatches,
    given: &[Given],
) -> Vec<Effective> {
    let Some((_, run)) = matches.subcommand().filter(|(name, _)| super::CONFIGURED.contains(name))
    else {
        return Vec::new();
    };
    let of = |setting: Setting| {
        let raw = run.try_get_raw(&setting.id).ok().flatten().into_iter().flatten();
        let source = match run.value_source(&setting.id) {
            None => "not set".to_owned(),
            Some(ValueSource::CommandLine) => format!("--{}", setting.key),
            Some(ValueSource::EnvVariable) => environment(&setting.arg),
            Some(_) => {
                let given = given.iter().find(|given| given.id == setting.id);
                given.map_or_else(|| "the default".to_owned(), |given| given.place.clone())
            }
        };
        Effective {
            values: raw.map(|value| value.to_string_lossy().into_owned()).collect(),
            takes_list: matches!(setting.action, ArgAction::Append),
            key: setting.key,
            source,
        }
    };
    self::of(command).into_iter().map(of).collect()
}

fn environment(arg: &Arg) -> String {
    arg.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Effective {
    /// As a line of a file.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { key, values, source, takes_list } = self;
        let quoted: Vec<_> = values.iter().map(|value| quoted(value)).collect();
        match quoted.as_slice() {
            [] => format!("# {key} = # {source}\n"),
            [value] if !takes_list => format!("{key} = {value} # {source}\n"),
            values => format!("{key} = [{}] # {source}\n", values.join(", ")),
        }
    }
}

fn quoted(value: &str) -> String {
    let is_number = value.starts_with(|first: char| first.is_ascii_digit())
        && toml::de::DeValue::parse(value).is_ok_and(|parsed| {
            matches!(parsed.get_ref(), toml::de::DeValue::Integer(_) | toml::de::DeValue::Float(_))
        });
    if is_number || ["true", "false"].contains(&value) {
        value.to_owned()
    } else {
        toml::Value::String(value.to_owned()).to_string()
    }
}

/// The table as a page shows it.
#[must_use]
pub fn page(command: &Command) -> String {
    let mut text =
        "| key | environment | default | SIGHUP | what |\n|---|---|---|---|---|\n".to_owned();
    for Setting { key, arg, .. } in of(command) {
        let default: Vec<_> =
            arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default =
            if default.is_empty() { String::new() } else { format!("`{}`", default.join(", ")) };
        let possible: Vec<_> = arg
            .get_possible_values()
            .iter()
            .filter(|value| !["true", "false"].contains(&value.get_name()))
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        let among =
            if possible.is_empty() { String::new() } else { format!(" {}.", possible.join(", ")) };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let help = help.replace('\n', " ").replace('|', "\\|");
        let help = help.trim_end_matches('.');
        let reloaded = if RELOADED.contains(&key.as_str()) { "yes" } else { "" };
        let environment = environment(&arg);
        // To a string, nothing fails.
        let _ = writeln!(
            text,
            "| `{key}` | `{environment}` | {default} | {reloaded} | {help}.{among} |"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_has_its_environment_and_its_help() {
        let settings = of(&super::super::command());
        for Setting { key, arg, .. } in &settings {
            let expected = format!("ZC_{}", key.to_uppercase().replace(['.', '-'], "_"));
            assert_eq!(environment(arg), expected);
            assert!(arg.get_help().is_some(), "{key}");
        }
        for key in RELOADED {
            assert!(settings.iter().any(|setting| setting.key == *key), "{key}");
        }
    }

    /// `UPDATE=1` rewrites it.
    #[test]
    fn docs_config_shows_the_table() {
        const BEGIN: &str = "<!-- settings -->\n";
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/config.md");
        let shown = std::fs::read_to_string(file).unwrap();
        let (head, _) = shown.split_once(BEGIN).unwrap();
        let expected = format!("{head}{BEGIN}{}", page(&super::super::command()));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(file, &expected).unwrap();
        } else {
            assert_eq!(shown, expected, "run UPDATE=1 cargo test -p zc-daemon --lib");
        }
    }
}
