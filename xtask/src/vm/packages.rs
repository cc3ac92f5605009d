//! Finds and downloads kernel packages, with apt but not with the host's apt:
//! its lists, status and cache are in a directory of ours, so no root is
//! needed and the host's package state is left alone.

use super::{mirror, version};
use crate::cmd;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Debian suites that hold the kernels of [`super::SERIES`] between them.
const SECURITY: &[&str] = &["bullseye-security", "bookworm-security", "trixie-security"];
const MAIN: &[&str] = &["trixie-backports"];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const FRESH: Duration = Duration::from_hours(24);

/// How many releases to try when the mirror lists packages it does not have.
const ATTEMPTS: usize = 3;

/// A private apt.
pub(super) struct Packages {
    config: PathBuf,
    /// A file as old as the lists are.
    stamp: PathBuf,
    names: Vec<String>,
}

impl Packages {
    /// Opens the state in `dir` and renews the lists if they are a day old,
    /// or in any case if `renew`.
    pub(super) fn open(dir: &Path, renew: bool) -> Result<Packages> {
        let (config, stamp) = (dir.join("apt.conf"), dir.join("renewed"));
        let written = fs::metadata(&stamp).and_then(|metadata| metadata.modified()).ok();
        let age = written.and_then(|time| time.elapsed().ok());
        let mut packages = Packages { config, stamp, names: Vec::new() };
        if renew || age.is_none_or(|age| age > FRESH) {
            packages
                .configure(dir)
                .with_context(|| format!("{} is not writable", dir.display()))?;
            packages.update()?;
        }
        let names = cmd::output(packages.apt("apt-cache").args(["pkgnames", "linux-"]))?;
        packages.names = String::from_utf8_lossy(&names).lines().map(str::to_owned).collect();
        Ok(packages)
    }

    fn configure(&self, dir: &Path) -> Result<()> {
        for sub in [
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "var/lib/apt/lists/partial",
            "var/lib/dpkg",
            "var/cache/apt",
        ] {
            fs::create_dir_all(dir.join(sub))?;
        }
        fs::write(dir.join("var/lib/dpkg/status"), "")?;
        let mirror = mirror::of_host();
        let security = SECURITY.iter().map(|suite| (&mirror.security, suite));
        let sources: String = security
            .chain(MAIN.iter().map(|suite| (&mirror.main, suite)))
            .map(|(uri, suite)| {
                format!("deb [arch=amd64 signed-by={KEYRING}] {uri} {suite} main\n")
            })
            .collect();
        fs::write(dir.join("etc/apt/sources.list"), sources)?;
        // The host's proxy is our proxy.
        let host = cmd::output(Command::new("apt-config").arg("dump"))?;
        let host = String::from_utf8_lossy(&host).into_owned();
        let mut config: String = host
            .lines()
            .filter(|line| line.starts_with("Acquire::http"))
            .map(|line| format!("{line}\n"))
            .collect();
        let dir = dir.display();
        config += &format!("Dir \"{dir}/\";\nDir::State::status \"{dir}/var/lib/dpkg/status\";\n");
        config += "APT::Architecture \"amd64\";\nAPT::Sandbox::User \"root\";\n";
        config += "Acquire::Languages \"none\";\nAcquire::Check-Valid-Until \"false\";\n";
        Ok(fs::write(&self.config, config)?)
    }

    /// Renews the lists. Those that cannot be (a suite moved to the archive,
    /// no network) stay as they were; what is missed is missed by name later.
    fn update(&self) -> Result<()> {
        let mut command = self.apt("apt-get");
        match cmd::output(command.args(["-o", "APT::Update::Error-Mode=any", "update"])) {
            Ok(_) => fs::write(&self.stamp, "")?,
            Err(error) => eprintln!("xtask: not every list of kernels could be renewed: {error:#}"),
        }
        Ok(())
    }

