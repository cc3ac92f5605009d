//! Settings as parts of instructions: what CO-RE is to C.
//!
//! A program loads the offset of a kernel's field from a read-only global, and adds it: five
//! instructions a field, of which the verifier folds none. Here, before load, each such load
//! becomes a number, what is computed of it too, and what is then of no use a no-op, which
//! the kernel takes out (`opt_remove_nops`, kernel/bpf/verifier.c, since 5.1).

mod code;
mod elf;

use std::collections::HashMap;

use anyhow::Result;

use code::Code;

/// The object with the values of its globals, by name, in its instructions.
///
/// # Errors
///
/// If it is no ELF file of eBPF programs.
pub(super) fn fold(object: &[u8], globals: &HashMap<&str, u32>) -> Result<Vec<u8>> {
    let mut patched = object.to_vec();
    for section in elf::sections(object, globals)? {
        let bytes = &mut patched[section.code.clone()];
        let mut code = Code::decode(bytes, &section.globals, &section.functions);
        code.fold();
        let gone = code.clean();
        code.encode(bytes);
        elf::without(&mut patched, &section, &gone);
    }
    Ok(patched)
}

#[cfg(test)]
mod tests {
    use super::{code::Instruction, *};

    #[test]
    fn the_object_still_parses_and_is_shorter_by_its_offsets() {
        let names: Vec<_> = zc_common::settings::FIELDS.iter().map(|field| field.global).collect();
        let globals: HashMap<_, _> = names.iter().map(|name| (*name, 64)).collect();
        let folded = fold(super::super::object::BYTES, &globals).unwrap();
        let before = aya_obj::Object::parse(super::super::object::BYTES).unwrap();
        let after = aya_obj::Object::parse(&folded).unwrap();
        assert_eq!(before.programs.len(), after.programs.len());
        let idle = |object: &aya_obj::Object| -> usize {
            let functions = object.functions.values();
            let all = functions.flat_map(|function| &function.instructions);
            all.filter(|i| (i.code, i.off, i.imm) == (Instruction::JUMP, 0, 0)).count()
        };
        assert!(idle(&after) > idle(&before) + 1000, "{} {}", idle(&before), idle(&after));
    }
}
