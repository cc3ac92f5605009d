//! A systemd unit, as far as it takes to start its program without systemd.

use std::process::Command;

use anyhow::{Context as _, Result};

/// The lines of a unit.
#[derive(Clone, Debug)]
pub struct Unit(Vec<(String, String)>);

impl Unit {
    /// Reads one.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.replace("\\\n", " ");
        let lines = text.lines().filter(|line| !line.starts_with(['#', ';']));
        let lines = lines.filter_map(|line| line.split_once('='));
        Self(lines.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect())
    }

    /// All values of a setting, in one line.
    #[must_use]
    pub fn all(&self, key: &str) -> String {
        let values = self.0.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str());
        values.collect::<Vec<_>>().join(" ")
    }

    /// The arguments of `setpriv` that make a process what the unit makes of it: a user without
    /// rights, but for the capabilities that it keeps.
    ///
    /// # Errors
    ///
    /// If it names no capability.
    pub fn privileges(&self) -> Result<Vec<String>> {
        let capabilities = self.all("AmbientCapabilities");
        let names = capabilities.split_whitespace();
        let names = names.map(|name| name.strip_prefix("CAP_").map(str::to_lowercase));
        let names = names.collect::<Option<Vec<_>>>().context("a capability without CAP_")?;
        let set = format!("-all,+{}", names.join(",+"));
        let nobody = "65534";
        let mut flags = vec![format!("--reuid={nobody}"), format!("--regid={nobody}")];
        flags.extend(["--clear-groups".to_owned(), "--no-new-privs".to_owned()]);
        flags.extend(["inh", "ambient", "bounding"].map(|which| match which {
            "bounding" => format!("--bounding-set={set}"),
            which => format!("--{which}-caps={set}"),
        }));
        Ok(flags)
    }

    /// Adds the program and its arguments to a command that runs another.
    ///
    /// # Errors
    ///
    /// If the unit starts none.
    pub fn start<'a>(&self, command: &'a mut Command) -> Result<&'a mut Command> {
        let line = self.all("ExecStart");
        let mut words = line.split_whitespace();
        let program = words.next().context("the unit starts nothing")?;
        Ok(command.arg(program).args(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_read() {
        let unit = Unit::parse(
            "[Service]\n# ExecStart=/no\nExecStart=/usr/bin/a b \\\n  c\n\
             AmbientCapabilities=CAP_BPF\nAmbientCapabilities=CAP_PERFMON\n",
        );
        let mut command = Command::new("x");
        let arguments: Vec<_> = unit.start(&mut command).unwrap().get_args().collect();
        assert_eq!(arguments, ["/usr/bin/a", "b", "c"]);
        let flags = unit.privileges().unwrap();
        assert!(flags.contains(&"--bounding-set=-all,+bpf,+perfmon".to_owned()), "{flags:?}");
    }
}
