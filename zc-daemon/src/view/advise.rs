//! What `zc advise` prints: who could copy less, by what, and how that is known.

use std::fmt::Write as _;

use serde::Serialize;
use zc_common::{file::Kind, relay::Unseen};

use super::{inert, site::Frame};
use crate::engine::{
    advice::{Confidence, Remedy, Way},
    bytes::Bytes,
};

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of this format.
    pub version: u32,
    /// The running kernel.
    pub kernel: String,
    /// Who was looked at.
    pub target: String,
    /// For how long.
    pub seconds: f64,
    /// Who could copy less, the most bytes first.
    pub findings: Vec<Finding>,
    /// What was looked at and is not advised.
    pub not_advised: Vec<NotAdvised>,
    /// Calls that were not looked at, or not in whole.
    pub not_seen: Vec<NotSeen>,
}

/// One way of one process.
#[derive(Debug, Serialize)]
pub struct Moved {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub process: String,
    /// From where.
    pub from: &'static str,
    /// To where.
    pub to: &'static str,
    /// Bytes that went out unchanged, as far as was looked.
    pub bytes: u64,
    /// Calls that put them out.
    pub calls: u64,
    /// Those of them that put out at once all that a call had taken in.
    pub whole_calls: u64,
    /// Calls that put out what had been changed, and their bytes.
    pub changed_calls: u64,
    /// See there.
    pub changed_bytes: u64,
    /// Calls so short, or so late a part of what was taken in, that none of it was looked at.
    pub unsampled_calls: u64,
    /// All bytes that the process took in from there.
    pub bytes_in: u64,
    /// All that it put out to there.
    pub bytes_out: u64,
    /// Had one byte been changed in each call, the chance that none of them was seen: 0 to 1.
    pub chance_missed: f64,
}

/// One advice.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What it is of.
    #[serde(flatten)]
    pub moved: Moved,
    /// `high` or `medium`.
    pub confidence: &'static str,
    /// The system call to use.
    #[serde(rename = "use")]
    pub call: &'static str,
    /// How.
    pub how: &'static str,
    /// Bytes a second.
    pub bytes_per_second: f64,
    /// Copies of each byte now, at least and at most.
    pub copies_now: [u64; 2],
    /// The same with that call.
    pub copies_then: [u64; 2],
    /// Bytes a second that would not be copied any more, at least and at most.
    pub saved_bytes_per_second: [f64; 2],
    /// Whether calls are so small that they cost more than what they copy.
    pub small_calls: bool,
    /// Where the process puts most of it out, the innermost frame first.
    pub frames: Vec<Frame>,
}

/// What is not advised.
#[derive(Debug, Serialize)]
pub struct NotAdvised {
    /// What it is of.
    #[serde(flatten)]
    pub moved: Moved,
    /// Why.
    pub why: &'static str,
}

/// Calls that were not looked at.
#[derive(Debug, Serialize)]
pub struct NotSeen {
    /// Why, as a word.
    pub reason: &'static str,
    /// How many.
    pub calls: u64,
    /// Why.
    pub what: &'static str,
}

/// What is said of calls that are not seen.
#[must_use]
pub const fn unseen(why: Unseen) -> &'static str {
    match why {
        Unseen::Short => "of pieces of fewer than 128 bytes",
        Unseen::Pieces => "of more than eight pieces of memory: what is beyond",
        Unseen::Memory => "with memory that could not be looked at",
        Unseen::Late => "that put out what was taken in more than a second before",
        Unseen::Messages => {
            "of several messages, or with flags (MSG_PEEK, MSG_TRUNC, MSG_ERRQUEUE, MSG_ZEROCOPY)"
        }
        Unseen::IoUring => "that handed requests to an io_uring: what those move",
        Unseen::Descriptor => "on descriptors that could not be resolved",
        Unseen::Compat => "by 32-bit programs",
    }
}

