//! Times, as people write them.

use std::time::Duration;

/// A time: `10s`, `500ms`, `2m`, `24h`; a number alone is seconds.
///
/// # Errors
///
/// If it is none, or nothing.
pub fn parse(text: &str) -> Result<Duration, String> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)];
    let number = units.iter().find_map(|(unit, factor)| {
        text.strip_suffix(unit)?.parse::<f64>().ok().map(|number| number * factor)
    });
    let wrong = || format!("{text:?} is no time; write 10s, 500ms or 2m");
    let time = Duration::try_from_secs_f64(number.ok_or_else(wrong)?).map_err(|_| wrong())?;
    if time.is_zero() { Err(wrong()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let millis = |text| parse(text).map(|time| time.as_millis());
        assert_eq!(millis("10s"), Ok(10_000));
        assert_eq!(millis("500ms"), Ok(500));
        assert_eq!(millis("2m"), Ok(120_000));
        assert_eq!(millis("24h"), Ok(86_400_000));
        assert_eq!(millis("1.5"), Ok(1500));
        for wrong in ["", "s", "-1s", "0s", "ten", "nan"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
