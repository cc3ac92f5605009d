//! What a process maps, as `/proc/PID/maps` lists it (`proc_pid_maps(5)`).

use std::ops::Range;

/// One mapping that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    /// Its addresses.
    pub(super) range: Range<u64>,
    /// Where it begins in its file.
    pub(super) offset: u64,
    /// The file's device, as major and minor number, and its inode; 0 without a file.
    pub(super) device: String,
    pub(super) inode: u64,
    /// The file, or a name in brackets; none for memory.
    pub(super) path: Option<String>,
}

impl Mapping {
    /// Where an address that it holds lies in its file.
    pub(super) fn place(&self, address: u64) -> Option<u64> {
        address.checked_sub(self.range.start)?.checked_add(self.offset)
    }
}

/// The mappings of a list that can be run.
pub(super) fn executable(list: &str) -> impl Iterator<Item = Mapping> {
    // Not by `lines`, which takes a carriage return off a name's end.
    list.split('\n').filter_map(parse)
}

fn parse(line: &str) -> Option<Mapping> {
    let (range, rest) = line.split_once(' ')?;
    let (access, rest) = rest.split_once(' ')?;
    let (offset, rest) = rest.split_once(' ')?;
    let (device, rest) = rest.split_once(' ')?;
    let (inode, path) = rest.split_once(' ').unwrap_or((rest, ""));
    let (start, end) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let path = path.trim_start();
    let mapping = Mapping {
        range: number(start)?..number(end)?,
        offset: number(offset)?,
        device: device.to_owned(),
        inode: inode.parse().ok()?,
        path: (!path.is_empty()).then(|| path.to_owned()),
    };
    access.contains('x').then_some(mapping)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
55d0c0000000-55d0c0008000 r--p 00000000 fd:01 1048601                    /usr/bin/a file
55d0c0008000-55d0c0009000 r-xp 00008000 fd:01 1048601                    /usr/bin/a file
7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n\
7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]
nonsense
";

    #[test]
    fn a_name_is_whole_and_a_place_beyond_all_is_none() {
        let line = "1000-2000 r-xp fffffffffffff800 fd:01 7 /a\r\n";
        let found: Vec<_> = executable(line).collect();
        assert_eq!(found[0].path.as_deref(), Some("/a\r"));
        assert_eq!(found[0].place(0x1010), Some(0xffff_ffff_ffff_f810));
        assert_eq!((found[0].place(0x1fff), found[0].place(0)), (None, None));
    }

    #[test]
    fn what_can_be_run_is_listed() {
        let found: Vec<_> = executable(LIST).collect();
        let paths: Vec<_> = found.iter().map(|mapping| mapping.path.as_deref()).collect();
        assert_eq!(paths, [Some("/usr/bin/a file"), None, Some("[vdso]")]);
        let first = &found[0];
        assert_eq!(first.range, 0x55d0_c000_8000..0x55d0_c000_9000);
        assert_eq!((first.offset, first.inode, &*first.device), (0x8000, 1_048_601, "fd:01"));
    }
}
