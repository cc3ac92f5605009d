//! Which flow a call is, from its shape and what its descriptors refer to.
//!
//! Pure functions, run by the kernel half and tested on the host.

use crate::{
    file::{Kind, SOCK_STREAM},
    flow::{Endpoint, Flow},
};

/// The flow of a `read(2)`.
#[must_use]
#[inline(always)]
pub const fn read(from: Kind) -> Flow {
    match from {
        Kind::File | Kind::PlainFile | Kind::Opaque => Flow::ReadFile,
        Kind::DirectFile => Flow::DirectIo,
        Kind::DirectOpaque => Flow::DirectIoUnsure,
        Kind::Socket | Kind::TcpSocket | Kind::UnixStream => Flow::ReadSocket,
        Kind::Pipe => Flow::ReadPipe,
        Kind::Null => Flow::ReadZero,
        Kind::Other => Flow::ReadOther,
        Kind::Unknown => Flow::ReadUnknown,
    }
}

/// The flow of a `write(2)`.
#[must_use]
#[inline(always)]
pub const fn write(to: Kind) -> Flow {
    match to {
        Kind::File | Kind::PlainFile | Kind::Opaque => Flow::WriteFile,
        Kind::DirectFile => Flow::DirectIo,
        Kind::DirectOpaque => Flow::DirectIoUnsure,
        Kind::Socket | Kind::TcpSocket | Kind::UnixStream => Flow::WriteSocket,
        Kind::Pipe => Flow::WritePipe,
        Kind::Null => Flow::WriteNull,
        Kind::Other => Flow::WriteOther,
        Kind::Unknown => Flow::WriteUnknown,
    }
}

/// The flow of a `sendfile(2)`.
#[must_use]
#[inline(always)]
pub const fn sendfile(from: Kind, to: Kind) -> Flow {
    let sure = from.links_pages();
    match to {
        Kind::File | Kind::PlainFile if sure => Flow::SendfileFile,
        Kind::File | Kind::PlainFile | Kind::DirectFile | Kind::DirectOpaque | Kind::Opaque => {
            Flow::SendfileFileUnsure
        }
        Kind::TcpSocket | Kind::UnixStream if sure => Flow::SendfileSocket,
        Kind::Socket | Kind::TcpSocket | Kind::UnixStream => Flow::SendfileSocketUnsure,
        Kind::Pipe if sure => Flow::SendfilePipe,
        Kind::Pipe => Flow::SendfilePipeUnsure,
        Kind::Null if sure => Flow::SendfileNull,
        Kind::Null | Kind::Other => Flow::SendfileOther,
        Kind::Unknown => Flow::SendfileUnknown,
    }
}

/// The flow of a `splice(2)`; one end is always a pipe.
#[must_use]
#[inline(always)]
pub const fn splice(from: Kind, to: Kind) -> Flow {
    match to {
        Kind::File | Kind::PlainFile => Flow::SpliceFile,
        Kind::DirectFile | Kind::DirectOpaque | Kind::Opaque => Flow::SpliceFileUnsure,
        Kind::TcpSocket | Kind::UnixStream => Flow::SpliceSocket,
        Kind::Socket => Flow::SpliceSocketUnsure,
        Kind::Pipe if from.links_pages() => Flow::SplicePipe,
        Kind::Pipe => Flow::SplicePipeUnsure,
        Kind::Null => Flow::SpliceNull,
        Kind::Other => Flow::SpliceOther,
        Kind::Unknown => Flow::SpliceUnknown,
    }
}

/// The flow of a `copy_file_range(2)`.
#[must_use]
#[inline(always)]
pub const fn copy_file_range(from: Kind, to: Kind) -> Flow {
    match to {
        Kind::Unknown => Flow::CopyFileRangeUnknown,
        Kind::PlainFile if matches!(from, Kind::PlainFile) => Flow::CopyFileRange,
        Kind::File
        | Kind::PlainFile
        | Kind::DirectFile
        | Kind::DirectOpaque
        | Kind::Opaque
        | Kind::Socket
        | Kind::TcpSocket
        | Kind::UnixStream
        | Kind::Pipe
        | Kind::Null
        | Kind::Other => Flow::CopyFileRangeUnsure,
    }
}