impl Moved {
    /// Of this process.
    #[must_use]
    pub fn new(way: &Way, process: String) -> Self {
        let Way { process: (pid, _), from, to, sums, bytes_in, bytes_out, .. } = *way;
        Self {
            pid,
            process,
            from: name(from),
            to: name(to),
            bytes: sums.bytes,
            calls: sums.calls,
            whole_calls: sums.whole,
            changed_calls: sums.changed,
            changed_bytes: sums.changed_bytes,
            unsampled_calls: sums.unsampled,
            bytes_in,
            bytes_out,
            chance_missed: way.chance_missed(),
        }
    }
}

impl Finding {
    /// An advice, with what it stands on.
    #[must_use]
    pub fn new(
        way: &Way,
        process: String,
        (remedy, confidence): (Remedy, Confidence),
        seconds: f64,
        frames: Vec<Frame>,
    ) -> Self {
        let rate = way.rate(seconds);
        let Remedy { call, how, now, then } = remedy;
        let saved = |more: u64, less: u64| {
            #[expect(clippy::cast_precision_loss, reason = "a copy or two")]
            let copies = more.saturating_sub(less) as f64;
            copies * rate
        };
        Self {
            moved: Moved::new(way, process),
            confidence: match confidence {
                Confidence::High => "high",
                Confidence::Medium => "medium",
            },
            call,
            how,
            bytes_per_second: rate,
            copies_now: now.into(),
            copies_then: then.into(),
            saved_bytes_per_second: [saved(now.0, then.1), saved(now.1, then.0)],
            small_calls: way.is_small(),
            frames,
        }
    }

    fn write(&self, page: &mut String) {
        let Moved { pid, process, from, to, calls, whole_calls, .. } = &self.moved;
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
        line(format!("saves {saved} of copies a second: {}", self.how));
        line(format!(
            "{} bytes went out by {calls} calls as they had come in, by {whole_calls} of them all \
             that was taken in at once",
            self.moved.bytes
        ));
        line(format!(
            "{} bytes were taken in from there ({from}) in all, {} put out to there ({to})",
            self.moved.bytes_in, self.moved.bytes_out
        ));
        line(self.moved.unchanged());
        if self.small_calls {
            line(
                "its calls move fewer than 4096 bytes each, so they cost more than the copies: \
                 larger ones would gain more"
                    .to_owned(),
            );
        }
        for frame in &self.frames {
            line(format!("at {}", frame.text()));
        }
    }
}

impl Moved {
    /// What speaks for nothing being changed.
    fn unchanged(&self) -> String {
        let mut text = match self.changed_calls {
            0 => "none was seen changed".to_owned(),
            calls => format!("{calls} calls put out {} changed bytes", self.changed_bytes),
        };
        let _ = write!(
            text,
            "; were one byte of each call changed, the chance to have seen none is {}",
            percent(self.chance_missed)
        );
        if self.unsampled_calls > 0 {
            let _ = write!(text, "; of {} calls nothing was looked at", self.unsampled_calls);
        }
        text
    }
}

impl NotAdvised {
    fn write(&self, page: &mut String) {
        let Moved { pid, process, from, to, bytes, calls, changed_calls, .. } = &self.moved;
        let _ = writeln!(
            page,
            "{:16}{process} ({pid}): {from} to {to}: {} ({bytes} bytes by {calls} calls \
             unchanged, {changed_calls} calls changed)",
            "", self.why
        );
    }
}

