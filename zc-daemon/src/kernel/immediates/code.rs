//! eBPF instructions, as far as folding must know them (Documentation/bpf/standardization/
//! instruction-set.rst).

use std::collections::{BTreeSet, HashMap};

use super::elf::SIZE;

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u8,
    pub(super) to: u8,
    pub(super) from: u8,
    pub(super) offset: i16,
    pub(super) number: i32,
}

const REGISTERS: usize = 11;
/// The classes, the lowest three bits.
const LD: u8 = 0;
const LDX: u8 = 1;
const ST: u8 = 2;
const STX: u8 = 3;
const ALU: u8 = 4;
const JMP: u8 = 5;
const JMP32: u8 = 6;
const ALU64: u8 = 7;
/// Set where the second operand is a register.
const REGISTER: u8 = 8;
const MOV: u8 = 0xb0;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
/// A load of a whole number, two instructions long.
const WIDE: u8 = 0x18;
const ADD_REGISTER: u8 = 0x0f;
const MOV_REGISTER: u8 = 0xbf;
const LOAD_WORD: u8 = 0x61;

impl Instruction {
    /// A jump, to the next instruction if its offset is 0.
    pub(super) const JUMP: u8 = 0x05;
    const NOTHING: Self = Self { code: Self::JUMP, to: 0, from: 0, offset: 0, number: 0 };

    fn decode(bytes: &[u8]) -> Self {
        let [code, registers, low, high, number @ ..] =
            <[u8; SIZE]>::try_from(bytes).unwrap_or_default();
        Self {
            code,
            to: registers & 15,
            from: registers >> 4,
            offset: i16::from_le_bytes([low, high]),
            number: i32::from_le_bytes(number),
        }
    }

    fn encode(self) -> [u8; SIZE] {
        let ([low, high], [a, b, c, d]) = (self.offset.to_le_bytes(), self.number.to_le_bytes());
        [self.code, self.to | self.from << 4, low, high, a, b, c, d]
    }

    fn class(self) -> u8 {
        self.code & 7
    }

    fn is_alu(self) -> bool {
        matches!(self.class(), ALU | ALU64)
    }

    fn moves(self) -> bool {
        self.is_alu() && self.code & 0xf0 == MOV
    }

    /// Whether it is a conditional or unconditional jump, not a call or the end.
    fn jumps(self) -> bool {
        matches!(self.class(), JMP | JMP32) && self.code != CALL && self.code != EXIT
    }

    fn falls_through(self) -> bool {
        self.code != EXIT && !(self.jumps() && self.code & 0xf0 == 0)
    }

    /// Whether its second operand is a register.
    fn takes_register(self) -> bool {
        self.code & REGISTER != 0 && (self.is_alu() || self.jumps())
    }

    /// The registers that it reads and those that it writes, a bit each.
    fn effect(self) -> (u16, u16) {
        let (to, from) = (1 << self.to, 1 << self.from);
        let second = if self.takes_register() { from } else { 0 };
        match self.class() {
            LD => (0, to),
            LDX => (from, to),
            ST => (to, 0),
            // An atomic one may read r0 besides.
            STX => (to | from | 1, 0),
            _ if self.is_alu() => (second | if self.moves() { 0 } else { to }, to),
            _ if self.code == CALL => (0b11_1110, 0b11_1111),
            _ if self.code == EXIT => (1, 0),
            _ if self.code & 0xf0 == 0 => (0, 0),
            _ => (to | second, 0),
        }
    }
}

/// What is known of a register.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    /// It is the address of a global of this value.
    Address(u32),
    Number(u32),
    /// It is another register, as that was at this instruction, and so much.
    Beyond(u8, usize, i32),
}

/// The instructions of a section.
pub(super) struct Code {
    instructions: Vec<Instruction>,
    globals: HashMap<usize, u32>,
    /// Whether an instruction is reached from elsewhere than the one before.
    entered: Vec<bool>,
    /// Whether it is the second half of one.
    half: Vec<bool>,
}

impl Code {
    pub(super) fn decode(
        bytes: &[u8],
        globals: &HashMap<usize, u32>,
        functions: &BTreeSet<usize>,
    ) -> Self {
        let instructions: Vec<_> = bytes.chunks_exact(SIZE).map(Instruction::decode).collect();
        let mut half = vec![false; instructions.len() + 1];
        for at in 0..instructions.len() {
            half[at + 1] = instructions[at].code == WIDE && !half[at];
        }
        let mut entered = vec![false; instructions.len() + 1];
        for function in functions.iter().filter(|at| **at < instructions.len()) {
            entered[*function] = true;
        }
        let mut code = Self { instructions, globals: globals.clone(), entered, half };
        for at in 0..code.instructions.len() {
            if let Some(target) = code.target(at) {
                code.entered[target] = true;
            }
        }
        code
    }

