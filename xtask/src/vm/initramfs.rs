//! The guest's root file system: busybox, modules, our init, and the files
//! under test. It is written afresh for each guest and not compressed, since
//! decompressing under emulation takes longer than reading.

use super::Guest;
use super::cpio::Archive;
use super::kernels::Kernel;
use crate::cmd;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const BUSYBOX: &str = "/bin/busybox";
const DIRECTORIES: &[&str] =
    &["bin", "sbin", "usr/bin", "dev", "mnt", "proc", "root", "run", "sys", "tmp", "var/tmp"];
const ETC: &[(&str, &str)] = &[
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
];

/// Writes the initramfs of `guest` to `to`.
pub(super) fn write(to: &Path, kernel: &Kernel, guest: &Guest) -> Result<()> {
    let file = File::create(to).with_context(|| format!("{} is not writable", to.display()))?;
    let mut archive = Archive::new(BufWriter::new(file));
    // The first of a name is kept, so a guest's own files go before ours.
    for (host, path) in &guest.files {
        add(&mut archive, &follow(host)?, path)?;
    }
    for (host, path) in &guest.binaries {
        add(&mut archive, &follow(host)?, path)?;
        for library in libraries(host)? {
            add(&mut archive, &follow(&library)?, &library.to_string_lossy())?;
        }
    }
    base(&mut archive, kernel)?;
    archive.file("command", 0o644, format!("{}\n", guest.command).as_bytes())?;
    archive.finish()?;
    Ok(())
}

type Out<'a> = &'a mut Archive<BufWriter<File>>;

fn base(archive: Out<'_>, kernel: &Kernel) -> Result<()> {
    for directory in DIRECTORIES {
        archive.directory(directory)?;
    }
    for (path, text) in ETC {
        archive.file(path, 0o644, text.as_bytes())?;
    }
    archive.console()?;
    archive.file("init", 0o755, include_bytes!("init.sh"))?;
    add(archive, Path::new(BUSYBOX), "bin/busybox")?;
    let applets = cmd::output(Command::new(BUSYBOX).arg("--list"))?;
    for applet in String::from_utf8_lossy(&applets).lines() {
        archive.symlink(&format!("bin/{applet}"), "busybox")?;
    }
    add(archive, &kernel.modules, "modules")
}

/// Adds the host's `host` as `guest`: a file, a directory with all that is in
/// it, or a symbolic link as it stands.
fn add(archive: Out<'_>, host: &Path, guest: &str) -> Result<()> {
    let unreadable = || format!("{} cannot be read, so no guest gets it", host.display());
    let metadata = fs::symlink_metadata(host).with_context(unreadable)?;
    if metadata.is_dir() {
        archive.directory(guest)?;
        for entry in fs::read_dir(host).with_context(unreadable)? {
            let entry = entry.with_context(unreadable)?;
            let name = entry.file_name();
            add(archive, &entry.path(), &format!("{guest}/{}", name.to_string_lossy()))?;
        }
        Ok(())
    } else if metadata.is_symlink() {
        let target = fs::read_link(host).with_context(unreadable)?;
        archive.symlink(guest, &target.to_string_lossy())
    } else {
        let data = fs::read(host).with_context(unreadable)?;
        archive.file(guest, metadata.permissions().mode(), &data)
    }
}

/// What was asked for by name is what its name leads to.
fn follow(host: &Path) -> Result<PathBuf> {
    fs::canonicalize(host)
        .with_context(|| format!("{} is not there to go into a guest", host.display()))
}

/// The shared libraries of `program`, its loader among them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let out = Command::new("ldd")
        .arg(program)
        .output()
        .context("ldd could not be started; it belongs to the package libc-bin")?;
    // For a static program it fails, and lists nothing.
    parse_ldd(&String::from_utf8_lossy(&out.stdout))
        .with_context(|| format!("{} has a library missing on this host", program.display()))
}

/// Reads `name => /path (address)`, `/path (address)` and `name => not found`.
fn parse_ldd(text: &str) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for line in text.lines() {
        let what = line.split_once("=>").map_or(line, |(_, found)| found).trim();
        if what == "not found" {
            bail!("{}; install what provides it", line.trim());
        }
        if what.starts_with('/') && line.contains("(0x") {
            paths.extend(what.split_whitespace().next().map(PathBuf::from));
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_are_read_from_ldd() {
        let text = "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibc.so.6 => /lib/libc.so.6 (0x00007f)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f6c)\n";
        let expected = ["/lib/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(parse_ldd(text).unwrap(), expected);
        assert!(parse_ldd("\tstatically linked\n").unwrap().is_empty());
        assert!(parse_ldd("\tlibz.so.1 => not found\n").is_err());
    }
}
