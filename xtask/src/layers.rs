//! The floors of the daemon: code may use only those below its own.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};

use crate::ebpf::top;

/// Folder or file, and the crate modules it must not name.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("zc-daemon/src/kernel", &["engine", "view", "command", "server", "cli", "host"]),
    ("zc-daemon/src/host", &["engine", "view", "command", "server", "cli", "kernel"]),
    ("zc-daemon/src/privileges", &["engine", "view", "command", "server", "cli", "kernel"]),
    ("zc-daemon/src/service", &["engine", "view", "command", "server", "cli", "kernel"]),
    ("zc-daemon/src/engine", &["kernel", "host", "view", "command", "server", "cli"]),
    ("zc-daemon/src/view", &["kernel", "host", "command", "server", "cli"]),
    ("zc-daemon/src/server", &["kernel", "host", "command", "cli"]),
];

/// Places that may hold `unsafe`; the compiler does not know folders.
const UNSAFE: &[&str] =
    &["zc-ebpf/src", "zc-daemon/src/kernel", "zc-daemon/src/privileges", "tests/src"];

/// Fails at the first file that reaches upwards, or holds `unsafe` elsewhere.
pub(crate) fn check() -> Result<()> {
    for (place, upper) in FORBIDDEN {
        for (file, text) in sources(&top().join(place))? {
            for module in *upper {
                let name = format!("crate::{module}");
                ensure!(
                    !text.contains(&name),
                    "{file} uses {name}, which is on a floor above its own (ARCHITECTURE.md)"
                );
            }
        }
    }
    for place in ["zc-common/src", "zc-daemon/src", "xtask/src"] {
        for (file, text) in sources(&top().join(place))? {
            let allowed = UNSAFE.iter().any(|place| file.starts_with(place));
            let word = concat!("unsafe", " {");
            ensure!(
                allowed || !text.contains(word),
                "{file} holds `unsafe`, which only {UNSAFE:?} may"
            );
        }
    }
    Ok(())
}

fn sources(path: &Path) -> Result<Vec<(String, String)>> {
    if path.is_dir() {
        let mut all = Vec::new();
        for entry in fs::read_dir(path)? {
            all.extend(sources(&entry?.path())?);
        }
        return Ok(all);
    }
    if path.extension().is_none_or(|extension| extension != "rs") {
        return Ok(Vec::new());
    }
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(vec![(path.strip_prefix(top())?.to_string_lossy().into_owned(), text)])
}
