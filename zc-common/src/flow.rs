//! How data moves: the table of flows.
//!
//! A *flow* is one way for bytes to go, fine enough that the textbook says what
//! the CPU must copy. The kernel half classifies a call into a flow and charges
//! its bytes and its call; every metric about moved bytes and *inferred* copies
//! is a sum over rows of [`FLOWS`].
//!
//! A flow that copies, or may, has a twin, `...Seen`, for when a probe saw how the bytes
//! went: what was measured then takes the place of what is inferred.
//!
//! For routes with two ends (`sendfile`, `splice`, `tee`, `copy_file_range`) the
//! endpoint is where the bytes went.

names! {
    /// The way bytes went: the interface that moved them.
    Route {
        /// `read(2)` and its family, on any descriptor.
        Read = "read",
        /// `write(2)` and its family, on any descriptor.
        Write = "write",
        /// `recv(2)`, `recvfrom(2)`, `recvmsg(2)`, `recvmmsg(2)`.
        Recv = "recv",
        /// `send(2)`, `sendto(2)`, `sendmsg(2)`, `sendmmsg(2)`.
        Send = "send",
        /// `sendfile(2)`.
        Sendfile = "sendfile",
        /// `splice(2)`.
        Splice = "splice",
        /// `vmsplice(2)`, both directions.
        Vmsplice = "vmsplice",
        /// `tee(2)`.
        Tee = "tee",
        /// `copy_file_range(2)`.
        CopyFileRange = "copy_file_range",
        /// `mmap(2)` of a descriptor: bytes mapped, touched or not.
        Mmap = "mmap",
        /// Reads and writes of a file opened with `O_DIRECT`.
        DirectIo = "direct_io",
        /// Sends that asked for `MSG_ZEROCOPY`.
        MsgZerocopy = "msg_zerocopy",
        /// Completions of an io_uring.
        IoUring = "io_uring",
        /// `process_vm_readv(2)` and `process_vm_writev(2)`.
        ProcessVm = "process_vm",
        /// Page faults: copies of pages that are written while shared. Measured only.
        Fault = "fault",
        /// Linux AIO (`io_submit(2)`). Measured only.
        Aio = "aio",
        /// Rings of AF_XDP sockets in copy mode. Measured only.
        AfXdp = "af_xdp",
        /// Bounce buffers of devices that do not reach all memory (swiotlb), whoever uses
        /// them. Measured only.
        Bounce = "bounce",
        /// Any other system call, and the kernel's own threads. Measured only.
        Other = "other",
    }
}

names! {
    /// What stands at the far end of a move.
    Endpoint {
        /// A regular file or a block device.
        File = "file",
        /// A socket of any family.
        Socket = "socket",
        /// A pipe or FIFO.
        Pipe = "pipe",
        /// A character device, an anonymous inode, another process' memory.
        Other = "other",
        /// The descriptor could not be resolved (closed meanwhile, or the
        /// kernel refuses reads of its memory).
        Unknown = "unknown",
    }
}

names! {
    /// Which boundary a copy crossed.
    Direction {
        /// Kernel memory to user memory.
        ToUser = "to_user",
        /// User memory to kernel memory.
        FromUser = "from_user",
        /// Between two places in kernel memory.
        InKernel = "in_kernel",
    }
}

/// What the CPU copies of a flow's bytes, by the textbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// No byte, as none is looked at: filled, thrown away, or not yet touched.
    None,
    /// No byte: all change hands by reference.
    Moved,
    /// Every byte once, in this direction.
    Once(Direction),
    /// The interface alone does not tell.
    Unknown,
}

/// One row of [`FLOWS`].
#[derive(Clone, Copy, Debug)]
pub struct FlowRow {
    /// The interface.
    pub route: Route,
    /// The far end.
    pub endpoint: Endpoint,
    /// The inferred copies.
    pub copies: Copies,
    /// Whether a probe saw how its bytes went: then nothing is inferred from it.
    pub seen: bool,
}

