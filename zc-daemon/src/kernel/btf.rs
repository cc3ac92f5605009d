//! The running kernel's own types: offsets of fields, existence of functions,
//! signatures of tracepoints.
//!
//! aya parses BTF too, but keeps its member tables to itself. The format is
//! `Documentation/bpf/btf.rst`; a reader of hostile bytes must not panic, so
//! every access is checked and a malformed type reads as absent.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};

/// Where the kernel shows its types.
pub const PATH: &str = "/sys/kernel/btf/vmlinux";

/// The kinds of type record that are looked at (`include/uapi/linux/btf.h`).
mod kind {
    pub(super) const INT: u8 = 1;
    pub(super) const PTR: u8 = 2;
    pub(super) const ARRAY: u8 = 3;
    pub(super) const STRUCT: u8 = 4;
    pub(super) const UNION: u8 = 5;
    pub(super) const ENUM: u8 = 6;
    pub(super) const FWD: u8 = 7;
    pub(super) const TYPEDEF: u8 = 8;
    pub(super) const VOLATILE: u8 = 9;
    pub(super) const CONST: u8 = 10;
    pub(super) const RESTRICT: u8 = 11;
    pub(super) const FUNC: u8 = 12;
    pub(super) const FUNC_PROTO: u8 = 13;
    pub(super) const VAR: u8 = 14;
    pub(super) const DATASEC: u8 = 15;
    pub(super) const FLOAT: u8 = 16;
    pub(super) const DECL_TAG: u8 = 17;
    pub(super) const TYPE_TAG: u8 = 18;
    pub(super) const ENUM64: u8 = 19;
}

const MAGIC: u16 = 0xeb9f;
const RECORD: usize = 12;

/// Members that are looked at for one: the largest structures have some hundred.
const MOST_MEMBERS: u32 = 1 << 16;

/// A parsed BTF blob.
pub struct Btf {
    data: Vec<u8>,
    strings: usize,
    /// Type id to the position of its record.
    records: Vec<usize>,
    structures: HashMap<String, u32>,
    typedefs: HashMap<String, u32>,
    functions: HashMap<String, u32>,
    enumerations: HashMap<String, u32>,
}

impl Btf {
    /// Reads the running kernel's types.
    ///
    /// # Errors
    ///
    /// If the kernel has no BTF (`CONFIG_DEBUG_INFO_BTF`) or it is malformed.
    pub fn from_running_kernel() -> Result<Self> {
        let data = std::fs::read(PATH).with_context(|| {
            format!(
                "cannot read the kernel's types at {PATH}; zc needs a kernel built with \
                 CONFIG_DEBUG_INFO_BTF=y (every major distribution's is)"
            )
        })?;
        Self::parse(data)
    }

    /// Parses a blob.
    ///
    /// # Errors
    ///
    /// If it is not BTF, is cut short, or has a kind of type this reader does
    /// not know the size of.
    pub fn parse(data: Vec<u8>) -> Result<Self> {
        let header = |at| word(&data, at).context("the BTF header is cut short");
        let magic = header(0)? & 0xffff;
        if magic != u32::from(MAGIC) {
            bail!("this is not BTF: its magic number is {magic:#x}, not {MAGIC:#x}");
        }
        let base = header(4)? as usize;
        let first = base.saturating_add(header(8)? as usize);
        let end = first.saturating_add(header(12)? as usize);
        let strings = base.saturating_add(header(16)? as usize);
        let mut btf = Self {
            data,
            strings,
            records: vec![0],
            structures: HashMap::new(),
            typedefs: HashMap::new(),
            functions: HashMap::new(),
            enumerations: HashMap::new(),
        };
        btf.index(first, end)?;
        Ok(btf)
    }

    /// Notes where each record lies and the names that are looked up.
    fn index(&mut self, first: usize, end: usize) -> Result<()> {
        let mut at = first;
        while at < end {
            let info = word(&self.data, at + 4).context("the BTF types are cut short")?;
            let (kind, count) = split(info);
            let id = u32::try_from(self.records.len()).context("too many BTF types")?;
            self.records.push(at);
            let name = self.name(at).to_owned();
            match kind {
                kind::STRUCT => drop(self.structures.entry(name).or_insert(id)),
                kind::TYPEDEF => drop(self.typedefs.entry(name).or_insert(id)),
                kind::FUNC => drop(self.functions.entry(name).or_insert(id)),
                kind::ENUM => drop(self.enumerations.entry(name).or_insert(id)),
                _ => {}
            }
            at += RECORD + trailer(kind, count)?;
        }
        Ok(())
    }

