//! Names that others chose, made harmless to a terminal.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// A name without what moves a cursor, changes a colour, hides or reorders text: each such
/// letter is shown as U+FFFD.
#[must_use]
pub(super) fn inert(name: &str) -> String {
    let harmless = |letter: char| letter.width().is_some_and(|width| width > 0);
    name.chars().map(|c| if harmless(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// The same of a page, whose lines stay.
#[must_use]
pub(super) fn page(text: &str) -> String {
    text.split('\n').map(inert).collect::<Vec<_>>().join("\n")
}

/// Text in so many columns: padded, or cut with an ellipsis; wide letters take two.
#[must_use]
pub(super) fn fitted(text: &str, columns: usize) -> String {
    let width = text.width();
    if width <= columns {
        return text.to_owned() + &" ".repeat(columns - width);
    }
    let mut fitted = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let width = letter.width().unwrap_or(0);
        if used + width + 1 > columns {
            break;
        }
        fitted.push(letter);
        used += width;
    }
    if columns > 0 {
        fitted.push('…');
        used += 1;
    }
    fitted + &" ".repeat(columns - used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_replaced() {
        assert_eq!(inert("nginx: worker"), "nginx: worker");
        assert_eq!(
            inert("\u{1b}[2J\u{9b}31m\r\n\t\u{7}\0"),
            "\u{fffd}[2J\u{fffd}31m\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"
        );
        for hostile in ["\u{202e}", "\u{2066}", "\u{200b}", "\u{feff}", "\u{301}", "\u{e0001}"] {
            assert_eq!(inert(&format!("a{hostile}b")), "a\u{fffd}b", "{hostile:?}");
        }
        assert_eq!(inert("日本"), "日本");
        assert_eq!(page("a\u{1b}[2J\n\nb\n"), "a\u{fffd}[2J\n\nb\n");
    }

    #[test]
    fn columns_are_kept_whatever_letters_take() {
        assert_eq!(fitted("ab", 4), "ab  ");
        assert_eq!(fitted("abcdef", 4), "abc…");
        assert_eq!(fitted("日本語", 4), "日… ");
        assert_eq!(fitted("日本", 4), "日本");
        assert_eq!(fitted("ab", 0), "");
    }
}