impl Report {
    /// The report as text; with `all`, what is not advised, too.
    #[must_use]
    pub fn text(&self, all: bool) -> String {
        let mut page = format!(
            "{}, watched for {:.1} s, kernel {}\n\n",
            self.target, self.seconds, self.kernel
        );
        if self.findings.is_empty() {
            page.push_str("nothing is advised: nobody was surely seen to relay bytes unchanged\n");
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
        inert::page(&page)
    }
}

/// What every page ends with.
const LEGEND: &str = "\
not seen at all: bytes in files that are mapped, and those that two processes share by memory
That bytes went out unchanged does not tell that the program never looked at them: one that
parses, counts or checks them needs them where they are. CPU time is not estimated: what a copy
costs depends on caches, and what else a call does is not known here.
";

/// What an end is called.
const fn name(end: Kind) -> &'static str {
    match end {
        Kind::File | Kind::PlainFile => "file",
        Kind::DirectFile | Kind::DirectOpaque => "direct file",
        Kind::Opaque => "other file",
        Kind::Socket => "other socket",
        Kind::TcpSocket => "TCP socket",
        Kind::UnixStream => "unix stream",
        Kind::Pipe => "pipe",
        Kind::Null | Kind::Other => "device",
        Kind::Unknown => "unknown",
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

fn percent(chance: f64) -> String {
    if chance < 0.0001 { "less than 0.01 %".to_owned() } else { format!("{:.2} %", 100.0 * chance) }
}

#[cfg(test)]
mod tests {
    use zc_common::relay::{CERTAIN, Sums};

    use super::*;
    use crate::engine::advice::remedy;

    fn way(from: Kind, to: Kind) -> Way {
        let sums = Sums {
            bytes: 64 << 20,
            calls: 1024,
            whole: 1000,
            certainty: 4 * CERTAIN,
            ..Sums::default()
        };
        let bytes = 64 << 20;
        Way { process: (7, 1), from, to, sums, most_at: 0, bytes_in: bytes, bytes_out: bytes + 9 }
    }

    fn report() -> Report {
        let file = way(Kind::File, Kind::File);
        let advice = (remedy(Kind::File, Kind::File).unwrap(), Confidence::Medium);
        let frame = Frame {
            kernel: false,
            function: Some("copy".to_owned()),
            module: Some("/bin/cp".to_owned()),
            offset: None,
        };
        let proxy = way(Kind::TcpSocket, Kind::TcpSocket);
        Report {
            version: 1,
            kernel: "6.18".to_owned(),
            target: "this machine".to_owned(),
            seconds: 2.0,
            findings: vec![Finding::new(&file, "cp".to_owned(), advice, 2.0, vec![frame])],
            not_advised: vec![NotAdvised {
                moved: Moved::new(&proxy, "proxy".to_owned()),
                why: "it changes",
            }],
            not_seen: vec![NotSeen { reason: "short", calls: 3, what: unseen(Unseen::Short) }],
        }
    }

    #[test]
    fn an_advice_comes_with_its_evidence() {
        let text = report().text(false);
        let start = "this machine, watched for 2.0 s, kernel 6.18

    32.0 MiB/s  cp (7): file to file: use copy_file_range, copies of each byte 2 -> 0 to 1, \
                     confidence medium
                saves 32.0 MiB to 64.0 MiB of copies a second: copy_file_range(in, ";
        assert!(text.starts_with(start), "{text}");
        for said in [
            "67108864 bytes went out by 1024 calls as they had come in, by 1000 of them all",
            "none was seen changed; were one byte of each call changed, the chance to have seen \
             none is 1.83 %",
            "67108864 bytes were taken in from there (file) in all, 67108873 put out",
            "                at copy (cp)\n",
            "not seen: 3 calls of pieces of fewer than 128 bytes\n",
            "CPU time is not estimated",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(!text.contains("proxy"));
    }

    #[test]
    fn the_rest_is_shown_if_asked_for() {
        let text = report().text(true);
        assert!(text.contains("proxy (7): TCP socket to TCP socket: it changes ("), "{text}");
        let none = Report { findings: vec![], ..report() };
        assert!(none.text(false).contains("nothing is advised"));
    }

    #[test]
    fn json_has_what_the_text_says() {
        let json = serde_json::to_value(report()).unwrap();
        let finding = &json["findings"][0];
        assert_eq!((&finding["pid"], &finding["use"]), (&7.into(), &"copy_file_range".into()));
        assert_eq!(finding["copies_then"], serde_json::json!([0, 1]));
        assert_eq!(json["not_advised"][0]["why"], "it changes");
    }
}
