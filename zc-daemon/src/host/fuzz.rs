//! Hostile bytes for what reads `/proc`, `/etc/passwd` and the names of directories. Each says
//! whether they were read as something.

use std::collections::HashSet;

use super::{cgroup, maps, names, proc, symbols, tcp};

/// A name as the kernel shows it (`proc_task_name`, fs/proc/array.c): what ends a line, and a
/// backslash, are escaped.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).replace('\\', "\\\\").replace('\n', "\\n")
}

pub(crate) fn loadavg(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let threads = proc::threads(&text);
    threads.is_some_and(|_| text.contains(['/', ' ']))
}

pub(crate) fn lockdown(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mode = proc::lockdown(&text);
    mode.is_some_and(|mode| !mode.contains(']') && text.contains(mode))
}

pub(crate) fn status(bytes: &[u8]) -> bool {
    let name = shown(bytes);
    let status = format!("Name:\t{name}\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t7\nPid:\t9\n");
    assert_eq!(proc::process(&status), Some((7, &*name)), "a name hides its process");
    proc::process(&String::from_utf8_lossy(bytes)).is_some()
}

pub(crate) fn stat(bytes: &[u8]) -> bool {
    let stat = format!("9 ({}) S 7 9 9 0 -1 4194304 98 0\n", shown(bytes));
    assert_eq!(proc::parent(&stat), Some(7), "a name hides its parent");
    proc::parent(&String::from_utf8_lossy(bytes)).is_some()
}

pub(crate) fn io(bytes: &[u8]) -> bool {
    proc::storage_bytes(&String::from_utf8_lossy(bytes)).is_some()
}

pub(crate) fn tcp(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let sockets: Vec<_> = tcp::sockets(&text).collect();
    assert!(sockets.len() <= text.lines().count());
    assert!(sockets.iter().all(|socket| text.contains(&socket.inode.to_string())));
    !sockets.is_empty()
}

pub(crate) fn kallsyms(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.lines().fold(false, |found, line| {
        let function = proc::function(line).ok().flatten();
        if let Some((name, _)) = function {
            assert!(line.trim_end().ends_with(name) && !name.contains(char::is_whitespace));
        }
        found | function.is_some()
    })
}

pub(crate) fn maps(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut found = false;
    for mapping in maps::executable(&text) {
        found = true;
        for address in [mapping.range.start, mapping.range.end.wrapping_sub(1)] {
            let _ = mapping.place(address);
        }
        assert!(mapping.path.is_none_or(|path| text.contains(&path) && !path.contains('\n')));
    }
    found
}

pub(crate) fn addresses(bytes: &[u8]) -> bool {
    let addresses: Vec<u64> = bytes
        .chunks_exact(8)
        .map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()))
        .collect();
    let calls: Vec<_> = symbols::calls(&addresses).collect();
    assert_eq!(calls.len(), addresses.len());
    let mut both = calls.iter().zip(&addresses);
    assert!(both.all(|(call, address)| call <= address && address - call <= 1));
    calls.len() > 1
}

pub(crate) fn mounts(bytes: &[u8]) -> bool {
    // Two files: the mounts, and after a zero the cgroups.
    let text = String::from_utf8_lossy(bytes);
    let (mounts, own) = text.split_once('\0').unwrap_or((&text, ""));
    let found = cgroup::mounted(mounts, own);
    let place = |name: &str| cgroup::HIERARCHIES.iter().position(|known| *known == name);
    assert!(found.is_sorted_by(|a, b| place(a.name) < place(b.name)), "{found:?}");
    assert!(found.iter().all(|one| mounts.contains(&*one.root.to_string_lossy())));
    !found.is_empty()
}

pub(crate) fn passwd(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let users = names::users_of(&text);
    for (number, name) in &users {
        assert!(!name.contains([':', '\n']), "{number} is called {name:?}");
    }
    let lines: HashSet<_> = text.lines().filter_map(|line| line.split(':').next()).collect();
    assert!(users.values().all(|name| lines.contains(&**name)));
    !users.is_empty()
}

pub(crate) fn pod_logs(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let pod = names::pod(&text);
    if let Some((uid, (namespace, name))) = &pod {
        assert_eq!(format!("{namespace}_{name}_{uid}"), text);
    }
    pod.is_some()
}