/// One row a flow: `Variant[ / Twin]: Route, Endpoint, Copies;`. The twin is for when a
/// probe saw how the bytes went.
macro_rules! flows {
    ($($(#[$doc:meta])* $variant:ident $(/ $twin:ident)?:
        $route:ident, $endpoint:ident, $copies:expr;)+) => {
        /// A way for bytes to go; the rows are in [`FLOWS`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the row is the documentation")]
        pub enum Flow { $($(#[$doc])* $variant,)+ $($($twin,)?)+ }

        /// THE table of flows, by [`Flow`].
        pub const FLOWS: &[FlowRow] = &[
            $(FlowRow {
                route: Route::$route, endpoint: Endpoint::$endpoint, copies: $copies,
                seen: false,
            },)+
            $($({
                let _: Flow = Flow::$twin;
                FlowRow {
                    route: Route::$route, endpoint: Endpoint::$endpoint, copies: $copies,
                    seen: true,
                }
            },)?)+
        ];

        impl Flow {
            /// Every flow, in order of position.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+ $($(Self::$twin,)?)+];

            /// The flow of the same call if a probe saw how its bytes went; what copies
            /// nothing has no such twin.
            #[must_use]
            #[inline(always)]
            pub const fn seen(self) -> Self {
                match self {
                    $($(Self::$variant => Self::$twin,)?)+
                    other => other,
                }
            }
        }
    };
}

const NONE: Copies = Copies::None;
const MOVED: Copies = Copies::Moved;
const TO_USER: Copies = Copies::Once(Direction::ToUser);
const FROM_USER: Copies = Copies::Once(Direction::FromUser);
const IN_KERNEL: Copies = Copies::Once(Direction::InKernel);
const UNKNOWN: Copies = Copies::Unknown;

flows! {
    ReadFile / ReadFileSeen: Read, File, TO_USER;
    ReadSocket / ReadSocketSeen: Read, Socket, TO_USER;
    ReadPipe / ReadPipeSeen: Read, Pipe, TO_USER;
    ReadOther / ReadOtherSeen: Read, Other, TO_USER;
    /// `/dev/zero`: the buffer is filled, nothing is copied.
    ReadZero: Read, Other, NONE;
    ReadUnknown / ReadUnknownSeen: Read, Unknown, UNKNOWN;
    WriteFile / WriteFileSeen: Write, File, FROM_USER;
    WriteSocket / WriteSocketSeen: Write, Socket, FROM_USER;
    WritePipe / WritePipeSeen: Write, Pipe, FROM_USER;
    WriteOther / WriteOtherSeen: Write, Other, FROM_USER;
    /// `/dev/null` and `/dev/zero`: the buffer is never looked at.
    WriteNull: Write, Other, NONE;
    WriteUnknown / WriteUnknownSeen: Write, Unknown, UNKNOWN;
    Recv / RecvSeen: Recv, Socket, TO_USER;
    /// `MSG_TRUNC` on TCP: returned, but thrown away uncopied (`tcp(7)`).
    RecvDiscard: Recv, Socket, NONE;
    /// `MSG_TRUNC` where the socket type is not known, or more than the buffer
    /// held was returned.
    RecvUnknown / RecvUnknownSeen: Recv, Socket, UNKNOWN;
    Send / SendSeen: Send, Socket, FROM_USER;
    /// Pinned, or copied after all (loopback, no `SO_ZEROCOPY`): not known here.
    MsgZerocopy / MsgZerocopySeen: MsgZerocopy, Socket, UNKNOWN;
    /// A buffered file always copies on write (`iter_file_splice_write`).
    SendfileFile / SendfileFileSeen: Sendfile, File, IN_KERNEL;
    SendfileSocket: Sendfile, Socket, MOVED;
    SendfilePipe: Sendfile, Pipe, MOVED;
    SendfileNull: Sendfile, Other, NONE;
    SendfileOther / SendfileOtherSeen: Sendfile, Other, UNKNOWN;
    /// From a source that may not link its pages (a device, procfs).
    SendfileFileUnsure / SendfileFileUnsureSeen: Sendfile, File, UNKNOWN;
    SendfileSocketUnsure / SendfileSocketUnsureSeen: Sendfile, Socket, UNKNOWN;
    SendfilePipeUnsure / SendfilePipeUnsureSeen: Sendfile, Pipe, UNKNOWN;
    SendfileUnknown / SendfileUnknownSeen: Sendfile, Unknown, UNKNOWN;
    SpliceFile / SpliceFileSeen: Splice, File, IN_KERNEL;
    /// Onto a file opened with `O_DIRECT`.
    SpliceFileUnsure / SpliceFileUnsureSeen: Splice, File, UNKNOWN;
    SpliceSocket: Splice, Socket, MOVED;
    /// Into a socket that may not take pages (datagrams, vsock).
    SpliceSocketUnsure / SpliceSocketUnsureSeen: Splice, Socket, UNKNOWN;
    SplicePipe: Splice, Pipe, MOVED;
    SpliceNull: Splice, Other, NONE;
    SpliceOther / SpliceOtherSeen: Splice, Other, UNKNOWN;
    SplicePipeUnsure / SplicePipeUnsureSeen: Splice, Pipe, UNKNOWN;
    SpliceUnknown / SpliceUnknownSeen: Splice, Unknown, UNKNOWN;
    /// User pages linked into a pipe.
    VmspliceIn: Vmsplice, Pipe, MOVED;
    /// A pipe emptied into user memory: always a copy (`pipe_to_user`).
    VmspliceOut / VmspliceOutSeen: Vmsplice, Pipe, TO_USER;
    VmspliceUnknown / VmspliceUnknownSeen: Vmsplice, Unknown, UNKNOWN;
    Tee: Tee, Pipe, MOVED;
    /// On file systems that can neither reflink nor copy on a server.
    CopyFileRange / CopyFileRangeSeen: CopyFileRange, File, IN_KERNEL;
    CopyFileRangeUnsure / CopyFileRangeUnsureSeen: CopyFileRange, File, UNKNOWN;
    CopyFileRangeUnknown / CopyFileRangeUnknownSeen: CopyFileRange, Unknown, UNKNOWN;
    MmapFile: Mmap, File, NONE;
    MmapUnknown: Mmap, Unknown, NONE;
    DirectIo: DirectIo, File, MOVED;
    /// On a file system that may fall back to its cache.
    DirectIoUnsure / DirectIoUnsureSeen: DirectIo, File, UNKNOWN;
    IoUringReadFile / IoUringReadFileSeen: IoUring, File, TO_USER;
    IoUringReadSocket / IoUringReadSocketSeen: IoUring, Socket, TO_USER;
    IoUringReadPipe / IoUringReadPipeSeen: IoUring, Pipe, TO_USER;
    IoUringReadOther / IoUringReadOtherSeen: IoUring, Other, TO_USER;
    /// `/dev/zero` and `/dev/null`, either way.
    IoUringNull: IoUring, Other, NONE;
    IoUringWriteFile / IoUringWriteFileSeen: IoUring, File, FROM_USER;
    IoUringWriteSocket / IoUringWriteSocketSeen: IoUring, Socket, FROM_USER;
    IoUringWritePipe / IoUringWritePipeSeen: IoUring, Pipe, FROM_USER;
    IoUringWriteOther / IoUringWriteOtherSeen: IoUring, Other, FROM_USER;
    IoUringDirect: IoUring, File, MOVED;
    /// `SEND_ZC`: as `MSG_ZEROCOPY`.
    IoUringZerocopy / IoUringZerocopySeen: IoUring, Socket, UNKNOWN;
    IoUringFileUnsure / IoUringFileUnsureSeen: IoUring, File, UNKNOWN;
    IoUringSocketUnsure / IoUringSocketUnsureSeen: IoUring, Socket, UNKNOWN;
    IoUringPipeUnsure / IoUringPipeUnsureSeen: IoUring, Pipe, UNKNOWN;
    IoUringOtherUnsure / IoUringOtherUnsureSeen: IoUring, Other, UNKNOWN;
    IoUringUnknown / IoUringUnknownSeen: IoUring, Unknown, UNKNOWN;
    /// One copy: the remote pages are pinned.
    ProcessVmRead / ProcessVmReadSeen: ProcessVm, Other, TO_USER;
    ProcessVmWrite / ProcessVmWriteSeen: ProcessVm, Other, FROM_USER;
}

impl Flow {
    /// How many flows there are.
    pub const COUNT: usize = FLOWS.len();

    /// The row of this flow.
    #[must_use]
    pub const fn row(self) -> &'static FlowRow {
        &FLOWS[self as usize]
    }
}

/// What a program asks of a flow, by position in [`Flow::ALL`]: tables that any byte can
/// index, as the verifier wants it.
pub mod table {
    use super::{Copies, Direction, FLOWS, Flow};
    use crate::counter::Checked;

    /// How many positions a byte can name.
    pub const POSITIONS: usize = 256;

    /// [`Flow::seen`] of each flow.
    pub const SEEN: [u8; POSITIONS] = {
        let mut table = [0; POSITIONS];
        let mut row = 0;
        while row < Flow::ALL.len() {
            table[row] = Flow::ALL[row].seen() as u8;
            row += 1;
        }
        table
    };

    /// The route of each flow, as a position in [`Route::ALL`](super::Route::ALL).
    pub const ROUTE: [u8; POSITIONS] = {
        let mut table = [0; POSITIONS];
        let mut row = 0;
        while row < FLOWS.len() {
            table[row] = FLOWS[row].route as u8;
            row += 1;
        }
        table
    };

    /// [`NOTHING`], [`MOVED`], [`COPIED`] or [`UNSURE`].
    pub const HANDS: [u8; POSITIONS] = {
        let mut table = [NOTHING; POSITIONS];
        let mut row = 0;
        while row < FLOWS.len() {
            table[row] = match FLOWS[row].copies {
                Copies::None => NOTHING,
                Copies::Moved => MOVED,
                Copies::Once(_) => COPIED,
                Copies::Unknown => UNSURE,
            };
            row += 1;
        }
        table
    };

    /// For each flow, in which direction its bytes are copied once: a position in
    /// [`Checked::ALL`](crate::counter::Checked::ALL), or [`NEITHER`].
    pub const CHECKED: [u8; POSITIONS] = {
        let mut table = [NEITHER; POSITIONS];
        let mut row = 0;
        while row < FLOWS.len() {
            table[row] = match FLOWS[row].copies {
                Copies::Once(Direction::ToUser) => Checked::ToUser as u8,
                Copies::Once(Direction::FromUser) => Checked::FromUser as u8,
                Copies::None | Copies::Moved | Copies::Once(_) | Copies::Unknown => NEITHER,
            };
            row += 1;
        }
        table
    };

    /// Not between the kernel and user memory, or not known.
    pub const NEITHER: u8 = 2;
    // Of a flow that is [`COPIED`], the same is a position in `Direction::ALL`.
    const _: () = assert!(
        Direction::ToUser as u8 == Checked::ToUser as u8
            && Direction::FromUser as u8 == Checked::FromUser as u8
            && Direction::InKernel as u8 == NEITHER
    );
    /// [`Copies::None`].
    pub const NOTHING: u8 = 0;
    /// [`Copies::Moved`].
    pub const MOVED: u8 = 1;
    /// [`Copies::Once`].
    pub const COPIED: u8 = 2;
    /// [`Copies::Unknown`].
    pub const UNSURE: u8 = 3;
}
