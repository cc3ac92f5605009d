//! What changed from one recording to another: a picture of the second, whose frames are red
//! where they weigh more, and blue where less.

use std::io;

use anyhow::{Context as _, Result, anyhow};
use inferno::differential;

use super::{folded::stacks, svg};

/// Two texts of folded stacks as a picture; both may come from any tool that folds stacks.
///
/// # Errors
///
/// If one is no such text, or there is nothing to draw.
pub fn diff(before: &str, after: &str) -> Result<Vec<u8>> {
    let both = merged(before, after)?;
    // The name is the command's that made the text, which may be another weight.
    let mut options = svg::options("units");
    options.title = "zc flame: what changed".to_owned();
    options.subtitle = Some("red: more than before; blue: less".to_owned());
    svg::draw(&mut options, both.lines()).context("there is no stack in the second recording")
}

/// A line for each stack, with its weight before and after.
fn merged(before: &str, after: &str) -> Result<String> {
    let stacks = |text, which| {
        stacks(text).map_err(|line| anyhow!("the {which} recording has no folded stack: {line:?}"))
    };
    let (before, after) = (stacks(before, "first")?, stacks(after, "second")?);
    let mut both = Vec::new();
    let options = differential::Options::default();
    differential::from_readers(options, before.as_bytes(), after.as_bytes(), &mut both)?;
    String::from_utf8(both).map_err(|error| io::Error::other(error).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stack_has_its_weight_in_both() {
        let both = merged("# said.\nmain;read 10\nmain;gone 4\n", "main;read 30\n").unwrap();
        let mut lines: Vec<_> = both.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["main;gone 4 0", "main;read 10 30"]);
        let picture = diff("main;read 10\n", "main;read 30\n").unwrap();
        assert!(String::from_utf8(picture).unwrap().contains("read (30 units"), "no read");
    }

    #[test]
    fn what_is_no_recording_is_told() {
        let error = diff("main 1\n", "<svg>\n").unwrap_err().to_string();
        assert!(error.contains("second recording") && error.contains("<svg>"), "{error}");
    }
}