    /// Has the next [`Packages::open`] renew the lists.
    fn distrust(&self) {
        // Gone already is as good.
        let _ = fs::remove_file(&self.stamp);
    }

    fn apt(&self, tool: &str) -> Command {
        let mut command = Command::new(tool);
        command.env("APT_CONFIG", &self.config).arg("-qq");
        command
    }

    /// The releases of `series` that the mirror lists, newest first.
    pub(super) fn releases(&self, series: &str) -> Result<Vec<String>> {
        let releases = releases(self.names.iter().map(String::as_str), series);
        if releases.is_empty() {
            self.distrust();
            bail!(
                "none of {}, {} lists a cloud kernel of series {series}; name a series that they \
                 have, or try again where the mirror can be reached",
                SECURITY.join(", "),
                MAIN.join(", ")
            );
        }
        Ok(releases)
    }

    /// Downloads the packages of the first of `releases` that can be had
    /// into `dir`, and returns that release.
    pub(super) fn download(&self, series: &str, releases: &[String], dir: &Path) -> Result<String> {
        let mut last = None;
        for release in releases.iter().take(ATTEMPTS) {
            // Since 6.19 linux-image-* is empty and depends on these two.
            let split = [format!("linux-binary-{release}"), format!("linux-modules-{release}")];
            let whole = [format!("linux-image-{release}")];
            let wanted = if self.names.contains(&split[0]) { &split[..] } else { &whole[..] };
            let mut command = self.apt("apt-get");
            match cmd::output(command.arg("download").args(wanted).current_dir(dir)) {
                Ok(_) => return Ok(release.clone()),
                Err(error) => {
                    eprintln!("xtask: the mirror lists kernel {release} but does not give it");
                    last = Some(error);
                }
            }
        }
        self.distrust();
        let error = last.context("there was no release to try")?;
        Err(error.context(format!("no kernel of series {series} could be downloaded; try again")))
    }
}

/// Picks the releases of `series` out of package names, newest first.
fn releases<'a>(names: impl Iterator<Item = &'a str>, series: &str) -> Vec<String> {
    let mut found: Vec<String> = names
        .filter_map(|name| name.strip_prefix("linux-image-"))
        .filter(|release| release.ends_with("-cloud-amd64"))
        .filter(|release| release.strip_prefix(series).is_some_and(|rest| rest.starts_with('.')))
        .map(str::to_owned)
        .collect();
    found.sort_by(|a, b| version::compare(b, a));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stock_cloud_kernel_of_a_series_comes_first() {
        let names = "linux-image-6.1.0-9-cloud-amd64 linux-image-6.1.0-0.deb11.51-cloud-amd64 \
            linux-image-6.1.0-56-cloud-amd64 linux-image-6.1.0-57-amd64 \
            linux-image-6.1.0-57-cloud-amd64-unsigned linux-image-6.1.0-57-rt-amd64 \
            linux-image-6.12.9+deb13-cloud-amd64 linux-image-6.12.115+deb13-cloud-amd64 \
            linux-image-6.12.115+deb13.1-cloud-amd64 linux-image-6.12.115+deb12-cloud-amd64 \
            linux-image-6.12.116~rc1-cloud-amd64 linux-image-6.12.116-cloud-amd64";
        let of = |series| releases(names.split_whitespace(), series);
        assert_eq!(
            of("6.1"),
            ["6.1.0-56-cloud-amd64", "6.1.0-9-cloud-amd64", "6.1.0-0.deb11.51-cloud-amd64"]
        );
        assert_eq!(
            of("6.12"),
            [
                "6.12.116-cloud-amd64",
                "6.12.116~rc1-cloud-amd64",
                "6.12.115+deb13.1-cloud-amd64",
                "6.12.115+deb13-cloud-amd64",
                "6.12.115+deb12-cloud-amd64",
                "6.12.9+deb13-cloud-amd64"
            ]
        );
        assert!(of("6.13").is_empty());
    }
}