/// The flow of an `mmap(2)` of a descriptor; none for what holds no data to be
/// read in place (a ring's descriptor, a device, `/dev/zero`).
#[must_use]
#[inline(always)]
pub const fn mmap(of: Kind) -> Option<Flow> {
    match of.endpoint() {
        Endpoint::File => Some(Flow::MmapFile),
        Endpoint::Unknown => Some(Flow::MmapUnknown),
        Endpoint::Socket | Endpoint::Pipe | Endpoint::Other => None,
    }
}

/// `MSG_TRUNC` (`include/linux/socket.h`).
pub const MSG_TRUNC: u64 = 0x20;
/// `MSG_ZEROCOPY` (`include/linux/socket.h`).
pub const MSG_ZEROCOPY: u64 = 0x400_0000;

/// The flow of a send, by its flags.
#[must_use]
#[inline(always)]
pub const fn send(flags: u64) -> Flow {
    if flags & MSG_ZEROCOPY != 0 { Flow::MsgZerocopy } else { Flow::Send }
}

/// How a socket treats `MSG_TRUNC` on receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truncation {
    /// TCP: the bytes are thrown away uncopied.
    Discards,
    /// A datagram is copied as far as the buffer goes, and its whole length is
    /// returned.
    Whole,
    /// A unix stream takes no notice.
    Ignores,
    /// The socket could not be looked at.
    Unknown,
}

impl Truncation {
    /// How a socket of this type (`socket.type`) and family treats it.
    #[must_use]
    #[inline(always)]
    pub const fn of(socket_type: u16, family: u16) -> Self {
        let kind = Kind::of_socket(socket_type, family);
        if matches!(kind, Kind::UnixStream) {
            Self::Ignores
        } else if matches!(kind, Kind::TcpSocket) {
            Self::Discards
        } else if socket_type == SOCK_STREAM {
            Self::Unknown
        } else {
            Self::Whole
        }
    }

    /// The flow of a receive with `MSG_TRUNC`; `fits` if all that was returned
    /// went into the buffer.
    #[must_use]
    #[inline(always)]
    pub const fn flow(self, fits: bool) -> Flow {
        match self {
            Self::Discards => Flow::RecvDiscard,
            Self::Ignores => Flow::Recv,
            Self::Whole if fits => Flow::Recv,
            Self::Whole | Self::Unknown => Flow::RecvUnknown,
        }
    }
}

/// The io_uring operations that move bytes (`include/uapi/linux/io_uring.h`).
mod op {
    pub(super) const READV: u8 = 1;
    pub(super) const WRITEV: u8 = 2;
    pub(super) const READ_FIXED: u8 = 4;
    pub(super) const WRITE_FIXED: u8 = 5;
    pub(super) const SENDMSG: u8 = 9;
    pub(super) const RECVMSG: u8 = 10;
    pub(super) const READ: u8 = 22;
    pub(super) const WRITE: u8 = 23;
    pub(super) const SEND: u8 = 26;
    pub(super) const RECV: u8 = 27;
    pub(super) const SPLICE: u8 = 30;
    pub(super) const TEE: u8 = 33;
    pub(super) const SEND_ZC: u8 = 47;
    pub(super) const SENDMSG_ZC: u8 = 48;
    pub(super) const READ_MULTISHOT: u8 = 49;
    pub(super) const READV_FIXED: u8 = 60;
    pub(super) const WRITEV_FIXED: u8 = 61;
}

