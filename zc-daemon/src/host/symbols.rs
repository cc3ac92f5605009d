//! Names of addresses: the kernel's by `/proc/kallsyms`, a process' by the files it maps.
//!
//! A process may end before its addresses are looked up, so what it maps is remembered at
//! each look, and the files are held open: they may be deleted, or lie in another mount
//! namespace.

use std::{
    cell::RefCell,
    collections::{HashMap, hash_map::Entry},
    fs::File,
    os::fd::AsRawFd as _,
    path::PathBuf,
    rc::Rc,
};

use blazesym::{
    MaybeDefault, Pid,
    symbolize::{
        Input, Symbolizer,
        source::{Elf, Kernel, Process, Source},
    },
};

use super::{
    maps::{self, Mapping},
    perf_map::PerfMap,
};

/// What an address is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symbol {
    /// The function, if its name is known.
    pub function: Option<String>,
    /// The file that it is mapped from, if there is one.
    pub module: Option<String>,
    /// The place in that file; without one, the address itself.
    pub offset: u64,
}

/// The names that are known.
#[derive(Default)]
pub struct Symbols {
    symbolizer: Symbolizer,
    processes: HashMap<u32, Remembered>,
    files: HashMap<(String, u64), Option<Rc<File>>>,
    perf_maps: RefCell<HashMap<u32, PerfMap>>,
}

/// What a process was seen to map.
#[derive(Default)]
struct Remembered {
    /// The list as it was at the last look.
    last: String,
    mappings: Vec<(Mapping, Option<Rc<File>>)>,
}

/// No function is larger: beyond, an address is in something that kallsyms does not list,
/// which has no sizes.
const LARGEST: usize = 1 << 20;

impl Symbols {
    /// Remembers what a process maps now, besides what it mapped before: an exec and
    /// `dlclose(3)` forget nothing. Of one that has ended nothing is new.
    pub fn remember(&mut self, pid: u32) {
        let Some(text) = super::lossy(&format!("/proc/{pid}/maps")) else { return };
        let known = self.processes.entry(pid).or_default();
        if text == known.last {
            return;
        }
        for mapping in maps::executable(&text) {
            if known.mappings.iter().all(|(held, _)| *held != mapping) {
                let file = file_of(&mut self.files, pid, &mapping);
                known.mappings.push((mapping, file));
            }
        }
        known.last = text;
    }

    /// The kernel's functions at these addresses, the innermost first.
    #[must_use]
    pub fn kernel(&self, addresses: &[u64]) -> Vec<Symbol> {
        let kernel = Kernel {
            kallsyms: MaybeDefault::Default,
            vmlinux: MaybeDefault::None,
            ..Kernel::default()
        };
        let source = Source::Kernel(kernel);
        let symbol = |address| Symbol {
            function: self.name(&source, Input::AbsAddr(address)),
            module: None,
            offset: address,
        };
        calls(addresses).map(symbol).collect()
    }

    /// A process' functions at these addresses, the innermost first, as far as they can be: a
    /// caller that the process has mapped nothing to run at is none, and what lies beyond it
    /// is no more of one. Code that keeps no frame pointers leaves such, another each time.
    #[must_use]
    pub fn user(&self, pid: u32, addresses: &[u64]) -> Vec<Symbol> {
        let symbols = calls(addresses).map(|address| self.user_symbol(pid, address));
        let is_code = |position: usize, symbol: &Symbol| {
            position == 0 || symbol.function.is_some() || self.may_run(pid, symbol)
        };
        symbols
            .enumerate()
            .take_while(|(position, symbol)| is_code(*position, symbol))
            .map(|(_, symbol)| symbol)
            .collect()
    }

    /// Whether there may be code where no function is known. A process that was never looked at
    /// may have it anywhere.
    fn may_run(&self, pid: u32, symbol: &Symbol) -> bool {
        let Some(known) = self.processes.get(&pid) else { return true };
        symbol.module.is_some()
            || known.mappings.iter().any(|(mapping, _)| mapping.range.contains(&symbol.offset))
    }

