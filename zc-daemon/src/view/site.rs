//! Call sites as text and as JSON: bytes, and the stack they were copied on.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::inert;
use crate::engine::site;

/// The sites that copied most.
#[derive(Debug, Serialize)]
pub struct Sites {
    /// Bytes at all sites of the processes asked for.
    pub bytes: u64,
    /// The most first.
    pub sites: Vec<Site>,
    /// Bytes at sites that are left out, as they copied less.
    pub rest_bytes: u64,
    /// Bytes at sites of whose stack a part could not be taken.
    pub partly_bytes: u64,
    /// Bytes of whatever process, for whose site there was no room: they are in none.
    pub unplaced_bytes: u64,
}

/// One site.
#[derive(Debug, Serialize)]
pub struct Site {
    /// Bytes.
    pub bytes: u64,
    /// Copies.
    pub copies: u64,
    /// Its part of the bytes at all sites: 0 to 1.
    pub share: f64,
    /// The interface.
    pub route: &'static str,
    /// Across which boundary.
    pub direction: &'static str,
    /// `measured` or `inferred`; then the kernel's part of the stack is not known.
    pub quality: &'static str,
    /// Whether no part of the stack is missing.
    pub whole: bool,
    /// The stack, the innermost frame first.
    pub frames: Vec<Frame>,
}

/// One step of a stack.
#[derive(Debug, Serialize, Deserialize)]
pub struct Frame {
    /// Whether it is the kernel's.
    pub kernel: bool,
    /// The function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The file it is mapped from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Without a function: the place in the file, or without one the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

impl Sites {
    /// The sites as they are shown.
    #[must_use]
    pub fn new(top: site::Top, unplaced: u64) -> Self {
        let all = top.bytes;
        Self {
            bytes: all,
            sites: top.sites.into_iter().map(|site| Site::new(site, all)).collect(),
            rest_bytes: top.rest,
            partly_bytes: top.partly,
            unplaced_bytes: unplaced,
        }
    }

    /// The sites as text: a line each, and one for each frame.
    #[must_use]
    pub fn text(&self) -> String {
        let mut page = String::new();
        if self.bytes == 0 {
            page.push_str("no copies were charged\n");
        }
        for site in &self.sites {
            site.write(&mut page);
        }
        let notes = [
            (self.rest_bytes, "bytes at other sites"),
            (self.partly_bytes, "bytes at sites of whose stack a part could not be taken"),
            (self.unplaced_bytes, "bytes, of whatever process, for whose site there was no room"),
        ];
        for (bytes, what) in notes.into_iter().filter(|(bytes, _)| *bytes > 0) {
            let _ = writeln!(page, "{bytes:>16} {what}");
        }
        inert::page(&page)
    }
}

impl Site {
    fn new(site: site::Site, all: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a share is shown to a few digits")]
        let share = site.amount.bytes as f64 / all.max(1) as f64;
        Self {
            bytes: site.amount.bytes,
            copies: site.amount.calls,
            share,
            route: site.route.name(),
            direction: site.direction.name(),
            quality: site.quality.name(),
            whole: site.whole == site::Whole::Yes,
            frames: site.frames.into_iter().map(Frame::new).collect(),
        }
    }

    fn write(&self, page: &mut String) {
        let _ = writeln!(
            page,
            "{:>16} bytes {:>5.1} %  {} {} ({})",
            self.bytes,
            100.0 * self.share,
            self.route,
            self.direction,
            self.quality
        );
        for frame in &self.frames {
            let _ = writeln!(page, "{:17}{}", "", frame.text());
        }
        if self.frames.is_empty() {
            let _ = writeln!(page, "{:17}(no stack)", "");
        }
    }
}

impl Frame {
    /// A step as it is shown.
    #[must_use]
    pub fn new(frame: site::Frame) -> Self {
        let site::Frame { kernel, function, module, offset } = frame;
        let offset = function.is_none().then_some(offset);
        Self { kernel, function, module, offset }
    }

    /// Function and file, or what else is known.
    #[must_use]
    pub fn text(&self) -> String {
        let file = self.module.as_deref().map(|path| path.rsplit('/').next().unwrap_or(path));
        let mark = if self.kernel { " [k]" } else { "" };
        let offset = self.offset.unwrap_or_default();
        match (&self.function, file) {
            (Some(function), Some(file)) => format!("{function} ({file}){mark}"),
            (Some(function), None) => format!("{function}{mark}"),
            (None, Some(file)) => format!("{file}+{offset:#x}{mark}"),
            (None, None) => format!("{offset:#x}{mark}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use zc_common::flow::{Direction, Route};

    use super::*;
    use crate::engine::summary::{Amount, Quality};

    fn sites() -> Sites {
        let frame = |kernel, function: Option<&str>, module: Option<&str>| site::Frame {
            kernel,
            function: function.map(str::to_owned),
            module: module.map(str::to_owned),
            offset: 0x1f,
        };
        let frames = vec![
            frame(true, Some("filemap_read"), None),
            frame(false, Some("read"), Some("/usr/lib/libc.so.6")),
            frame(false, None, Some("/bin/cat")),
            frame(false, None, None),
        ];
        let site = site::Site {
            tgid: 7,
            route: Route::Read,
            direction: Direction::ToUser,
            quality: Quality::Measured,
            amount: Amount { bytes: 75, calls: 3 },
            frames,
            whole: site::Whole::Yes,
        };
        Sites::new(site::Top { sites: vec![site], bytes: 100, rest: 25, partly: 0 }, 0)
    }

    #[test]
    fn a_site_takes_a_few_lines() {
        let expected = "              75 bytes  75.0 %  read to_user (measured)
                 filemap_read [k]
                 read (libc.so.6)
                 cat+0x1f
                 0x1f
              25 bytes at other sites
";
        assert_eq!(sites().text(), expected);
    }

    #[test]
    fn nothing_is_said_in_words() {
        let none = Sites::new(site::Top::default(), 0);
        assert_eq!(none.text(), "no copies were charged\n");
    }

    #[test]
    fn json_has_an_offset_where_there_is_no_function() {
        let json = serde_json::to_value(sites()).unwrap();
        let frames = &json["sites"][0]["frames"];
        assert_eq!(frames[0], serde_json::json!({ "kernel": true, "function": "filemap_read" }));
        assert_eq!(frames[3], serde_json::json!({ "kernel": false, "offset": 0x1f }));
    }
}
