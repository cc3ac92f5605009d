//! Numbers as narrow columns have them.

/// Bytes, in powers of 1024: `12.3M`.
#[must_use]
pub fn bytes(number: f64) -> String {
    scaled(number, 1024.0, &["", "K", "M", "G", "T", "P"])
}

/// How many, in powers of 1000: `12.3k`.
#[must_use]
pub fn count(number: f64) -> String {
    scaled(number, 1000.0, &["", "k", "M", "G", "T", "P"])
}

fn scaled(number: f64, step: f64, units: &[&str]) -> String {
    let mut number = number;
    let mut units = units.iter().copied();
    let mut unit = units.next().unwrap_or("");
    while number >= step - 0.05 {
        let Some(next) = units.next() else { break };
        (number, unit) = (number / step, next);
    }
    if unit.is_empty() {
        // Less than one a second is not none.
        let small = number > 0.0 && number < 0.95;
        return if small { format!("{:.1}", number.max(0.1)) } else { format!("{number:.0}") };
    }
    format!("{number:.1}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_nothing_is_not_little() {
        for (number, text) in [
            (0.0, "0"),
            (0.01, "0.1"),
            (999.0, "999"),
            (1024.0, "1.0K"),
            (300_007.0, "293.0K"),
            (1e18, "888.2P"),
        ] {
            assert_eq!(bytes(number), text);
        }
        assert_eq!(count(12_345.0), "12.3k");
        assert_eq!(count(999.96), "1.0k");
    }
}
