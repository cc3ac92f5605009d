//! The rows a run must leave, and how cases write them down.

use super::Params;
use super::sys::mem;

/// The most pages that parent and child of a fork write beside those of a case: their
/// stacks, and the data of the program and its libraries. Seven at most were seen
/// (5.10, 6.1, 6.12, 7.3); other programs may be laid out otherwise.
const STRAY: u64 = 16;

/// Bytes moved by one route to or from one kind of endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The route, such as `read` or `io_uring`.
    pub route: &'static str,
    /// `file`, `socket`, `pipe` or `other`.
    pub endpoint: &'static str,
    /// The sum of what the calls returned.
    pub bytes: u64,
    /// The calls that moved at least one byte.
    pub calls: u64,
}

/// Bytes the processor copied for one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The route, such as `read` or `io_uring`.
    pub route: &'static str,
    /// `to_user`, `from_user` or `in_kernel`.
    pub direction: &'static str,
    /// The bytes copied once each.
    pub bytes: u64,
    /// The calls that copied.
    pub copies: u64,
}

/// Bytes for which the textbook does not say whether they were copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The route, such as `msg_zerocopy`.
    pub route: &'static str,
    /// `file`, `socket`, `pipe` or `other`.
    pub endpoint: &'static str,
    /// The bytes moved.
    pub bytes: u64,
    /// Whether probes on functions see how they went.
    pub settled_by_probes: bool,
}

/// Bytes that changed hands by reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The route, such as `sendfile`.
    pub route: &'static str,
    /// The bytes.
    pub bytes: u64,
    /// Whether only probes on functions see it; else the textbook says so too.
    pub needs_probes: bool,
}

/// Bytes copied although the interface can do without; only probes on functions see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// The route, such as `sendfile`.
    pub route: &'static str,
    /// Why, such as `file_sink`.
    pub reason: &'static str,
    /// The bytes.
    pub bytes: u64,
}

/// All rows of one run. No row is empty, and none is there twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// What was moved.
    pub moved: Vec<Moved>,
    /// What was copied for certain, by the textbook.
    pub copied: Vec<Copied>,
    /// What was copied in truth: the bytes that probes on the copying functions must
    /// find. How many calls copied them is not known beforehand, so `copies` is that
    /// of the calls that the process made.
    pub measured: Vec<Copied>,
    /// What was copied in truth by functions of modules, which cannot be hooked: it shows
    /// as inferred.
    pub unhooked: Vec<Copied>,
    /// Bytes by which the measured row of the route `fault` may be larger: pages that
    /// cases do not name, such as a stack's.
    pub slack: u64,
    /// What may have been copied.
    pub unknown: Vec<Unknown>,
    /// What changed hands by reference.
    pub references: Vec<Reference>,
    /// What was copied against a promise.
    pub fallbacks: Vec<Fallback>,
}

impl Expected {
    /// Adds the bytes and the calls of `params`.
    pub(super) fn moves(
        self,
        route: &'static str,
        endpoint: &'static str,
        params: &Params,
    ) -> Self {
        self.moves_in(route, endpoint, params.bytes, params.calls())
    }

    /// Adds bytes moved by so many calls.
    pub(super) fn moves_in(
        mut self,
        route: &'static str,
        endpoint: &'static str,
        bytes: u64,
        calls: u64,
    ) -> Self {
        let same = |row: &&mut Moved| row.route == route && row.endpoint == endpoint;
        if let Some(row) = self.moved.iter_mut().find(same) {
            row.bytes += bytes;
            row.calls += calls;
        } else if bytes > 0 {
            self.moved.push(Moved { route, endpoint, bytes, calls });
        }
        self
    }

    /// Adds one copy of the bytes of `params`, by as many calls: by the textbook and
    /// in truth.
    pub(super) fn copies(
        self,
        route: &'static str,
        direction: &'static str,
        params: &Params,
    ) -> Self {
        self.copies_in(route, direction, params.bytes, params.calls())
    }

    /// Adds bytes copied once by so many calls.
    pub(super) fn copies_in(
        mut self,
        route: &'static str,
        direction: &'static str,
        bytes: u64,
        copies: u64,
    ) -> Self {
        let copied = Copied { route, direction, bytes, copies };
        add(&mut self.measured, copied.clone());
        add(&mut self.copied, copied);
        self
    }

    /// Adds one copy of the bytes of `params` that the textbook says and that no
    /// probe can see.
    pub(super) fn copies_unseen(
        self,
        route: &'static str,
        direction: &'static str,
        params: &Params,
    ) -> Self {
        self.copies_unseen_in(route, direction, params.bytes, params.calls())
    }

    /// Adds bytes that so many calls copied by the textbook, and no probe can see.
    pub(super) fn copies_unseen_in(
        mut self,
        route: &'static str,
        direction: &'static str,
        bytes: u64,
        copies: u64,
    ) -> Self {
        add(&mut self.copied, Copied { route, direction, bytes, copies });
        self
    }

    /// Adds one copy of the bytes of `params` by functions that cannot be hooked.
    pub(super) fn copies_unhooked(
        self,
        route: &'static str,
        direction: &'static str,
        params: &Params,
    ) -> Self {
        self.copies_unhooked_in(route, direction, params.bytes, params.calls())
    }

    /// Adds bytes that so many calls copied by functions that cannot be hooked.
    pub(super) fn copies_unhooked_in(
        mut self,
        route: &'static str,
        direction: &'static str,
        bytes: u64,
        copies: u64,
    ) -> Self {
        add(&mut self.unhooked, Copied { route, direction, bytes, copies });
        self.copies_unseen_in(route, direction, bytes, copies)
    }