/// Whether completions of an io_uring operation carry bytes in their result.
#[must_use]
#[inline(always)]
pub const fn io_uring_moves(opcode: u8) -> bool {
    matches!(
        opcode,
        op::READV
            | op::WRITEV
            | op::READ_FIXED
            | op::WRITE_FIXED
            | op::SENDMSG
            | op::RECVMSG
            | op::READ
            | op::WRITE
            | op::SEND
            | op::RECV
            | op::SPLICE
            | op::TEE
            | op::SEND_ZC
            | op::SENDMSG_ZC
            | op::READ_MULTISHOT
            | op::READV_FIXED
            | op::WRITEV_FIXED
    )
}

/// The flow of an io_uring completion, for an operation that moves bytes.
#[must_use]
#[inline(always)]
pub const fn io_uring(opcode: u8, file: Kind) -> Flow {
    match opcode {
        op::READV
        | op::READ_FIXED
        | op::READ
        | op::READ_MULTISHOT
        | op::READV_FIXED
        | op::RECVMSG
        | op::RECV => io_uring_read(file),
        op::WRITEV | op::WRITE_FIXED | op::WRITE | op::WRITEV_FIXED | op::SENDMSG | op::SEND => {
            io_uring_write(file)
        }
        op::SEND_ZC | op::SENDMSG_ZC => Flow::IoUringZerocopy,
        _ => io_uring_unsure(file),
    }
}

#[inline(always)]
const fn io_uring_read(file: Kind) -> Flow {
    match file {
        Kind::File | Kind::PlainFile | Kind::Opaque => Flow::IoUringReadFile,
        Kind::DirectFile => Flow::IoUringDirect,
        Kind::DirectOpaque => Flow::IoUringFileUnsure,
        Kind::Socket | Kind::TcpSocket | Kind::UnixStream => Flow::IoUringReadSocket,
        Kind::Pipe => Flow::IoUringReadPipe,
        Kind::Null => Flow::IoUringNull,
        Kind::Other => Flow::IoUringReadOther,
        Kind::Unknown => Flow::IoUringUnknown,
    }
}

#[inline(always)]
const fn io_uring_write(file: Kind) -> Flow {
    match file {
        Kind::File | Kind::PlainFile | Kind::Opaque => Flow::IoUringWriteFile,
        Kind::DirectFile => Flow::IoUringDirect,
        Kind::DirectOpaque => Flow::IoUringFileUnsure,
        Kind::Socket | Kind::TcpSocket | Kind::UnixStream => Flow::IoUringWriteSocket,
        Kind::Pipe => Flow::IoUringWritePipe,
        Kind::Null => Flow::IoUringNull,
        Kind::Other => Flow::IoUringWriteOther,
        Kind::Unknown => Flow::IoUringUnknown,
    }
}

