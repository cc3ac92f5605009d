//! What `zc paths` prints: each path, what the textbook says of it, and what was measured.

use std::fmt::Write as _;

use serde::Serialize;

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of this format.
    pub version: u32,
    /// The running kernel.
    pub kernel: String,
    /// Bytes that went by each path.
    pub size_bytes: u64,
    /// The folder of the files.
    pub folder: String,
    /// Its file system.
    pub file_system: &'static str,
    /// Whether it is on a disk.
    pub disk: bool,
    /// Where sockets led.
    pub network: String,
    /// Whether a device, or what stands for one, took bytes there.
    pub network_device: bool,
    /// What is otherwise than one may expect.
    pub notes: Vec<String>,
    /// Every path, in the order of the table.
    pub paths: Vec<Row>,
}

/// One path.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub path: &'static str,
    /// What it is.
    pub title: &'static str,
    /// What the textbook says.
    pub textbook: Textbook,
    /// What was counted; none if it could not be run.
    pub counted: Option<Counted>,
    /// `as_textbook`, `differs`, `cannot_tell` or `cannot_run`.
    pub verdict: &'static str,
    /// Whether the CPU copied nothing; none if that is not known.
    pub zero_copy: Option<bool>,
    /// The verdict's reason, if it needs one.
    pub why: Option<String>,
}

/// What the textbook says of each byte, and of each request.
#[derive(Debug, Serialize)]
pub struct Textbook {
    /// Copies by the CPU.
    pub cpu: u64,
    /// Transfers by the disk.
    pub disk: u64,
    /// Transfers by the network card.
    pub net: u64,
    /// All of these: what textbooks call copies.
    pub copies: u64,
    /// Mode switches of a request, if they are fixed.
    pub mode_switches: Option<u64>,
    /// Page faults of a request, if they are fixed.
    pub page_faults: Option<u64>,
}

/// What was counted; what is not known, or of nothing, is none.
#[derive(Debug, Serialize)]
pub struct Counted {
    /// Requests made.
    pub requests: u64,
    /// Bytes of one.
    pub request_bytes: u64,
    /// Bytes that went by the path.
    pub bytes: u64,
    /// CPU copies of each byte from or to user memory.
    pub cpu_user: Option<f64>,
    /// Those within the kernel.
    pub cpu_in_kernel: Option<f64>,
    /// Transfers of each byte by the disk.
    pub disk: Option<f64>,
    /// By the network card.
    pub net: Option<f64>,
    /// All of these.
    pub copies: Option<f64>,
    /// Mode switches of a request.
    pub mode_switches: Option<f64>,
    /// The same of a million bytes.
    pub mode_switches_per_mb: Option<f64>,
    /// Voluntary and involuntary, of all requests.
    pub context_switches: Option<[u64; 2]>,
    /// Minor and major, of all requests.
    pub page_faults: Option<[u64; 2]>,
    /// `measured` or `inferred`: how copies are known.
    pub quality: Option<&'static str>,
    /// The worst coverage of the routes by which bytes went (`zc doctor`).
    pub coverage: Option<&'static str>,
}

/// Columns of a table.
const COLUMNS: usize = 13;

/// What stands above them.
const HEADER: [&str; COLUMNS] = [
    "path",
    "textbook",
    "switches",
    "counted",
    "CPU user",
    "CPU kernel",
    "DMA disk",
    "DMA net",
    "switches",
    "per MB",
    "context sw.",
    "faults",
    "quality",
];

impl Report {
    /// The report as text.
    #[must_use]
    pub fn text(&self) -> String {
        let rows: Vec<_> = self.paths.iter().map(Row::cells).collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].len());
            cells.chain([HEADER[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..COLUMNS).map(width).collect();
        let line = |cells: &[String]| {
            let mut line = format!("{:<1$}", cells[0], widths[0]);
            for (cell, width) in cells.iter().zip(&widths).skip(1) {
                let _ = write!(line, "  {cell:>width$}");
            }
            line
        };
        let mut page = self.heading();
        let _ = writeln!(page, "{}  verdict", line(&HEADER.map(str::to_owned)));
        for (row, cells) in self.paths.iter().zip(&rows) {
            let _ = writeln!(page, "{}  {}", line(cells), row.says());
        }
        page.push('\n');
        page.push_str(LEGEND);
        page
    }

    /// The report in Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut page = self.heading();
        let _ = writeln!(page, "| {} | verdict |", HEADER.join(" | "));
        let _ = writeln!(page, "|---|{}---|", "---:|".repeat(COLUMNS - 1));
        for row in &self.paths {
            let _ = writeln!(page, "| {} | {} |", row.cells().join(" | "), row.says());
        }
        page.push('\n');
        page.push_str(LEGEND);
        page
    }

    fn heading(&self) -> String {
        let mut page = format!(
            "kernel {}, {} bytes by each path\nfiles in {} ({}{})\nsockets by {}\n",
            self.kernel,
            self.size_bytes,
            self.folder,
            self.file_system,
            if self.disk { "" } else { ", in memory: no disk, so nothing is transferred by DMA" },
            self.network
        );
        for note in &self.notes {
            let _ = writeln!(page, "note: {note}");
        }
        page.push('\n');
        page
    }
}

/// What the columns are.
const LEGEND: &str = "textbook, counted: copies of each byte, by the CPU and by DMA. switches: \
                      mode switches of a request, and of a million bytes. context sw.: voluntary + \
                      involuntary, faults: minor + major, of all requests. ?: not known. -: none \
                      to be had.\n";

