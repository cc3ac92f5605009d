//! A profile, read by its wire format alone: the encoder under test has no part in it.

/// The fields of a message of protocol buffers, by their wire format alone: number, and value or
/// bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = varint(&mut bytes);
        let held = match tag & 7 {
            0 => &[],
            2 => bytes.split_off(..usize::try_from(value).unwrap()).unwrap(),
            wire => panic!("profile.proto has no field of type {wire}"),
        };
        fields.push((tag >> 3, value, held));
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first().unwrap();
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

/// All bytes of a field, one after the other.
fn all<'a>(message: &'a [u8], number: u64) -> Vec<&'a [u8]> {
    let of = |(field, _, held): (u64, u64, &'a [u8])| (field == number).then_some(held);
    fields(message).into_iter().filter_map(of).collect()
}

/// The value of a field that is there once.
fn one(message: &[u8], number: u64) -> u64 {
    fields(message).into_iter().find(|(field, ..)| *field == number).unwrap().1
}

/// Numbers of a field that are packed.
fn packed(message: &[u8], number: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    for mut held in all(message, number) {
        while !held.is_empty() {
            numbers.push(varint(&mut held));
        }
    }
    numbers
}

/// The stacks of a profile, the outermost frame first, by the numbers of `profile.proto`
/// (github.com/google/pprof).
pub(crate) fn stacks(profile: &[u8]) -> Vec<(Vec<String>, u64)> {
    let strings = all(profile, 6);
    let text = |position: u64| {
        String::from_utf8(strings[usize::try_from(position).unwrap()].to_vec()).unwrap()
    };
    let find = |number, id| all(profile, number).into_iter().find(|held| one(held, 1) == id);
    let name = |id: &u64| {
        let location = find(4, *id).unwrap();
        assert!(find(3, one(location, 2)).is_some());
        let function = find(5, one(all(location, 4)[0], 1)).unwrap();
        text(one(function, 2))
    };
    let kind = all(profile, 1)[0];
    assert_eq!([text(0), text(one(kind, 1)), text(one(kind, 2))], ["", "bytes", "bytes"]);
    let stack =
        |sample: &&[u8]| (packed(sample, 1).iter().rev().map(name).collect(), packed(sample, 2)[0]);
    all(profile, 2).iter().map(stack).collect()
}
