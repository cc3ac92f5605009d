//! Names of what a process has compiled at run time: `/tmp/perf-PID.map`, as compilers write it
//! for perf (`tools/perf/Documentation/jit-interface.txt`), a line for each function.
//!
//! Whoever may write there may write anything: it is read as far as it makes sense.

use std::{
    collections::BTreeMap, fs::OpenOptions, io::Read as _, os::unix::fs::OpenOptionsExt as _,
};

/// What a process has told of its functions.
#[derive(Debug, Default)]
pub(super) struct PerfMap {
    /// End and name of each, by where it begins.
    functions: BTreeMap<u64, (u64, String)>,
}

/// No more is read of a file.
const LONGEST: u64 = 64 << 20;

impl PerfMap {
    /// That of a process; empty if it has written none.
    pub(super) fn of(pid: u32) -> Self {
        let mut options = OpenOptions::new();
        // Neither a link to elsewhere, nor a pipe that nobody writes to.
        options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let mut bytes = Vec::new();
        if let Ok(file) = options.open(format!("/tmp/perf-{pid}.map"))
            && file.metadata().is_ok_and(|known| known.is_file())
        {
            // What was read before a failure holds.
            let _ = file.take(LONGEST).read_to_end(&mut bytes);
        }
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    /// Lines of a place, a length (both hexadecimal) and a name; of two at one place the later.
    fn parse(text: &str) -> Self {
        let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
        let function = |line: &str| {
            let (start, rest) = line.split_once(' ')?;
            let (length, name) = rest.split_once(' ')?;
            let start = number(start)?;
            Some((start, (start.checked_add(number(length)?)?, name.to_owned())))
        };
        Self { functions: text.lines().filter_map(function).collect() }
    }

    /// The name of the function at an address.
    pub(super) fn name(&self, address: u64) -> Option<&str> {
        let (_, (end, name)) = self.functions.range(..=address).next_back()?;
        (address < *end).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_a_place_and_a_length() {
        let text = "7f00 10 py::main:/x y.py\nnonsense\n0x8000 8 late\n8000 4 later\nffffffffffffffff 2 x\n";
        let map = PerfMap::parse(text);
        assert_eq!(map.name(0x7eff), None);
        assert_eq!(map.name(0x7f00), Some("py::main:/x y.py"));
        assert_eq!(map.name(0x7f0f), Some("py::main:/x y.py"));
        assert_eq!(map.name(0x7f10), None);
        assert_eq!((map.name(0x8003), map.name(0x8004)), (Some("later"), None));
        assert_eq!(map.name(u64::MAX), None);
    }

    #[test]
    fn a_process_that_has_written_none_has_none() {
        assert!(PerfMap::of(u32::MAX).functions.is_empty());
    }
}
