//! Inputs: seeds with edits, and some that are made of nothing.

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::{Index, select},
};

/// No input is longer.
const LONGEST: usize = 4096;

/// What parsers are likely to stumble over.
const TOKENS: &[&[u8]] = &[
    b"\0",
    b"\n",
    b"\r",
    b"\t",
    b" ",
    b"  ",
    b"/",
    b"\\",
    b"'",
    b"\"",
    b":",
    b";",
    b",",
    b"=",
    b"-",
    b"%",
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b"<",
    b"&",
    b"*",
    b"!",
    b"#",
    b"|",
    b".",
    b"0",
    b"-1",
    b"1e308",
    b"1e-320",
    b"nan",
    b"inf",
    b"4294967296",
    b"18446744073709551615",
    b"ffffffffffffffff",
    b"\xff",
    b"\xc3",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x00\x00\x00\x80",
    b"\0\0\0\0\0\0\0\0",
    "é\u{202e}\u{2028}\u{feff}".as_bytes(),
];

/// One change of an input.
#[derive(Clone, Debug)]
enum Edit {
    Put(Index, &'static [u8]),
    Set(Index, u8),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    Cut(Index),
}

impl Edit {
    fn of(self, input: &mut Vec<u8>) {
        let part = |at: Index, length: usize, input: &[u8]| {
            let start = at.index(input.len() + 1);
            start..(start + length).min(input.len())
        };
        match self {
            Self::Put(at, token) => {
                let at = at.index(input.len() + 1);
                input.splice(at..at, token.iter().copied());
            }
            Self::Set(at, byte) if !input.is_empty() => {
                let at = at.index(input.len());
                input[at] = byte;
            }
            Self::Set(..) => {}
            Self::Remove(at, length) => drop(input.drain(part(at, length, input))),
            Self::Repeat(at, length, times) => {
                let part = part(at, length, input);
                let copies = input[part.clone()].repeat(times);
                input.splice(part.start..part.start, copies);
            }
            Self::Cut(at) => input.truncate(at.index(input.len() + 1)),
        }
        input.truncate(LONGEST);
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), select(TOKENS)).prop_map(|(at, token)| Edit::Put(at, token)),
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        2 => (at(), 1_usize..16).prop_map(|(at, length)| Edit::Remove(at, length)),
        2 => (at(), 1_usize..64, 1_usize..64).prop_map(|(at, length, n)| Edit::Repeat(at, length, n)),
        1 => at().prop_map(Edit::Cut),
    ]
}

/// Inputs like some seeds, and some that are like none.
pub(super) fn like(seeds: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let edited = (select(seeds), vec(edit(), 0..6)).prop_map(|(seed, edits)| {
        let mut input = seed.to_vec();
        edits.into_iter().for_each(|edit| edit.of(&mut input));
        input
    });
    let tokens = vec(select(TOKENS), 0..24).prop_map(|tokens| tokens.concat());
    prop_oneof![
        10 => edited,
        1 => tokens,
        1 => vec(any::<u8>(), 0..600),
        1 => Just(Vec::new()),
    ]
}
