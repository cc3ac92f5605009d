//! Folded stacks: a line each, frames separated by semicolons, then the weight.

use std::fmt::Write as _;

use super::notes;
use crate::engine::flame::Recording;

/// What begins a line that is no stack.
pub(super) const COMMENT: &str = "# ";

/// A recording as folded stacks, after what is to be said of it.
#[must_use]
pub fn folded(recording: &Recording) -> String {
    let mut page = String::new();
    for note in notes(recording) {
        let _ = writeln!(page, "{COMMENT}{note}");
    }
    for (frames, weight) in &recording.stacks {
        let _ = writeln!(page, "{} {weight}", frames.join(";"));
    }
    page
}

/// The stacks of such a text.
///
/// # Errors
///
/// The first line that is none.
pub(super) fn stacks(text: &str) -> Result<String, String> {
    let mut page = String::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with(COMMENT)) {
        let weight = line.rsplit_once(' ').map(|(frames, weight)| (frames, weight.parse::<u64>()));
        match weight {
            Some((frames, Ok(_))) if !frames.trim().is_empty() => {
                let _ = writeln!(page, "{line}");
            }
            _ => return Err(line.to_owned()),
        }
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::recording, *};

    #[test]
    fn what_is_written_can_be_read() {
        let page = folded(&recording(1));
        assert!(page.starts_with("# bytes copied by command x --><script>_9, in 1.5 s.\n"));
        let expected = "<i>&\"'_:x;main 1048576\ncat;main;vfs_read_[k] 3145728\n";
        assert_eq!(stacks(&page).as_deref(), Ok(expected));
    }

    #[test]
    fn what_is_no_stack_is_told() {
        for wrong in ["main", "main x", " 4", "a;b -1"] {
            assert_eq!(stacks(&format!("a;b 1\n{wrong}\n")), Err(wrong.to_owned()));
        }
    }
}