    /// Whether the kernel has a function of this name.
    #[must_use]
    pub fn has_function(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }

    /// The offset in bytes of `member` in `structure`, looked for in anonymous
    /// structures and unions too.
    #[must_use]
    pub fn offset(&self, structure: &str, member: &str) -> Option<u32> {
        let id = *self.structures.get(structure)?;
        self.find(id, member, (0, 0), &mut { MOST_MEMBERS }).map(|bits| bits / 8)
    }

    /// The offset in bits of a member of what lies at an offset, so deep.
    fn find(
        &self,
        id: u32,
        member: &str,
        (base, depth): (u32, u32),
        left: &mut u32,
    ) -> Option<u32> {
        const DEEPEST: u32 = 16;
        let at = self.strip(id)?;
        let (kind, count) = split(word(&self.data, at + 4)?);
        if depth > DEEPEST || (kind != kind::STRUCT && kind != kind::UNION) {
            return None;
        }
        let bitfields = word(&self.data, at + 4)? >> 31 != 0;
        (0..count).find_map(|position| {
            *left = left.checked_sub(1)?;
            let row = at + RECORD + 12 * position;
            let raw = word(&self.data, row + 8)?;
            let offset = base.checked_add(if bitfields { raw & 0x00ff_ffff } else { raw })?;
            let name = self.name(row);
            if name == member {
                Some(offset)
            } else if name.is_empty() {
                self.find(word(&self.data, row + 4)?, member, (offset, depth + 1), left)
            } else {
                None
            }
        })
    }

    /// What each argument of a tracepoint points to: the structure's name, or
    /// nothing for a number or an untyped pointer. None if there is no such
    /// tracepoint.
    #[must_use]
    pub fn tracepoint(&self, name: &str) -> Option<Vec<Option<&str>>> {
        let pointer = self.strip(*self.typedefs.get(&format!("btf_trace_{name}"))?)?;
        // The first parameter is the tracepoint's own data.
        self.parameters(word(&self.data, pointer + 8)?, 1)
    }

