//! Orders versions as Debian does, so that 6.1.0-56 is newer than 6.1.0-9.

use std::cmp::Ordering;

/// Compares as dpkg does: runs of digits as numbers, `~` before the end,
/// letters before other signs.
pub(super) fn compare(mut a: &str, mut b: &str) -> Ordering {
    let weight = |c: Option<char>| match c {
        Some('~') => -1,
        None => 0,
        Some(c) if c.is_ascii_digit() => 0,
        Some(c) if c.is_ascii_alphabetic() => i64::from(u32::from(c)),
        Some(c) => i64::from(u32::from(c)) + 256,
    };
    while !a.is_empty() || !b.is_empty() {
        let (x, y) = (a.chars().next(), b.chars().next());
        if weight(x) != 0 || weight(y) != 0 {
            if weight(x) != weight(y) {
                return weight(x).cmp(&weight(y));
            }
            (a, b) = (tail(a), tail(b));
        } else {
            let (m, n);
            (m, a) = number(a);
            (n, b) = number(b);
            if m != n {
                return m.cmp(&n);
            }
        }
    }
    Ordering::Equal
}

fn tail(text: &str) -> &str {
    let mut chars = text.chars();
    chars.next();
    chars.as_str()
}

/// The number that `text` begins with (0 if none), and what follows it.
fn number(text: &str) -> (u64, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].parse().unwrap_or(0), &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_by_dpkg() {
        let ordered = ["6.1~rc1", "6.1", "6.1+a", "6.1.0-0.deb11", "6.1.0-9", "6.1.0-56", "6.12"];
        for pair in ordered.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert_eq!(compare("6.01", "6.1"), Ordering::Equal);
    }
}