#[inline(always)]
const fn io_uring_unsure(file: Kind) -> Flow {
    match file.endpoint() {
        Endpoint::File => Flow::IoUringFileUnsure,
        Endpoint::Socket => Flow::IoUringSocketUnsure,
        Endpoint::Pipe => Flow::IoUringPipeUnsure,
        Endpoint::Other => Flow::IoUringOtherUnsure,
        Endpoint::Unknown => Flow::IoUringUnknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        file::Inode,
        flow::{Copies, Direction},
    };

    const EXT4: u64 = 0xef53;
    const BTRFS: u64 = 0x9123_683e;
    const PROC: u64 = 0x9fa0;
    const TMPFS: u64 = 0x0102_1994;
    const O_DIRECT: u32 = 0o40_000;

    fn regular(magic: u64, flags: u32) -> Kind {
        Inode { mode: 0o100_644, device: 0, magic, flags }.kind()
    }

    fn device(major: u32, minor: u32) -> Kind {
        Inode { mode: 0o020_666, device: major << 20 | minor, magic: 0, flags: 0 }.kind()
    }

    fn copies(flow: Flow) -> Copies {
        flow.row().copies
    }

    #[test]
    fn devices_that_copy_nothing_are_told_apart() {
        assert_eq!([3, 5, 7].map(|minor| device(1, minor)), [Kind::Null; 3]);
        assert_eq!(device(1, 9), Kind::Other); // urandom
        assert_eq!(device(4, 3), Kind::Other); // a terminal
        assert_eq!(copies(read(Kind::Null)), Copies::None);
        assert_eq!(copies(write(Kind::Null)), Copies::None);
        assert_eq!(copies(read(device(1, 9))), Copies::Once(Direction::ToUser));
    }

    #[test]
    fn direct_is_certain_only_where_it_cannot_fall_back() {
        assert_eq!(copies(read(regular(EXT4, O_DIRECT))), Copies::Moved);
        assert_eq!(copies(read(regular(BTRFS, O_DIRECT))), Copies::Unknown);
        assert_eq!(copies(read(regular(TMPFS, O_DIRECT))), Copies::Once(Direction::ToUser));
        assert_eq!(copies(read(regular(EXT4, 0))), Copies::Once(Direction::ToUser));
    }

    #[test]
    fn a_splice_is_certain_only_where_pages_are_linked() {
        let tcp = Kind::of_socket(1, 2);
        let udp = Kind::of_socket(2, 2);
        assert_eq!(copies(sendfile(regular(EXT4, 0), tcp)), Copies::Moved);
        assert_eq!(copies(sendfile(regular(PROC, 0), tcp)), Copies::Unknown);
        assert_eq!(copies(sendfile(regular(TMPFS, O_DIRECT), tcp)), Copies::Unknown);
        assert_eq!(copies(sendfile(regular(EXT4, 0), udp)), Copies::Unknown);
        assert_eq!(copies(splice(udp, Kind::Pipe)), Copies::Unknown);
        assert_eq!(copies(splice(tcp, Kind::Pipe)), Copies::Moved);
        let file = regular(EXT4, 0);
        assert_eq!(copies(splice(Kind::Pipe, file)), Copies::Once(Direction::InKernel));
    }

    #[test]
    fn copy_file_range_may_reflink() {
        let (ext4, btrfs) = (regular(EXT4, 0), regular(BTRFS, 0));
        assert_eq!(copies(copy_file_range(ext4, ext4)), Copies::Once(Direction::InKernel));
        assert_eq!(copies(copy_file_range(btrfs, btrfs)), Copies::Unknown);
    }

    #[test]
    fn truncation_depends_on_the_socket() {
        assert_eq!(Truncation::of(1, 2).flow(true), Flow::RecvDiscard);
        assert_eq!(Truncation::of(1, 1).flow(false), Flow::Recv);
        assert_eq!(Truncation::of(2, 2).flow(true), Flow::Recv);
        assert_eq!(Truncation::of(2, 2).flow(false), Flow::RecvUnknown);
        assert_eq!(Truncation::of(1, 40).flow(true), Flow::RecvUnknown); // vsock
    }

    #[test]
    fn every_flow_ends_where_its_descriptor_is() {
        const KINDS: [Kind; 12] = [
            Kind::File,
            Kind::PlainFile,
            Kind::DirectFile,
            Kind::DirectOpaque,
            Kind::Opaque,
            Kind::Socket,
            Kind::TcpSocket,
            Kind::UnixStream,
            Kind::Pipe,
            Kind::Null,
            Kind::Other,
            Kind::Unknown,
        ];
        for kind in KINDS {
            for flow in [read(kind), write(kind)] {
                assert_eq!(flow.row().endpoint, kind.endpoint(), "{kind:?}");
            }
            for from in KINDS {
                for flow in [sendfile(from, kind), splice(from, kind)] {
                    assert_eq!(flow.row().endpoint, kind.endpoint(), "{from:?} to {kind:?}");
                }
            }
            for opcode in (0..=u8::MAX).filter(|opcode| io_uring_moves(*opcode)) {
                let endpoint = io_uring(opcode, kind).row().endpoint;
                let zero_copy = opcode == op::SEND_ZC || opcode == op::SENDMSG_ZC;
                assert!(endpoint == kind.endpoint() || zero_copy, "{opcode} of {kind:?}");
            }
        }
    }
}
