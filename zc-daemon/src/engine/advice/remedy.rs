//! THE table of what to use instead of a read and a write: by what bytes come from and go to;
//! and what to use instead of a send.

use zc_common::{
    classify::{self, MSG_ZEROCOPY},
    file::Kind,
    flow::{Copies, Flow},
};

/// What to use instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// The system call.
    pub call: &'static str,
    /// How.
    pub how: &'static str,
    /// Copies of each byte now, at least and at most.
    pub now: (u64, u64),
    /// The same with it.
    pub then: (u64, u64),
}

/// What there is to use instead.
///
/// # Errors
///
/// Why there is nothing.
pub fn remedy(from: Kind, to: Kind) -> Result<Remedy, &'static str> {
    use Kind::{File, Pipe, PlainFile, TcpSocket, UnixStream};
    let (call, how, flows): (_, _, &[Flow]) = match (known(from)?, known(to)?) {
        (File | PlainFile, TcpSocket | UnixStream) => (
            "sendfile",
            "sendfile(socket, file, &offset, count) in place of the read and the write",
            &[classify::sendfile(from, to)],
        ),
        (File | PlainFile, File | PlainFile) => (
            "copy_file_range",
            "copy_file_range(in, &in_offset, out, &out_offset, count, 0) in place of the read and \
             the write; a file system that can share blocks then copies nothing",
            &[classify::copy_file_range(from, to)],
        ),
        (_, Pipe) | (Pipe, _) => (
            "splice",
            "splice(in, 0, out, 0, count, SPLICE_F_MOVE) in place of the read and the write",
            &[classify::splice(from, to)],
        ),
        _ => (
            "splice",
            "splice(in, 0, pipe, 0, count, SPLICE_F_MOVE), then splice(pipe, 0, out, 0, count, \
             SPLICE_F_MOVE), with a pipe of the program's own in between",
            &[classify::splice(from, Pipe), classify::splice(Pipe, to)],
        ),
    };
    let remedy = Remedy {
        call,
        how,
        now: copies(&[classify::read(from), classify::write(to)]),
        then: copies(flows),
    };
    if remedy.then.1 < remedy.now.0 { Ok(remedy) } else { Err("nothing that surely copies less") }
}

/// What there is to use instead of a send by TCP of what is in memory.
#[must_use]
pub(super) fn by_reference() -> Remedy {
    Remedy {
        call: "MSG_ZEROCOPY",
        how: "SO_ZEROCOPY once, then send(socket, buffer, length, MSG_ZEROCOPY), not with kTLS; \
              the program must leave the buffer as it is until the socket's error queue \
              (MSG_ERRQUEUE) says that it was sent; programs with an io_uring have \
              IORING_OP_SEND_ZC; a device without scatter-gather copies all the same",
        now: copies(&[classify::send(0)]),
        then: copies(&[classify::send(MSG_ZEROCOPY)]),
    }
}

/// An end that is worth advice.
fn known(end: Kind) -> Result<Kind, &'static str> {
    match end {
        Kind::File | Kind::PlainFile | Kind::TcpSocket | Kind::UnixStream | Kind::Pipe => Ok(end),
        Kind::DirectFile | Kind::DirectOpaque => {
            Err("a file opened with O_DIRECT: its bytes go by no copy of the CPU's as it is")
        }
        Kind::Opaque => {
            Err("a file that the kernel makes up, or on a file system that zc does not know")
        }
        Kind::Socket => {
            Err("a socket that is no stream of TCP or unix: zc knows of none that takes or gives \
                 pages")
        }
        Kind::Null | Kind::Other => Err("a terminal or another device"),
        Kind::Unknown => Err("a descriptor that could not be resolved"),
    }
}

/// What flows copy of each byte together, at least and at most.
fn copies(flows: &[Flow]) -> (u64, u64) {
    let range = |flow: &Flow| match flow.row().copies {
        Copies::None | Copies::Moved => (0, 0),
        Copies::Once(_) => (1, 1),
        Copies::Unknown => (0, 1),
    };
    flows.iter().map(range).fold((0, 0), |sum, range| (sum.0 + range.0, sum.1 + range.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_have_what_suits_them() {
        let said = |from, to| {
            let remedy = remedy(from, to).unwrap();
            assert_eq!(remedy.now, (2, 2));
            (remedy.call, remedy.then)
        };
        assert_eq!(said(Kind::PlainFile, Kind::TcpSocket), ("sendfile", (0, 0)));
        assert_eq!(said(Kind::File, Kind::UnixStream), ("sendfile", (0, 0)));
        assert_eq!(said(Kind::PlainFile, Kind::PlainFile), ("copy_file_range", (1, 1)));
        assert_eq!(said(Kind::File, Kind::File), ("copy_file_range", (0, 1)));
        assert_eq!(said(Kind::File, Kind::Pipe), ("splice", (0, 0)));
        assert_eq!(said(Kind::Pipe, Kind::PlainFile), ("splice", (1, 1)));
        assert_eq!(said(Kind::Pipe, Kind::Pipe), ("splice", (0, 0)));
        assert_eq!(said(Kind::TcpSocket, Kind::TcpSocket), ("splice", (0, 0)));
        assert_eq!(said(Kind::TcpSocket, Kind::File), ("splice", (1, 1)));
        assert_eq!(said(Kind::UnixStream, Kind::TcpSocket), ("splice", (0, 1)));
    }

    #[test]
    fn ends_that_nothing_is_known_to_spare_are_left_alone() {
        for end in [Kind::Other, Kind::Null, Kind::Socket, Kind::DirectFile, Kind::Opaque] {
            assert!(
                remedy(Kind::File, end).is_err() && remedy(end, Kind::File).is_err(),
                "{end:?}"
            );
        }
    }
}
