//! What files of `/proc` and `/sys` say. Nothing is read here, so that all of it can be held
//! against anything that a process may call itself.

use anyhow::{Context as _, Result};

/// How many threads there are: the fourth field of `/proc/loadavg`.
pub(super) fn threads(loadavg: &str) -> Option<u32> {
    loadavg.split(['/', ' ']).nth(4)?.parse().ok()
}

/// The mode of `/sys/kernel/security/lockdown`, which stands in brackets.
pub(super) fn lockdown(modes: &str) -> Option<&str> {
    let (_, rest) = modes.split_once('[')?;
    rest.split_once(']').map(|(mode, _)| mode)
}

/// The process of a thread, and its name, by `/proc/PID/status`; none once it has ended. The
/// kernel writes `\n` for a line's end in a name, and whatever else is in it as it is.
pub(super) fn process(status: &str) -> Option<(u32, &str)> {
    // Not by `lines`, which takes a carriage return off a name's end.
    let field = |name: &str| {
        status.split('\n').find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"))
    };
    let ended = field("State")?.starts_with(['Z', 'X']);
    let process = (field("Tgid")?.parse().ok()?, field("Name")?);
    (!ended).then_some(process)
}

/// The parent, by `/proc/PID/stat`: its fourth field, counted from behind the name.
pub(super) fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

/// Bytes read and written, by `/proc/PID/io`.
pub(super) fn storage_bytes(io: &str) -> Option<u64> {
    let field = |name: &str| -> Option<u64> {
        io.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?.parse().ok()
    };
    field("read_bytes")?.checked_add(field("write_bytes")?)
}

/// Name and address of one of the kernel's own functions, by a line of `/proc/kallsyms`; none
/// of what is none.
///
/// # Errors
///
/// If its address is none.
pub(super) fn function(line: &str) -> Result<Option<(&str, u64)>> {
    // Address, type and name; a module's have a fourth.
    let mut words = line.split_whitespace();
    let row = [words.next(), words.next(), words.next(), words.next()];
    let [Some(address), Some("t" | "T"), Some(name), None] = row else { return Ok(None) };
    let address = u64::from_str_radix(address, 16);
    Ok(Some((name, address.with_context(|| format!("/proc/kallsyms holds {line:?}"))?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_say_what_they_do() {
        assert_eq!(threads("0.20 0.18 0.12 1/80 11206\n"), Some(80));
        assert_eq!(lockdown("none [integrity] confidentiality\n"), Some("integrity"));
        let status = "Name:\ta\\nState:\tZ\rTgid:\t9\nState:\tS (sleeping)\nTgid:\t7\n";
        assert_eq!(process(status), Some((7, "a\\nState:\tZ\rTgid:\t9")));
        assert_eq!(process("Name:\ta\nState:\tZ (zombie)\nTgid:\t7\n"), None);
        assert_eq!(parent("9 (a) S 1 (b) ) S 7 9 9 0"), Some(7));
        assert_eq!(storage_bytes("rchar: 9\nread_bytes: 4\nwrite_bytes: 5\n"), Some(9));
        assert_eq!(storage_bytes("read_bytes: 18446744073709551615\nwrite_bytes: 1\n"), None);
        assert_eq!(function("ff10 T a_function").unwrap(), Some(("a_function", 0xff10)));
        assert_eq!(function("ff10 t a_function [a_module]").unwrap(), None);
        assert!(function("none T a_function").is_err());
    }
}
