//! Programs of Debian's that the tests judge: how this machine comes by them, and what of
//! them a guest is given.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{apt, cmd, vm::Guest};

/// Packages of the programs, and of what nginx needs beside what they need.
const PACKAGES: &[&str] =
    &["coreutils", "curl", "dash", "gzip", "libpcre2-8-0", "python3", "zlib1g"];

/// Programs that are unpacked beside zc and not installed, as their packages start servers: the
/// package, and where in it they are.
const UNPACKED: &[(&str, &[&str])] =
    &[(NGINX, &["usr/sbin/nginx"]), ("prometheus", &["usr/bin/prometheus", "usr/bin/promtool"])];

const NGINX: &str = "nginx";

/// Programs that a guest finds where this machine does: its own are busybox', whose shell
/// knows no others of these names.
const INSTALLED: &[&str] = &["cat", "cp", "curl", "dd", "env", "gzip", "nice", "python3", "sh"];

/// Prints, for each module that the tests' programs import, its file and where a guest is to
/// find it: without its source, from which the compiled one of a guest, where files have no
/// times, would seem to differ.
const MODULES: &str = "
import argparse, encodings.idna, encodings.ascii, encodings.latin_1, http.server, os, runpy, socket, sys
for module in list(sys.modules.values()):
    file = getattr(module, '__file__', None)
    compiled = getattr(module, '__cached__', None)
    if compiled and os.path.exists(compiled):
        print(compiled, file + 'c')
    elif file and os.path.exists(file):
        print(file, file)
";

/// Sees to it that the programs are here: some in `folder`, the others installed.
pub(crate) fn ensure(folder: &Path) -> Result<()> {
    apt::ensure("for the tests of real programs", PACKAGES)?;
    UNPACKED.iter().try_for_each(|(package, programs)| unpack(folder, package, programs))
}

/// Unpacks a package, and places programs of it in `folder`.
fn unpack(folder: &Path, package: &str, programs: &[&str]) -> Result<()> {
    let place = |program: &str| folder.join(Path::new(program).file_name().unwrap_or_default());
    if programs.iter().all(|program| place(program).exists()) {
        return Ok(());
    }
    eprintln!("xtask: fetching {package} by apt, not installed (for the tests of real programs)");
    let work = tempfile::Builder::new().prefix("zc-unpacked-").tempdir()?;
    apt::unpack(package, work.path())?;
    for program in programs {
        let unpacked = work.path().join(program);
        fs::copy(&unpacked, place(program))
            .with_context(|| format!("the package {package} has no {}", unpacked.display()))?;
    }
    Ok(())
}

/// Adds them to a guest: nginx beside zc, which is in `/payload`.
pub(crate) fn add(guest: &mut Guest, folder: &Path) -> Result<()> {
    guest.binaries.push((folder.join(NGINX), format!("/payload/{NGINX}")));
    for program in INSTALLED {
        let path = format!("/usr/bin/{program}");
        guest.binaries.push((PathBuf::from(&path), path));
    }
    let modules = cmd::output(Command::new("/usr/bin/python3").args(["-I", "-S", "-c", MODULES]))
        .context("the modules of Python cannot be listed")?;
    for line in String::from_utf8_lossy(&modules).lines() {
        let (from, to) = line.split_once(' ').context("a module without a place")?;
        let module = (PathBuf::from(from), to.to_owned());
        let binary = Path::new(to).extension().is_some_and(|kind| kind == "so");
        if binary { &mut guest.binaries } else { &mut guest.files }.push(module);
    }
    Ok(())
}
