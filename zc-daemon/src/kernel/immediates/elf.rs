//! Where an object holds code, and which of its instructions name a global.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use anyhow::{Context as _, Result};
use object::{
    Endianness, Object as _, ObjectSection as _, ObjectSymbol as _,
    elf::Rel64,
    read::elf::{ElfFile64, Rel as _, SectionHeader as _},
};

/// Bytes of an instruction.
pub(super) const SIZE: usize = 8;

/// A section of code.
pub(super) struct Section {
    /// Where it lies in the file.
    pub(super) code: Range<usize>,
    /// Instructions that take the address of a global, and its value.
    pub(super) globals: HashMap<usize, u32>,
    /// Instructions that functions begin with.
    pub(super) functions: BTreeSet<usize>,
    /// Where its relocations lie in the file.
    relocations: Range<usize>,
    /// Where the length of that lies.
    length: usize,
}

/// Every section of code that names globals.
pub(super) fn sections(object: &[u8], globals: &HashMap<&str, u32>) -> Result<Vec<Section>> {
    let file = ElfFile64::<Endianness>::parse(object).context("the object is no ELF file")?;
    let (endian, header) = (file.endian(), file.elf_header());
    let table = usize::try_from(header.e_shoff.get(endian))?;
    let each = usize::from(header.e_shentsize.get(endian));
    let mut sections = Vec::new();
    for (number, relocated) in file.elf_section_table().iter().enumerate() {
        let Some((entries, _)) = relocated.rel(endian, object)? else { continue };
        let target = file.section_by_index(relocated.info_link(endian))?;
        let (start, size) = target.file_range().context("a section without bytes")?;
        let (start, size) = (usize::try_from(start)?, usize::try_from(size)?);
        let value = |entry: &Rel64<Endianness>| {
            let symbol = file.symbol_by_index(entry.symbol(endian)?).ok()?;
            let value = *globals.get(symbol.name().ok()?)?;
            let at = usize::try_from(entry.r_offset.get(endian)).ok()?;
            Some((at / SIZE, value))
        };
        let named: HashMap<_, _> = entries.iter().filter_map(value).collect();
        if named.is_empty() || target.kind() != object::SectionKind::Text {
            continue;
        }
        let functions = file.symbols().filter(|s| s.section_index() == Some(target.index()));
        let functions = functions.map(|s| instruction(s.address()));
        let (first, length) = (relocated.sh_offset(endian), relocated.sh_size(endian));
        let first = usize::try_from(Into::<u64>::into(first))?;
        sections.push(Section {
            code: start..start + size,
            globals: named,
            functions: functions.collect::<Result<_>>()?,
            relocations: first..first + usize::try_from(Into::<u64>::into(length))?,
            // `sh_size` is the sixth field of a header (Elf64_Shdr).
            length: table + number * each + 32,
        });
    }
    Ok(sections)
}

/// Which instruction of its section lies at an address.
fn instruction(address: u64) -> Result<usize> {
    Ok(usize::try_from(address)? / SIZE)
}

/// Takes the relocations of some instructions out of the file.
pub(super) fn without(object: &mut [u8], section: &Section, gone: &BTreeSet<usize>) {
    const ENTRY: usize = 16; // Elf64_Rel
    let entries = &mut object[section.relocations.clone()];
    let mut kept = 0;
    for from in (0..entries.len()).step_by(ENTRY) {
        let at = u64::from_le_bytes(std::array::from_fn(|byte| entries[from + byte]));
        if instruction(at).is_ok_and(|at| !gone.contains(&at)) {
            entries.copy_within(from..from + ENTRY, kept);
            kept += ENTRY;
        }
    }
    object[section.length..section.length + 8].copy_from_slice(&(kept as u64).to_le_bytes());
}
