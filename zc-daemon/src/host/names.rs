//! Names that are kept in files: of users, and of pods.

use std::{collections::HashMap, fs, path::Path};

/// The users of this machine, by number: those of `/etc/passwd`. A directory of users elsewhere
/// is not asked, as that may take a network's time.
#[must_use]
pub fn users() -> HashMap<u32, String> {
    let text = fs::read("/etc/passwd").unwrap_or_default();
    users_of(&String::from_utf8_lossy(&text))
}

pub(super) fn users_of(text: &str) -> HashMap<u32, String> {
    let user = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    // Of two names of one user, the first.
    text.lines().rev().filter_map(user).collect()
}

/// Namespace and name of each pod whose containers log into this directory, by UID: kubelet
/// calls theirs NAMESPACE_NAME_UID.
#[must_use]
pub fn pods(logs: &Path) -> HashMap<String, (String, String)> {
    let entries = fs::read_dir(logs).into_iter().flatten().flatten();
    entries.filter_map(|entry| pod(&entry.file_name().to_string_lossy())).collect()
}

/// A pod's UID, namespace and name.
pub(super) fn pod(logs: &str) -> Option<(String, (String, String))> {
    let mut parts = logs.splitn(3, '_').map(str::to_owned);
    let (namespace, name) = (parts.next()?, parts.next()?);
    Some((parts.next()?, (namespace, name)))
}

/// The arguments of a process that lives, each ended by a zero.
#[must_use]
pub fn arguments(pid: u32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/cmdline")).ok().filter(|argv| !argv.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_the_first_of_their_names() {
        let users = users_of("root:x:0:0::/root:/bin/sh\n# no user\ntoor:x:0:0::/:/bin/sh\na:x:7:");
        assert_eq!((users.len(), users[&0].as_str(), users[&7].as_str()), (2, "root", "a"));
    }

    #[test]
    fn pods_are_named_by_their_logs() {
        let logs = tempfile::tempdir().unwrap();
        for name in ["shop_cart-0_1b2c", "no-pod"] {
            fs::create_dir(logs.path().join(name)).unwrap();
        }
        let pods = pods(logs.path());
        assert_eq!(pods["1b2c"], ("shop".to_owned(), "cart-0".to_owned()));
        assert_eq!(pods.len(), 1);
        assert!(super::pods(&logs.path().join("none")).is_empty());
    }
}