    fn user_symbol(&self, pid: u32, address: u64) -> Symbol {
        let held = self.processes.get(&pid).map_or(&[][..], |known| &known.mappings);
        let found: Vec<_> =
            held.iter().filter(|(mapping, _)| mapping.range.contains(&address)).collect();
        // Two files at one place, one after the other: which of them ran is not known.
        let [(mapping, file)] = found[..] else {
            let function = if found.is_empty() { self.compiled(pid, address) } else { None };
            return Symbol { function, module: None, offset: address };
        };
        let Some(module) = &mapping.path else {
            // Made at run time: a compiler that writes /tmp/perf-PID.map tells its name.
            let process = Process { map_files: false, ..Process::new(Pid::from(pid)) };
            let function = self.name(&Source::Process(process), Input::AbsAddr(address));
            // Of a process that has ended, its file is all that is left.
            let function = function.or_else(|| self.compiled(pid, address));
            return Symbol { function, module: None, offset: address };
        };
        let Some(offset) = mapping.place(address) else {
            return Symbol { offset: address, ..Symbol::default() };
        };
        let function = file.as_ref().and_then(|file| {
            let elf = Elf::new(PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())));
            self.name(&Source::Elf(elf), Input::FileOffset(offset))
        });
        Symbol { function, module: Some(module.clone()), offset }
    }

    /// The name that the file of a process' compiler tells.
    fn compiled(&self, pid: u32, address: u64) -> Option<String> {
        let mut maps = self.perf_maps.borrow_mut();
        let map = maps.entry(pid).or_insert_with(|| PerfMap::of(pid));
        map.name(address).map(str::to_owned)
    }

    /// The name of a function; none where there is nothing that tells.
    fn name(&self, source: &Source<'_>, input: Input<u64>) -> Option<String> {
        let symbol = self.symbolizer.symbolize_single(source, input).ok()?.into_sym()?;
        let is_near = symbol.size.is_some() || symbol.offset < LARGEST;
        is_near.then(|| symbol.name.into_owned())
    }
}

/// The addresses of the calls: all but the innermost are where a call returns to, which may
/// be the start of what comes next.
pub(super) fn calls(addresses: &[u64]) -> impl Iterator<Item = u64> {
    let back =
        |(position, address): (usize, &u64)| address.saturating_sub(u64::from(position != 0));
    addresses.iter().enumerate().map(back)
}

/// The file of a mapping, opened once; none if it has none, or it cannot be opened.
fn file_of(
    files: &mut HashMap<(String, u64), Option<Rc<File>>>,
    pid: u32,
    mapping: &Mapping,
) -> Option<Rc<File>> {
    if mapping.inode == 0 {
        return None;
    }
    match files.entry((mapping.device.clone(), mapping.inode)) {
        Entry::Occupied(entry) => entry.get().clone(),
        Entry::Vacant(entry) => {
            let path = mapping.path.as_deref().unwrap_or_default();
            let (start, end) = (mapping.range.start, mapping.range.end);
            let opened = File::open(format!("/proc/{pid}/map_files/{start:x}-{end:x}"))
                .or_else(|_| File::open(format!("/proc/{pid}/root{path}")));
            entry.insert(opened.ok().map(Rc::new)).clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[inline(never)]
    fn here() -> u64 {
        let place: fn() -> u64 = here;
        place as usize as u64
    }

    #[test]
    fn a_function_of_a_process_has_a_name() {
        let (mut symbols, own) = (Symbols::default(), std::process::id());
        symbols.remember(own);
        let found = &symbols.user(own, &[here()])[0];
        assert!(found.function.as_ref().is_some_and(|name| name.ends_with("here")), "{found:?}");
        assert!(found.module.is_some());
    }

    #[test]
    fn what_is_not_mapped_keeps_its_address() {
        let symbols = Symbols::default();
        let nowhere = |offset| Symbol { offset, ..Symbol::default() };
        let found = symbols.user(std::process::id(), &[0x1000, 0x2000]);
        assert_eq!(found, [nowhere(0x1000), nowhere(0x1fff)]);
    }

    #[test]
    fn a_caller_where_nothing_can_run_is_none_nor_is_what_lies_beyond() {
        let (mut symbols, own) = (Symbols::default(), std::process::id());
        symbols.remember(own);
        let code = here() + 1;
        let found = |addresses: &[u64]| symbols.user(own, addresses).len();
        assert_eq!(found(&[code, code, 0x1000, code]), 2);
        assert_eq!(found(&[0x1000, code, u64::MAX]), 2);
    }

    #[test]
    fn the_names_of_a_process_outlive_it() {
        use std::io::{Read as _, Write as _};
        let mut child = std::process::Command::new("/bin/cat");
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut symbols, pid) = (Symbols::default(), child.id());
        // What it passes on shows that it has come so far.
        child.stdin.as_ref().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        symbols.remember(pid);
        drop(child.stdin.take());
        child.wait().unwrap();
        symbols.remember(pid);
        let known = &symbols.processes[&pid];
        let (mapping, _) = known.mappings.iter().find(|(_, file)| file.is_some()).unwrap();
        let symbol = &symbols.user(pid, &[mapping.range.start])[0];
        assert_eq!((&symbol.module, symbol.offset), (&mapping.path, mapping.offset));
    }
}