    /// Adds one copy of the bytes of `params` that the textbook leaves open.
    pub(super) fn copies_in_truth(
        mut self,
        route: &'static str,
        direction: &'static str,
        params: &Params,
    ) -> Self {
        let (bytes, copies) = (params.bytes, params.calls());
        add(&mut self.measured, Copied { route, direction, bytes, copies });
        self
    }

    /// Adds whole pages copied by page faults, which no textbook of calls tells.
    pub(super) fn copies_pages(mut self, pages: u64) -> Self {
        let bytes = pages * mem::page_size() as u64;
        let copied = Copied { route: "fault", direction: "in_kernel", bytes, copies: pages };
        add(&mut self.measured, copied);
        self
    }

    /// Allows page faults to copy what a fork leaves to be copied beside the case's own.
    pub(super) fn forks(mut self) -> Self {
        self.slack += STRAY * mem::page_size() as u64;
        self
    }

    /// Adds the bytes of `params`, which may have been copied.
    pub(super) fn leaves_unknown(
        self,
        route: &'static str,
        endpoint: &'static str,
        params: &Params,
    ) -> Self {
        self.leaves(route, endpoint, params, false)
    }

    /// The same, where probes on functions see how the bytes went.
    pub(super) fn leaves_to_probes(
        self,
        route: &'static str,
        endpoint: &'static str,
        params: &Params,
    ) -> Self {
        self.leaves(route, endpoint, params, true)
    }

    fn leaves(
        mut self,
        route: &'static str,
        endpoint: &'static str,
        params: &Params,
        settled_by_probes: bool,
    ) -> Self {
        let bytes = params.bytes;
        let same = |row: &&mut Unknown| row.route == route && row.endpoint == endpoint;
        if let Some(row) = self.unknown.iter_mut().find(same) {
            row.bytes += bytes;
        } else if bytes > 0 {
            self.unknown.push(Unknown { route, endpoint, bytes, settled_by_probes });
        }
        self
    }

    /// Adds bytes that change hands by reference, as the textbook says.
    pub(super) fn passes_on(
        self,
        route: &'static str,
        endpoint: &'static str,
        params: &Params,
    ) -> Self {
        self.moves(route, endpoint, params).refers(route, params, false)
    }

    /// Adds bytes that change hands by reference, as only probes on functions see.
    pub(super) fn links(self, route: &'static str, params: &Params) -> Self {
        self.refers(route, params, true)
    }

    fn refers(mut self, route: &'static str, params: &Params, needs_probes: bool) -> Self {
        let bytes = params.bytes;
        if let Some(row) = self.references.iter_mut().find(|row| row.route == route) {
            row.bytes += bytes;
        } else if bytes > 0 {
            self.references.push(Reference { route, bytes, needs_probes });
        }
        self
    }

    /// Adds bytes that were copied although the interface can do without.
    pub(super) fn falls_back(
        mut self,
        route: &'static str,
        reason: &'static str,
        params: &Params,
    ) -> Self {
        if params.bytes > 0 {
            self.fallbacks.push(Fallback { route, reason, bytes: params.bytes });
        }
        self
    }

    /// Adds a read of `endpoint` that copies to the process.
    pub(super) fn reads(self, endpoint: &'static str, params: &Params) -> Self {
        self.moves("read", endpoint, params).copies("read", "to_user", params)
    }

    /// Adds a write to `endpoint` that copies from the process.
    pub(super) fn writes(self, endpoint: &'static str, params: &Params) -> Self {
        self.moves("write", endpoint, params).copies("write", "from_user", params)
    }

    /// Adds a receive that copies to the process.
    pub(super) fn receives(self, params: &Params) -> Self {
        self.moves("recv", "socket", params).copies("recv", "to_user", params)
    }

    /// Adds a send that copies from the process.
    pub(super) fn sends(self, params: &Params) -> Self {
        self.moves("send", "socket", params).copies("send", "from_user", params)
    }
}

/// Adds to the row of the same route and direction, or makes one.
fn add(rows: &mut Vec<Copied>, copied: Copied) {
    let same = |row: &&mut Copied| row.route == copied.route && row.direction == copied.direction;
    if let Some(row) = rows.iter_mut().find(same) {
        row.bytes += copied.bytes;
        row.copies += copied.copies;
    } else if copied.bytes > 0 {
        rows.push(copied);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_same_row_twice_is_one_row() {
        let params = Params { bytes: 10, chunk: 4, dir: PathBuf::new() };
        let expected = Expected::default().reads("pipe", &params).reads("pipe", &params);
        assert_eq!(
            expected.moved,
            [Moved { route: "read", endpoint: "pipe", bytes: 20, calls: 6 }]
        );
        assert_eq!(
            expected.copied,
            [Copied { route: "read", direction: "to_user", bytes: 20, copies: 6 }]
        );
    }

    #[test]
    fn pages_are_copied_whole_and_the_textbook_does_not_say_so() {
        let expected = Expected::default().copies_pages(3).copies_pages(1).forks();
        let page = mem::page_size() as u64;
        assert!(expected.copied.is_empty());
        assert_eq!(expected.slack, STRAY * page);
        assert_eq!(
            expected.measured,
            [Copied { route: "fault", direction: "in_kernel", bytes: 4 * page, copies: 4 }]
        );
    }

    #[test]
    fn rows_of_no_bytes_are_left_out() {
        let params = Params { bytes: 0, chunk: 4, dir: PathBuf::new() };
        let expected = Expected::default().sends(&params).leaves_unknown("send", "socket", &params);
        assert_eq!(expected, Expected::default());
    }
}
