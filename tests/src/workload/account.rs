//! What many threads and processes do at a time, as each of them notes it; those that are
//! killed, too.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::workload::sys::shared::Shared;

/// One way for bytes to go.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Read,
    Write,
    Recv,
    Send,
    SendfileSocket,
    SendfileFile,
    SplicePipe,
    SpliceFile,
    CopyFileRange,
    ProcessVm,
}

impl Way {
    const ALL: [Self; 10] = [
        Self::Read,
        Self::Write,
        Self::Recv,
        Self::Send,
        Self::SendfileSocket,
        Self::SendfileFile,
        Self::SplicePipe,
        Self::SpliceFile,
        Self::CopyFileRange,
        Self::ProcessVm,
    ];

    /// The route, and the direction in which its bytes are copied, if they are.
    const fn row(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Read => ("read", Some("to_user")),
            Self::Write => ("write", Some("from_user")),
            Self::Recv => ("recv", Some("to_user")),
            Self::Send => ("send", Some("from_user")),
            Self::SendfileSocket => ("sendfile", None),
            Self::SendfileFile => ("sendfile", Some("in_kernel")),
            Self::SplicePipe => ("splice", None),
            Self::SpliceFile => ("splice", Some("in_kernel")),
            Self::CopyFileRange => ("copy_file_range", Some("in_kernel")),
            Self::ProcessVm => ("process_vm", Some("to_user")),
        }
    }
}

/// The sums, shared by all processes of the run.
pub(super) struct Account(Shared);

/// Words of a way: what calls returned; what calls asked for that met the end of memory,
/// so that more may have been copied than they returned; what is asked for just now; calls
/// that moved something; calls just now.
const WORDS: usize = 5;

impl Account {
    pub(super) fn new() -> io::Result<Self> {
        Shared::new(WORDS * Way::ALL.len()).map(Self)
    }

    fn word(&self, way: Way, word: usize) -> &AtomicU64 {
        &self.0.words()[WORDS * way as usize + word]
    }

    /// Makes a call that asks for `asked` bytes, and notes what it returned. `faulty` if
    /// the memory ends before.
    pub(super) fn call(
        &self,
        way: Way,
        asked: usize,
        faulty: bool,
        call: impl FnOnce() -> io::Result<usize>,
    ) -> Option<usize> {
        let add =
            |word, bytes: usize| self.word(way, word).fetch_add(bytes as u64, Ordering::SeqCst);
        add(2, asked);
        add(4, 1);
        let returned = call().ok();
        add(0, returned.unwrap_or(0));
        add(3, usize::from(returned.is_some_and(|bytes| bytes > 0)));
        if faulty {
            add(1, asked);
        }
        self.word(way, 2).fetch_sub(asked as u64, Ordering::SeqCst);
        self.word(way, 4).fetch_sub(1, Ordering::SeqCst);
        returned.filter(|bytes| *bytes > 0)
    }

    /// `moved ROUTE LEAST MOST`, `calls ROUTE LEAST MOST` (those that moved something) and
    /// `copied ROUTE DIRECTION LEAST MOST`, one line each: what is known, and what a call that was killed or met the end of memory may have done
    /// besides.
    pub(super) fn report(&self) -> String {
        let mut lines = String::new();
        for way in Way::ALL {
            let [returned, ended, killed, calls, last] =
                [0, 1, 2, 3, 4].map(|word| self.word(way, word).load(Ordering::SeqCst));
            let (route, direction) = way.row();
            lines += &format!("moved {route} {returned} {}\n", returned + killed);
            lines += &format!("calls {route} {calls} {}\n", calls + last);
            if let Some(direction) = direction {
                let most = returned + killed + ended;
                lines += &format!("copied {route} {direction} {returned} {most}\n");
            }
        }
        lines
    }
}
