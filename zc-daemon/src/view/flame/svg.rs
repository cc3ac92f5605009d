//! A flame graph as a picture that can be searched and zoomed in a browser.

use std::io;

use inferno::flamegraph::{
    self, Options, Palette,
    color::{BasicPalette, MultiPalette},
};

use super::notes;
use crate::engine::flame::Recording;

/// A recording as a picture.
///
/// # Errors
///
/// If there is nothing to draw.
pub fn svg(recording: &Recording) -> io::Result<Vec<u8>> {
    let said = notes(recording);
    let [what, ledger, sampling] = [0, 1, 2].map(|note| said[note].as_str());
    let mut options = options(recording.weight.name());
    // By what a frame is: the kernel's stand out.
    options.colors = Palette::Multi(MultiPalette::Java);
    options.title = format!("zc flame: {}", what.trim_end_matches('.'));
    options.subtitle = Some(format!("{ledger} {sampling}"));
    let lines: Vec<_> = recording.stacks.iter().map(line).collect();
    draw(&mut options, lines.iter().map(String::as_str))
}

/// How each picture looks.
pub(super) fn options(count_name: &str) -> Options<'static> {
    let mut options = Options::default();
    options.count_name = count_name.to_owned();
    options.colors = Palette::Basic(BasicPalette::Hot);
    // The same picture of the same stacks.
    options.deterministic = true;
    options
}

/// Draws lines of folded stacks.
pub(super) fn draw<'a>(
    options: &mut Options<'_>,
    lines: impl Iterator<Item = &'a str>,
) -> io::Result<Vec<u8>> {
    let mut picture = Vec::new();
    flamegraph::from_lines(options, lines, &mut picture)?;
    Ok(picture)
}

fn line((frames, weight): (&Vec<String>, &u64)) -> String {
    format!("{} {weight}", frames.join(";"))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::recording, *};

    #[test]
    fn hostile_names_are_text() {
        let picture = String::from_utf8(svg(&recording(1 << 20)).unwrap()).unwrap();
        assert!(picture.contains("vfs_read (3,145,728 bytes, 75.00%)"), "{picture}");
        assert!(picture.contains("&lt;i&gt;&amp;"), "{picture}");
        assert!(!picture.contains("<i>") && !picture.contains("--><script>"), "{picture}");
        assert!(picture.contains("By the ledger: 4000000 bytes in 70 copies."), "{picture}");
    }

    #[test]
    fn nothing_cannot_be_drawn() {
        let nothing = Recording { stacks: [].into(), ..recording(1) };
        assert!(svg(&nothing).is_err());
    }
}
