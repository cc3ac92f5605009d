//! The report as text.

use std::fmt::Write as _;

use super::{Finding, Moved, NotAdvised, NotSeen, Report};
use crate::{engine::bytes::Bytes, view::inert};

impl Report {
    /// The report as text; with `all`, what is not advised, too.
    #[must_use]
    pub fn text(&self, all: bool) -> String {
        let mut page = format!(
            "{}, watched for {:.1} s, kernel {}\n\n",
            self.target, self.seconds, self.kernel
        );
        if self.findings.is_empty() {
            page.push_str(
                "nothing is advised: nobody was surely seen to relay bytes unchanged, or to send\n\
                 large ones of its own to another machine\n",
            );
        }
        for finding in &self.findings {
            finding.write(&mut page);
        }
        if all && !self.not_advised.is_empty() {
            page.push_str("\nlooked at and not advised:\n");
            self.not_advised.iter().for_each(|row| row.write(&mut page));
        }
        page.push('\n');
        for NotSeen { calls, what, .. } in &self.not_seen {
            let _ = writeln!(page, "not seen: {calls} calls {what}");
        }
        page.push_str(LEGEND);
        page.push_str(&basis(self.copy_seconds_per_gib));
        inert::page(&page)
    }
}

/// What every page ends with.
const LEGEND: &str = "\
not seen at all: bytes in files that are mapped, and those that two processes share by memory
That bytes went out unchanged does not tell that the program never looked at them: one that
parses, counts or checks them needs them where they are.
";

/// What is said of the share of a core, with the range of a GiB.
fn basis(seconds: Option<[f64; 2]>) -> String {
    match seconds {
        Some([least, most]) => format!(
            "Of a core: copies of a GiB were measured to take {least:.3} to {most:.3} s here, out of \
             caches\nand out of memory. That is of copies alone, without the system calls that are \
             saved or added.\n"
        ),
        None => "What copies take of a core could not be measured.\n".to_owned(),
    }
}

impl Finding {
    fn write(&self, page: &mut String) {
        let Moved { pid, process, from, to, .. } = &self.moved;
        let _ = writeln!(
            page,
            "{:>12}/s  {process} ({pid}): {from} to {to}: use {}, copies of each byte {} -> {}, \
             confidence {}",
            amount(self.bytes_per_second),
            self.call,
            range(self.copies_now),
            range(self.copies_then),
            self.confidence
        );
        let mut line = |text: String| {
            let _ = writeln!(page, "{:16}{text}", "");
        };
        let [least, most] = self.saved_bytes_per_second.map(amount);
        let saved = if least == most { least } else { format!("{least} to {most}") };
        let share = self.saved_cpu_share.map(|share| format!(", {}", of_a_core(share)));
        let share = share.unwrap_or_default();
        line(format!("saves {saved} of copies a second{share}: {}", self.how));
        self.moved.evidence().into_iter().for_each(&mut line);
        if self.small_calls {
            line(
                "its calls put out fewer than 4096 bytes each, on the mean, so they cost more than the copies: \
                 larger ones would gain more"
                    .to_owned(),
            );
        }
        for frame in &self.frames {
            line(format!("at {}", frame.text()));
        }
    }
}

impl NotAdvised {
    fn write(&self, page: &mut String) {
        let Moved { pid, process, from, to, .. } = &self.moved;
        let _ = writeln!(
            page,
            "{:16}{process} ({pid}): {from} to {to}: {} ({})",
            "",
            self.why,
            self.moved.counts()
        );
    }
}

fn amount(bytes: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is shown to a few digits, and is no less than 0"
    )]
    let whole = bytes as u64;
    Bytes(whole).to_string()
}

fn range([least, most]: [u64; 2]) -> String {
    if least == most { least.to_string() } else { format!("{least} to {most}") }
}

pub(super) fn percent(chance: f64) -> String {
    if chance < 0.0001 { "less than 0.01 %".to_owned() } else { format!("{:.2} %", 100.0 * chance) }
}

/// A share of a core, as a range.
pub(in crate::view) fn of_a_core(share: [f64; 2]) -> String {
    let [least, most] = share.map(|share| 100.0 * share);
    if most < 0.1 {
        return "less than 0.1 % of a core".to_owned();
    }
    format!("{least:.1} to {most:.1} % of a core")
}
