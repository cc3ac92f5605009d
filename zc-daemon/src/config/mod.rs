//! Settings of `zc run`: flag before environment before file before default.
//!
//! The flags are the one table of settings ([`crate::cli::Run`]): the key of each in the file is
//! its long name, whose dots are those of TOML, and what the file says becomes its default. So
//! a value is checked alike wherever it stands.

mod file;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod settings;

use std::{ffi::OsString, fs, path::PathBuf};

use anyhow::{Context as _, Result, anyhow};
use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _, parser::ValueSource};

pub use settings::{Effective, RELOADED, page};

use crate::cli::{self, Cli};
use file::Given;

/// The commands that take settings.
const CONFIGURED: [&str; 2] = ["run", "check-config"];

/// What was asked for.
pub struct Config {
    /// It.
    pub cli: Cli,
    /// Every setting as it stands, if the command takes them.
    pub settings: Vec<Effective>,
    arguments: Vec<OsString>,
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum Refused {
    /// Flags or environment are wrong, or help was asked for.
    Usage(clap::Error),
    /// The file is.
    File(anyhow::Error),
}

impl Config {
    /// From a command line, the environment, and the file that either names.
    ///
    /// # Errors
    ///
    /// One sentence that says what is wrong; in a file, with line and column.
    pub fn from(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Refused> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let plain = command();
        let parse = |command: Command| -> Result<ArgMatches, Refused> {
            command.try_get_matches_from(&arguments).map_err(Refused::Usage)
        };
        let first = parse(plain.clone())?;
        let given = given(&plain, &first).map_err(Refused::File)?;
        let matches = if given.is_empty() {
            first
        } else {
            parse(settings::with_defaults(plain.clone(), &given))?
        };
        let settings = settings::effective(&plain, &matches, &given);
        let cli = Cli::from_arg_matches(&matches).map_err(Refused::Usage)?;
        Ok(Self { cli, settings, arguments })
    }

    /// The same command line again: environment and all as it was, the file as it is now; and
    /// the keys of what has changed.
    ///
    /// # Errors
    ///
    /// As [`Self::from`].
    pub fn again(&self) -> Result<(Self, Vec<String>)> {
        let new = Self::from(self.arguments.clone()).map_err(|refused| match refused {
            Refused::Usage(error) => anyhow!("{error}"),
            Refused::File(error) => error,
        })?;
        let same = |now: &&Effective| {
            self.settings.iter().any(|old| old.key == now.key && old.values == now.values)
        };
        let changed = new.settings.iter().filter(|now| !same(now));
        let changed = changed.map(|setting| setting.key.clone()).collect();
        Ok((new, changed))
    }
}

/// The commands; a setting that is on or off may be told to be off.
#[must_use]
pub fn command() -> Command {
    CONFIGURED.iter().fold(Cli::command(), |command, name| {
        command.mut_subcommand(name, |run| run.mut_args(cli::switchable))
    })
}

/// What the file says that is named, and that nothing of more weight contradicts.
fn given(command: &Command, matches: &ArgMatches) -> Result<Vec<Given>> {
    let Some((path, run)) = named(matches) else { return Ok(Vec::new()) };
    let text = fs::read_to_string(&path)
        .with_context(|| format!("--config.file: cannot read {}", path.display()))?;
    let given = file::read(&path, &text, command)?;
    let is_told = |id: &str| {
        let told_in = |of: &ArgMatches| {
            // One that is not there cannot be asked for.
            of.ids().any(|there| there.as_str() == id)
                && matches!(
                    of.value_source(id),
                    Some(ValueSource::CommandLine | ValueSource::EnvVariable)
                )
        };
        told_in(run) || told_in(matches)
    };
    let contradicted =
        |one: &Given| settings::conflicts(command, &one.id).iter().any(|id| is_told(id));
    Ok(given.into_iter().filter(|one| !contradicted(one)).collect())
}

/// The file, and the matches of the command that names it.
fn named(matches: &ArgMatches) -> Option<(PathBuf, &ArgMatches)> {
    let (name, run) = matches.subcommand()?;
    if !CONFIGURED.contains(&name) {
        return None;
    }
    let of = |id: &str| run.try_get_one::<PathBuf>(id).ok().flatten().cloned();
    Some((of("file").or_else(|| of("config_file"))?, run))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(file: &str, flags: &[&str]) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zc.toml");
        fs::write(&path, file).unwrap();
        let path = format!("--config.file={}", path.display());
        let arguments = ["zc", "run", &path].into_iter().chain(flags.iter().copied());
        Config::from(arguments.map(OsString::from)).map_err(|refused| match refused {
            Refused::Usage(error) => error.to_string(),
            Refused::File(error) => format!("{error:#}"),
        })
    }