    /// What each argument of a function points to, as for a tracepoint. None if there
    /// is no such function.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<Vec<Option<&str>>> {
        let at = *self.records.get(*self.functions.get(name)? as usize)?;
        self.parameters(word(&self.data, at + 8)?, 0)
    }

    /// The value of an enumerator.
    #[must_use]
    pub fn enumerator(&self, enumeration: &str, name: &str) -> Option<u32> {
        let at = *self.records.get(*self.enumerations.get(enumeration)? as usize)?;
        let (_, count) = split(word(&self.data, at + 4)?);
        let row = (0..count).map(|row| at + RECORD + 8 * row).find(|row| self.name(*row) == name);
        word(&self.data, row? + 4)
    }

    /// What the parameters of a prototype point to, from number `first` on.
    fn parameters(&self, id: u32, first: usize) -> Option<Vec<Option<&str>>> {
        let prototype = self.strip(id)?;
        let (kind, count) = split(word(&self.data, prototype + 4)?);
        if kind != kind::FUNC_PROTO {
            return None;
        }
        (first..count)
            .map(|position| {
                let parameter = word(&self.data, prototype + RECORD + 8 * position + 4)?;
                Some(self.pointee(parameter))
            })
            .collect()
    }

    fn pointee(&self, id: u32) -> Option<&str> {
        let pointer = self.strip(id)?;
        if split(word(&self.data, pointer + 4)?).0 != kind::PTR {
            return None;
        }
        let target = self.strip(word(&self.data, pointer + 8)?)?;
        let (kind, _) = split(word(&self.data, target + 4)?);
        (kind == kind::STRUCT).then(|| self.name(target))
    }

    /// The record of a type under its typedefs and qualifiers.
    fn strip(&self, mut id: u32) -> Option<usize> {
        const LONGEST: u32 = 32;
        for _ in 0..LONGEST {
            let at = *self.records.get(id as usize).filter(|_| id != 0)?;
            match split(word(&self.data, at + 4)?).0 {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    id = word(&self.data, at + 8)?
                }
                _ => return Some(at),
            }
        }
        None
    }

    /// The name whose offset stands at `at`.
    fn name(&self, at: usize) -> &str {
        word(&self.data, at)
            .and_then(|offset| self.data.get(self.strings.checked_add(offset as usize)?..))
            .and_then(|bytes| bytes.split(|byte| *byte == 0).next())
            .and_then(|bytes| str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Kind and number of members.
fn split(info: u32) -> (u8, usize) {
    ((info >> 24 & 0x1f) as u8, (info & 0xffff) as usize)
}

/// Bytes that follow a record of this kind.
fn trailer(kind: u8, count: usize) -> Result<usize> {
    Ok(match kind {
        kind::INT | kind::VAR | kind::DECL_TAG => 4,
        kind::ARRAY => 12,
        kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * count,
        kind::ENUM | kind::FUNC_PROTO => 8 * count,
        kind::PTR
        | kind::FWD
        | kind::TYPEDEF
        | kind::VOLATILE
        | kind::CONST
        | kind::RESTRICT
        | kind::FUNC
        | kind::FLOAT
        | kind::TYPE_TAG => 0,
        unknown => bail!("the kernel's BTF has a kind of type that zc does not know: {unknown}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A blob with the given type section and strings.
    fn blob(types: &[u32], strings: &[u8]) -> Vec<u8> {
        let length = u32::try_from(4 * types.len()).unwrap();
        let words = [u32::from(MAGIC) | 1 << 16, 24, 0, length, length];
        let size = u32::try_from(strings.len()).unwrap();
        words
            .iter()
            .chain([&size])
            .chain(types)
            .flat_map(|word| word.to_le_bytes())
            .chain(strings.iter().copied())
            .collect()
    }

    fn record(kind: u8, count: u32) -> u32 {
        u32::from(kind) << 24 | count
    }

    #[test]
    fn finds_a_member_of_an_anonymous_union() {
        // int; union { int b; }; struct s { int a; union; };
        let types = [
            0,
            record(kind::INT, 0),
            4,
            0, //
            0,
            record(kind::UNION, 1),
            4,
            5,
            1,
            0, //
            1,
            record(kind::STRUCT, 2),
            8,
            3,
            1,
            0,
            0,
            2,
            32,
        ];
        let btf = Btf::parse(blob(&types, b"\0s\0a\0b\0")).unwrap();
        assert_eq!(btf.offset("s", "a"), Some(0));
        assert_eq!(btf.offset("s", "b"), Some(4));
        assert_eq!(btf.offset("s", "c"), None);
        assert_eq!(btf.offset("t", "a"), None);
    }

    #[test]
    fn a_type_that_names_itself_ends() {
        let types = [1, record(kind::TYPEDEF, 0), 1];
        let btf = Btf::parse(blob(&types, b"\0btf_trace_x\0")).unwrap();
        assert_eq!(btf.tracepoint("x"), None);
    }

    #[test]
    fn an_offset_beyond_all_is_none_and_a_union_of_itself_ends() {
        // struct s { struct { int a; }; }, each at the last bit there is; then struct s whose
        // members are all itself.
        let beyond = [
            [1, record(kind::STRUCT, 1), 4, 0, 2, u32::MAX],
            [0, record(kind::STRUCT, 1), 4, 3, 1, u32::MAX],
        ];
        let btf = Btf::parse(blob(beyond.as_flattened(), b"\0s\0a\0")).unwrap();
        assert_eq!(btf.offset("s", "a"), None);
        let mut itself = vec![1, record(kind::STRUCT, 40), 4];
        itself.extend([0, 1, 0].repeat(40));
        let btf = Btf::parse(blob(&itself, b"\0s\0a\0")).unwrap();
        assert_eq!(btf.offset("s", "a"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(types in proptest::collection::vec(0_u32.., 0..64)) {
            if let Ok(btf) = Btf::parse(blob(&types, b"\0btf_trace_x\0s\0a\0")) {
                let _ = btf.offset("s", "a");
                let _ = btf.tracepoint("x");
                let _ = btf.function("x");
                let _ = btf.enumerator("s", "a");
            }
        }
    }
}
