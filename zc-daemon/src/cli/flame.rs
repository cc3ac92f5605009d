//! Flags of `zc flame`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{ArgGroup, Args, ValueEnum};

use super::{Attach, time};
use crate::engine::{bytes::Bytes, flame::Weight};

/// Who is watched, what is taken of it, and how that is told.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("target"))]
pub struct Flame {
    /// Watch this process and its descendants.
    #[arg(long, group = "target", value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Option<u32>,
    /// Watch all processes in this cgroup (of version 2) and below, such as
    /// system.slice/nginx.service or its directory.
    #[arg(long, group = "target", value_name = "PATH")]
    pub cgroup: Option<PathBuf>,
    /// Watch all processes of this systemd unit.
    #[arg(long, group = "target", value_name = "NAME")]
    pub unit: Option<String>,
    /// Run this command, and watch it and its descendants until it ends [default: watch all
    /// processes of this machine but zc].
    #[arg(
        group = "target",
        value_name = "CMD",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub command: Vec<OsString>,
    /// How long to watch, such as 30s, 500ms or 2m; a command and what it has become is then
    /// sent SIGTERM, and 5 s later SIGKILL [default: until the command or the process ends, or
    /// SIGINT].
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub duration: Option<Duration>,
    /// What a stack weighs: what was copied on it, or how often; or else how often a thread left
    /// its processor on it, or a page was missing.
    #[arg(long, default_value = "bytes")]
    pub weight: Weighed,
    /// Take the stack of one in so many bytes on average, or of one in so many copies, switches or
    /// faults if these are the weight: a power of two, such as 64KiB or 256; 1 takes every one,
    /// which costs every process of this machine some 9000 instructions each [default: 1MiB of
    /// bytes, 256 of copies, 64 of switches or faults].
    #[arg(long, value_name = "PERIOD", value_parser = period)]
    pub sample: Option<u32>,
    /// Where to write [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// In which form [default: by the file's name: .svg, .folded or .txt, .pprof or .pb.gz;
    /// folded on standard output].
    #[arg(long)]
    pub format: Option<Format>,
    /// Watch nobody, but draw what changed from one recording to another: two files of folded
    /// stacks.
    #[arg(long, num_args = 2, value_names = ["BEFORE", "AFTER"],
          conflicts_with_all = ["target", "duration", "weight", "sample"])]
    pub diff: Option<Vec<PathBuf>>,
    /// How to attach.
    #[command(flatten)]
    pub attach: Attach,
}

/// What a stack weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Weighed {
    /// Bytes that were copied.
    Bytes,
    /// Copies.
    Copies,
    /// Context switches.
    Switches,
    /// Page faults.
    Faults,
}

/// The form of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A picture to be looked at in a browser.
    Svg,
    /// Lines of text: frames, and a weight.
    Folded,
    /// A compressed profile for pprof.
    Pprof,
}

impl Flame {
    /// What a stack weighs.
    #[must_use]
    pub fn weight(&self) -> Weight {
        match self.weight {
            Weighed::Bytes => Weight::Bytes,
            Weighed::Copies => Weight::Copies,
            Weighed::Switches => Weight::Switches,
            Weighed::Faults => Weight::Faults,
        }
    }

    /// Of how much one sample is taken.
    #[must_use]
    pub fn period(&self) -> u32 {
        self.sample.unwrap_or(match self.weight {
            Weighed::Bytes => 1 << 20,
            Weighed::Copies => 256,
            Weighed::Switches | Weighed::Faults => 64,
        })
    }

    /// The form to write in.
    ///
    /// # Errors
    ///
    /// If the file's name does not tell, and nothing else does.
    pub fn format(&self) -> Result<Format, String> {
        let Some(path) = self.output.as_deref().filter(|_| self.format.is_none()) else {
            return Ok(self.format.unwrap_or(Format::Folded));
        };
        named(path).ok_or_else(|| {
            format!(
                "the name {} tells no form; end it in .svg, .folded or .pb.gz, or give --format",
                path.display()
            )
        })
    }
}

/// The form that the name of a file tells.
fn named(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_str()?;
    let endings = [
        (".svg", Format::Svg),
        (".folded", Format::Folded),
        (".txt", Format::Folded),
        (".pprof", Format::Pprof),
        (".pb.gz", Format::Pprof),
    ];
    endings.into_iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, format)| format)
}

/// A period of sampling.
fn period(text: &str) -> Result<u32, String> {
    let Bytes(period) = text.parse()?;
    let wrong = || format!("{text} is no power of two up to 1GiB; write 64KiB, 1MiB or 256");
    let most = 1 << 30;
    let fits = u32::try_from(period).ok().filter(|fits| *fits <= most && fits.is_power_of_two());
    fits.ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_powers_of_two() {
        assert_eq!(period("1MiB"), Ok(1 << 20));
        assert_eq!(period("1"), Ok(1));
        for wrong in ["0", "3", "1MB", "2GiB", "8GiB", "-1"] {
            assert!(period(wrong).is_err(), "{wrong}");
        }
        assert!(period("many").unwrap_err().contains("no amount"));
    }

    #[test]
    fn names_tell_forms() {
        let of = |name: &str| named(Path::new(name));
        assert_eq!(of("a/b.svg"), Some(Format::Svg));
        assert_eq!(of("b.folded"), Some(Format::Folded));
        assert_eq!(of("b.pb.gz"), Some(Format::Pprof));
        assert_eq!((of("svg"), of("b.png"), of("/")), (None, None, None));
    }
}