impl Row {
    fn cells(&self) -> [String; COLUMNS] {
        let fixed = |number: Option<u64>| number.map_or_else(|| "-".into(), |n| n.to_string());
        let moves = self.counted.as_ref().is_none_or(|counted| counted.bytes > 0);
        let of_bytes = |number: fn(&Counted) -> Option<f64>| match &self.counted {
            Some(_) if !moves => "-".to_owned(),
            counted => counted
                .as_ref()
                .map_or_else(|| "-".into(), |counted| or_unknown(number(counted).map(short))),
        };
        let any = |text: fn(&Counted) -> Option<String>| match &self.counted {
            Some(counted) => or_unknown(text(counted)),
            None => "-".to_owned(),
        };
        [
            self.title.to_owned(),
            if moves { self.textbook.copies.to_string() } else { "-".to_owned() },
            fixed(self.textbook.mode_switches),
            of_bytes(|counted| counted.copies),
            of_bytes(|counted| counted.cpu_user),
            of_bytes(|counted| counted.cpu_in_kernel),
            of_bytes(|counted| counted.disk),
            of_bytes(|counted| counted.net),
            any(|counted| counted.mode_switches.map(short)),
            of_bytes(|counted| counted.mode_switches_per_mb),
            any(|counted| counted.context_switches.map(sum)),
            any(|counted| counted.page_faults.map(sum)),
            match &self.counted {
                Some(counted) if moves => counted.quality.unwrap_or("?").to_owned(),
                _ => "-".to_owned(),
            },
        ]
    }

    fn says(&self) -> String {
        let copies = if self.zero_copy == Some(true) { "zero-copy, " } else { "" };
        let why = self.why.as_deref().unwrap_or_default();
        match self.verdict {
            "as_textbook" if self.why.is_some() => {
                format!("{copies}as the textbook says, but for DMA: {why}")
            }
            "as_textbook" => format!("{copies}as the textbook says"),
            "differs" => format!("{copies}differs: {why}"),
            "cannot_run" => format!("cannot run here: {why}"),
            _ => format!("cannot tell: {why}"),
        }
    }
}

fn or_unknown(text: Option<String>) -> String {
    text.unwrap_or_else(|| "?".to_owned())
}

fn short(number: f64) -> String {
    format!("{number:.2}")
}

fn sum([first, second]: [u64; 2]) -> String {
    format!("{first} + {second}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted() -> Counted {
        Counted {
            requests: 256,
            request_bytes: 64 << 10,
            bytes: 16 << 20,
            cpu_user: Some(2.0),
            cpu_in_kernel: Some(0.0),
            disk: Some(1.0),
            net: Some(1.004),
            copies: Some(4.004),
            mode_switches: Some(4.0),
            mode_switches_per_mb: Some(61.035),
            context_switches: Some([12, 3]),
            page_faults: Some([0, 1]),
            quality: Some("measured"),
            coverage: Some("unverified"),
        }
    }

    fn row(counted: Option<Counted>, verdict: &'static str, why: Option<&str>) -> Row {
        Row {
            path: "read+write",
            title: "read + write",
            textbook: Textbook {
                cpu: 2,
                disk: 1,
                net: 1,
                copies: 4,
                mode_switches: Some(4),
                page_faults: None,
            },
            counted,
            verdict,
            zero_copy: Some(false),
            why: why.map(str::to_owned),
        }
    }

    fn report(row: Row) -> Report {
        Report {
            version: 1,
            kernel: "6.12".to_owned(),
            size_bytes: 16 << 20,
            folder: "/mnt".to_owned(),
            file_system: "ext4",
            disk: true,
            network: "veth".to_owned(),
            network_device: true,
            notes: Vec::new(),
            paths: vec![row],
        }
    }

    #[test]
    fn a_row_has_the_textbook_beside_what_was_counted() {
        let text = report(row(Some(counted()), "as_textbook", None)).text();
        let line = text.lines().find(|line| line.starts_with("read + write")).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words[3..11], ["4", "4", "4.00", "2.00", "0.00", "1.00", "1.00", "4.00"]);
        assert_eq!(words[11..19], ["61.03", "12", "+", "3", "0", "+", "1", "measured"]);
        assert!(line.ends_with("measured  as the textbook says"), "{line}");
    }

    #[test]
    fn unknown_is_no_number() {
        let counted = Counted { cpu_user: None, copies: None, quality: None, ..counted() };
        let row = Row { zero_copy: None, ..row(Some(counted), "cannot_tell", Some("2 events")) };
        let markdown = report(row).markdown();
        assert!(markdown.contains("| read + write | 4 | 4 | ? | ? | 0.00 | 1.00 |"), "{markdown}");
        assert!(markdown.contains("| ? | cannot tell: 2 events |"), "{markdown}");
    }

    #[test]
    fn what_could_not_run_says_why() {
        let text = report(row(None, "cannot_run", Some("no TLS"))).text();
        let line = text.lines().find(|line| line.starts_with("read + write")).unwrap();
        assert!(line.ends_with("-  cannot run here: no TLS") && !line.contains('?'), "{line}");
    }

    #[test]
    fn the_columns_of_markdown_are_as_many_as_their_header() {
        let markdown = report(row(Some(counted()), "as_textbook", None)).markdown();
        let rows: Vec<_> = markdown.lines().filter(|line| line.starts_with('|')).collect();
        let bars = |line: &str| line.matches('|').count();
        assert!(rows.iter().all(|row| bars(row) == COLUMNS + 2), "{markdown}");
    }
}