    pub(super) fn encode(&self, bytes: &mut [u8]) {
        for (place, instruction) in bytes.chunks_exact_mut(SIZE).zip(&self.instructions) {
            place.copy_from_slice(&instruction.encode());
        }
    }

    /// Where an instruction jumps to.
    fn target(&self, at: usize) -> Option<usize> {
        let instruction = self.instructions[at];
        let jumps = instruction.jumps() && !self.half[at];
        let long = instruction.class() == JMP32 && instruction.code & 0xf0 == 0;
        let by = if long { instruction.number as isize } else { instruction.offset.into() };
        jumps.then(|| (at + 1).wrapping_add_signed(by)).filter(|to| *to < self.entered.len())
    }

    /// Has numbers stand where globals are loaded, and where what was loaded is used.
    pub(super) fn fold(&mut self) {
        let mut known = [Known::Nothing; REGISTERS];
        let mut written = [0; REGISTERS];
        for at in 0..self.instructions.len() {
            if self.entered[at] {
                known = [Known::Nothing; REGISTERS];
                written = [at; REGISTERS];
            }
            if self.half[at] {
                continue;
            }
            let (folded, result) = self.rewrite(at, &known, &written);
            self.instructions[at] = folded;
            let (_, writes) = folded.effect();
            for register in (0..REGISTERS).filter(|register| writes >> register & 1 != 0) {
                known[register] = Known::Nothing;
                written[register] = at + 1;
            }
            if let Some(place) = known.get_mut(usize::from(folded.to))
                && result != Known::Nothing
            {
                *place = result;
            }
        }
    }

    /// An instruction with numbers in it, and what is known of the register it writes.
    fn rewrite(
        &self,
        at: usize,
        known: &[Known; REGISTERS],
        written: &[usize; REGISTERS],
    ) -> (Instruction, Known) {
        let old = self.instructions[at];
        let (to, from) = (usize::from(old.to), usize::from(old.from));
        let number = |register: usize| match known[register] {
            Known::Number(value) => i32::try_from(value).ok(),
            Known::Nothing | Known::Address(_) | Known::Beyond(..) => None,
        };
        // A register that is another one and so much, if that is still what it was.
        let beyond = |register: usize| match known[register] {
            Known::Beyond(base, at, by) if written[usize::from(base)] == at => Some((base, by)),
            Known::Nothing | Known::Address(_) | Known::Number(_) | Known::Beyond(..) => None,
        };
        match old.code {
            WIDE => (old, self.globals.get(&at).map_or(Known::Nothing, |v| Known::Address(*v))),
            LOAD_WORD if let (Known::Address(value), 0) = (known[from], old.offset) => {
                let code = ALU | MOV;
                let number = value.cast_signed();
                (Instruction { code, from: 0, offset: 0, number, ..old }, Known::Number(value))
            }
            MOV_REGISTER if old.offset == 0 => {
                let of = known[from];
                if from == to || matches!(of, Known::Address(_) | Known::Number(_)) {
                    return (old, of);
                }
                let (base, by) = beyond(from).unwrap_or((old.from, 0));
                (old, Known::Beyond(base, written[usize::from(base)], by))
            }
            ADD_REGISTER if let Some(add) = number(from) => {
                let folded =
                    Instruction { code: old.code & !REGISTER, from: 0, number: add, ..old };
                let sum = beyond(to).and_then(|(base, by)| Some((base, by.checked_add(add)?)));
                let result = sum.filter(|(base, _)| *base != old.to);
                let result = result.map(|(b, by)| Known::Beyond(b, written[usize::from(b)], by));
                (folded, result.unwrap_or(Known::Nothing))
            }
            _ if old.class() == LDX && old.code & 0xe0 == 0x60 => {
                let at = beyond(from).and_then(|(base, by)| {
                    let offset = i16::try_from(by.checked_add(old.offset.into())?).ok()?;
                    Some(Instruction { from: base, offset, ..old })
                });
                (at.unwrap_or(old), Known::Nothing)
            }
            _ if old.jumps() && old.takes_register() && number(from).is_some() => {
                let number = number(from).unwrap_or_default();
                (Instruction { code: old.code & !REGISTER, from: 0, number, ..old }, Known::Nothing)
            }
            _ => (old, Known::Nothing),
        }
    }