    fn value(config: &Config, key: &str) -> String {
        let setting = config.settings.iter().find(|setting| setting.key == key).unwrap();
        setting.values.join(",")
    }

    #[test]
    fn flags_come_before_the_file_and_the_file_before_defaults() {
        let file = "interval = 2\nself-test = true\nmax-groups = 7\n\
                    [web]\nlisten-address = '127.0.0.1:1'\n[log]\nlevel = 'warn'\n";
        let config = from(file, &["--interval=3", "--self-test=false"]).unwrap();
        assert_eq!(config.cli.log_level, "warn");
        let cli::Command::Run(run) = &config.cli.command else { panic!() };
        assert_eq!(run.interval.as_secs(), 3);
        assert!(!run.self_test && !run.mode_switches);
        assert_eq!(run.grouping.max_groups, 7);
        for (key, expected) in [
            ("interval", "3"),
            ("self-test", "false"),
            ("max-groups", "7"),
            ("web.listen-address", "127.0.0.1:1"),
            ("group-expiry", "10m"),
            ("budget", ""),
        ] {
            assert_eq!(value(&config, key), expected, "{key}");
        }
        let config = from(file, &["--self-test"]).unwrap();
        assert_eq!(value(&config, "self-test"), "true");
    }

    #[test]
    fn a_flag_rules_out_what_contradicts_it_in_the_file() {
        let config = from("group-template = '/x'\n", &["--group-by=unit"]).unwrap();
        assert_eq!(
            (value(&config, "group-template"), value(&config, "group-by")),
            (String::new(), "unit".to_owned())
        );
        let error = from("group-by = 'unit'\ngroup-template = '/x'\n", &[]).err().unwrap();
        assert!(error.contains("zc.toml:1:1: ") && error.contains("group-template"), "{error}");
    }

    #[test]
    fn what_is_wrong_in_a_file_is_named_with_line_and_column() {
        let rows = [
            ("interval = 1\nintervall = 2\n", ":2:1: ", "nothing is called intervall"),
            ("[web]\n  listen = 'x'\n", ":2:3: ", "nothing is called web.listen"),
            ("interval = 20\n", ":1:12: ", "interval: 20 s is out of range"),
            ("\nbudget = '1'\n", ":2:10: ", "write 1% or 0.5%"),
            ("copies = 'none'\n", ":1:10: ", "\"none\" is none of best, both"),
            ("self-test = 'perhaps'\n", ":1:13: ", "self-test: "),
            ("interval = [1, 2]\n", ":1:12: ", "takes one value"),
            ("interval = 1 2\n", ":1:1", "zc.toml"),
            ("interval = 1\ninterval = 2\n", ":2:1: ", "duplicate key"),
            ("[config]\nfile = 'x'\n", ":2:1: ", "no setting of a file"),
            ("interval = 1979-05-27\n", ":1:12: ", "no date"),
            ("log.level = 'zc=loud'\n", ":1:13: ", "log.level: "),
        ];
        for (file, place, said) in rows {
            let error = from(file, &[]).err().unwrap();
            assert!(error.contains(place) && error.contains(said), "{file}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