    /// Takes out what computes a register that nobody reads; the instructions that then name
    /// no global any more.
    pub(super) fn clean(&mut self) -> BTreeSet<usize> {
        let mut gone = BTreeSet::new();
        loop {
            let live = self.live();
            let mut changed = false;
            for at in (0..self.instructions.len()).filter(|at| !self.half[*at]).collect::<Vec<_>>()
            {
                let instruction = self.instructions[at];
                let global = self.globals.contains_key(&at) && !gone.contains(&at);
                let pure = instruction.is_alu() || instruction.code == WIDE && global;
                if pure && live[at + 1] >> instruction.to & 1 == 0 {
                    changed = true;
                    self.instructions[at] = Instruction::NOTHING;
                    if instruction.code == WIDE {
                        self.instructions[at + 1] = Instruction::NOTHING;
                        self.half[at + 1] = false;
                        gone.insert(at);
                    }
                }
            }
            if !changed {
                return gone;
            }
        }
    }

    /// The registers that are read before they are written, from just before each
    /// instruction on; behind one that is the second half, from the next on.
    fn live(&self) -> Vec<u16> {
        let count = self.instructions.len();
        let mut live = vec![0_u16; count + 1];
        loop {
            let mut changed = false;
            for at in (0..count).rev() {
                let instruction = self.instructions[at];
                let mut after =
                    if self.half[at] || instruction.falls_through() { live[at + 1] } else { 0 };
                if let Some(target) = self.target(at) {
                    after |= live[target];
                }
                let (reads, writes) = if self.half[at] { (0, 0) } else { instruction.effect() };
                let before = after & !writes | reads;
                changed |= before != live[at];
                live[at] = before;
            }
            if !changed {
                return live;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn i(code: u8, to: u8, from: u8, offset: i16, number: i32) -> Instruction {
        Instruction { code, to, from, offset, number }
    }

    fn folded(instructions: &[Instruction], globals: &[(usize, u32)]) -> (Vec<Instruction>, usize) {
        let bytes: Vec<_> = instructions.iter().flat_map(|i| i.encode()).collect();
        let globals = globals.iter().copied().collect();
        let mut code = Code::decode(&bytes, &globals, &BTreeSet::from([0]));
        code.fold();
        let gone = code.clean();
        (code.instructions, gone.len())
    }

    /// A program that begins with the load of a global, the one at 0.
    fn loading(rest: &[Instruction]) -> Vec<Instruction> {
        let load = [i(WIDE, 3, 0, 0, 0), i(0, 0, 0, 0, 0), i(LOAD_WORD, 3, 3, 0, 0)];
        [&load, rest].concat()
    }

    #[test]
    fn a_field_is_one_load() {
        let program = loading(&[
            i(MOV_REGISTER, 2, 9, 0, 0),
            i(ADD_REGISTER, 2, 3, 0, 0),
            i(0x79, 0, 2, 8, 0),
            i(EXIT, 0, 0, 0, 0),
        ]);
        let (code, gone) = folded(&program, &[(0, 100)]);
        assert_eq!(code[..5], [Instruction::NOTHING; 5]);
        assert_eq!(code[5], i(0x79, 0, 9, 108, 0));
        assert_eq!(gone, 1);
    }

    #[test]
    fn what_may_come_from_elsewhere_stays() {
        // Two ways lead to the load, with another global each.
        let program = [
            i(WIDE, 3, 0, 0, 0),
            i(0, 0, 0, 0, 0),
            i(0x15, 1, 0, 2, 0),
            i(WIDE, 3, 0, 0, 0),
            i(0, 0, 0, 0, 0),
            i(LOAD_WORD, 0, 3, 0, 0),
            i(EXIT, 0, 0, 0, 0),
        ];
        let (code, gone) = folded(&program, &[(0, 100), (3, 200)]);
        assert_eq!((code.as_slice(), gone), (program.as_slice(), 0));
    }

    #[test]
    fn a_base_that_changed_is_not_taken() {
        let program = loading(&[
            i(MOV_REGISTER, 2, 9, 0, 0),
            i(0x07, 9, 0, 0, 1),
            i(ADD_REGISTER, 2, 3, 0, 0),
            i(0x79, 0, 2, 8, 0),
            i(0x0f, 0, 9, 0, 0),
            i(EXIT, 0, 0, 0, 0),
        ]);
        let (code, _) = folded(&program, &[(0, 100)]);
        assert_eq!(code[5], i(0x07, 2, 0, 0, 100));
        assert_eq!(code[6], program[6]);
    }

    #[test]
    fn an_absent_field_is_no_small_number() {
        let program = loading(&[i(MOV_REGISTER, 0, 3, 0, 0), i(EXIT, 0, 0, 0, 0)]);
        let (code, gone) = folded(&program, &[(0, u32::MAX)]);
        assert_eq!((code[2], gone), (i(ALU | MOV, 3, 0, 0, -1), 1));
    }
}
