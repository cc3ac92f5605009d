//! How data moves: the table of flows.
//!
//! A *flow* is one way for bytes to go, fine enough that the textbook says what
//! the CPU must copy. The kernel half classifies a call into a flow and charges
//! its bytes and its call; every metric about moved bytes and *inferred* copies
//! is a sum over rows of [`FLOWS`].
//!
//! A flow of a call that must copy has a twin, `...Seen`, for when a probe saw a copy
//! while the call ran: what was measured then takes the place of what is inferred.
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
    /// No byte.
    None,
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
    /// Whether the copies of its bytes are measured where the probes of its route are
    /// up: nothing is inferred from it then.
    pub hooked: bool,
}

macro_rules! hooked {
    () => {
        true
    };
    (unhooked) => {
        false
    };
}

/// One row a flow: `Variant: Route, Endpoint, Copies[, unhooked];`.
macro_rules! flows {
    ($($(#[$doc:meta])* $variant:ident: $route:ident, $endpoint:ident, $copies:expr
        $(, $unhooked:ident)?;)+) => {
        /// A way for bytes to go; the rows are in [`FLOWS`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the row is the documentation")]
        pub enum Flow { $($(#[$doc])* $variant,)+ }

        /// THE table of flows, by [`Flow`].
        pub const FLOWS: &[FlowRow] = &[$(FlowRow {
            route: Route::$route, endpoint: Endpoint::$endpoint, copies: $copies,
            hooked: hooked!($($unhooked)?),
        },)+];

        impl Flow {
            /// Every flow, in order of position.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
        }
    };
}

const NONE: Copies = Copies::None;
const TO_USER: Copies = Copies::Once(Direction::ToUser);
const FROM_USER: Copies = Copies::Once(Direction::FromUser);
const IN_KERNEL: Copies = Copies::Once(Direction::InKernel);
const UNKNOWN: Copies = Copies::Unknown;

flows! {
    ReadFile: Read, File, TO_USER, unhooked;
    ReadFileSeen: Read, File, TO_USER;
    ReadSocket: Read, Socket, TO_USER, unhooked;
    ReadSocketSeen: Read, Socket, TO_USER;
    ReadPipe: Read, Pipe, TO_USER, unhooked;
    ReadPipeSeen: Read, Pipe, TO_USER;
    ReadOther: Read, Other, TO_USER, unhooked;
    ReadOtherSeen: Read, Other, TO_USER;
    /// `/dev/zero`: the buffer is filled, nothing is copied.
    ReadZero: Read, Other, NONE;
    ReadUnknown: Read, Unknown, UNKNOWN;
    WriteFile: Write, File, FROM_USER, unhooked;
    WriteFileSeen: Write, File, FROM_USER;
    WriteSocket: Write, Socket, FROM_USER, unhooked;
    WriteSocketSeen: Write, Socket, FROM_USER;
    WritePipe: Write, Pipe, FROM_USER, unhooked;
    WritePipeSeen: Write, Pipe, FROM_USER;
    WriteOther: Write, Other, FROM_USER, unhooked;
    WriteOtherSeen: Write, Other, FROM_USER;
    /// `/dev/null` and `/dev/zero`: the buffer is never looked at.
    WriteNull: Write, Other, NONE;
    WriteUnknown: Write, Unknown, UNKNOWN;
    Recv: Recv, Socket, TO_USER, unhooked;
    RecvSeen: Recv, Socket, TO_USER;
    /// `MSG_TRUNC` on TCP: returned, but thrown away uncopied (`tcp(7)`).
    RecvDiscard: Recv, Socket, NONE;
    /// `MSG_TRUNC` where the socket type is not known, or more than the buffer
    /// held was returned.
    RecvUnknown: Recv, Socket, UNKNOWN;
    Send: Send, Socket, FROM_USER, unhooked;
    SendSeen: Send, Socket, FROM_USER;
    /// Pinned, or copied after all (loopback, no `SO_ZEROCOPY`): not known here.
    MsgZerocopy: MsgZerocopy, Socket, UNKNOWN;
    /// A buffered file always copies on write (`iter_file_splice_write`).
    SendfileFile: Sendfile, File, IN_KERNEL, unhooked;
    SendfileFileSeen: Sendfile, File, IN_KERNEL;
    SendfileSocket: Sendfile, Socket, NONE;
    SendfilePipe: Sendfile, Pipe, NONE;
    SendfileNull: Sendfile, Other, NONE;
    SendfileOther: Sendfile, Other, UNKNOWN, unhooked;
    /// From a source that may not link its pages (a device, procfs).
    SendfileFileUnsure: Sendfile, File, UNKNOWN;
    SendfileSocketUnsure: Sendfile, Socket, UNKNOWN;
    SendfilePipeUnsure: Sendfile, Pipe, UNKNOWN;
    SendfileUnknown: Sendfile, Unknown, UNKNOWN;
    SpliceFile: Splice, File, IN_KERNEL, unhooked;
    SpliceFileSeen: Splice, File, IN_KERNEL;
    /// Onto a file opened with `O_DIRECT`.
    SpliceFileUnsure: Splice, File, UNKNOWN;
    SpliceSocket: Splice, Socket, NONE;
    /// Into a socket that may not take pages (datagrams, vsock).
    SpliceSocketUnsure: Splice, Socket, UNKNOWN;
    SplicePipe: Splice, Pipe, NONE;
    SpliceNull: Splice, Other, NONE;
    SpliceOther: Splice, Other, UNKNOWN, unhooked;
    SplicePipeUnsure: Splice, Pipe, UNKNOWN;
    SpliceUnknown: Splice, Unknown, UNKNOWN;
    /// User pages linked into a pipe.
    VmspliceIn: Vmsplice, Pipe, NONE;
    /// A pipe emptied into user memory: always a copy (`pipe_to_user`).
    VmspliceOut: Vmsplice, Pipe, TO_USER, unhooked;
    VmspliceOutSeen: Vmsplice, Pipe, TO_USER;
    VmspliceUnknown: Vmsplice, Unknown, UNKNOWN;
    Tee: Tee, Pipe, NONE;
    /// On file systems that can neither reflink nor copy on a server.
    CopyFileRange: CopyFileRange, File, IN_KERNEL, unhooked;
    CopyFileRangeSeen: CopyFileRange, File, IN_KERNEL;
    CopyFileRangeUnsure: CopyFileRange, File, UNKNOWN;
    CopyFileRangeUnknown: CopyFileRange, Unknown, UNKNOWN;
    MmapFile: Mmap, File, NONE;
    MmapUnknown: Mmap, Unknown, NONE;
    DirectIo: DirectIo, File, NONE;
    /// On a file system that may fall back to its cache.
    DirectIoUnsure: DirectIo, File, UNKNOWN;
    IoUringReadFile: IoUring, File, TO_USER;
    IoUringReadSocket: IoUring, Socket, TO_USER;
    IoUringReadPipe: IoUring, Pipe, TO_USER;
    IoUringReadOther: IoUring, Other, TO_USER, unhooked;
    /// `/dev/zero` and `/dev/null`, either way.
    IoUringNull: IoUring, Other, NONE;
    IoUringWriteFile: IoUring, File, FROM_USER;
    IoUringWriteSocket: IoUring, Socket, FROM_USER;
    IoUringWritePipe: IoUring, Pipe, FROM_USER;
    IoUringWriteOther: IoUring, Other, FROM_USER, unhooked;
    IoUringDirect: IoUring, File, NONE;
    /// `SEND_ZC`: as `MSG_ZEROCOPY`.
    IoUringZerocopy: IoUring, Socket, UNKNOWN;
    IoUringFileUnsure: IoUring, File, UNKNOWN;
    IoUringSocketUnsure: IoUring, Socket, UNKNOWN;
    IoUringPipeUnsure: IoUring, Pipe, UNKNOWN;
    IoUringOtherUnsure: IoUring, Other, UNKNOWN, unhooked;
    IoUringUnknown: IoUring, Unknown, UNKNOWN;
    /// One copy: the remote pages are pinned.
    ProcessVmRead: ProcessVm, Other, TO_USER, unhooked;
    ProcessVmReadSeen: ProcessVm, Other, TO_USER;
    ProcessVmWrite: ProcessVm, Other, FROM_USER, unhooked;
    ProcessVmWriteSeen: ProcessVm, Other, FROM_USER;
}

impl Flow {
    /// How many flows there are.
    pub const COUNT: usize = FLOWS.len();

    /// The flow of the same call if a copy was seen while it ran; other flows have no
    /// such twin.
    #[must_use]
    #[inline(always)]
    #[expect(clippy::wildcard_enum_match_arm, reason = "only flows with a twin are named")]
    pub const fn seen(self) -> Self {
        match self {
            Self::ReadFile => Self::ReadFileSeen,
            Self::ReadSocket => Self::ReadSocketSeen,
            Self::ReadPipe => Self::ReadPipeSeen,
            Self::ReadOther => Self::ReadOtherSeen,
            Self::WriteFile => Self::WriteFileSeen,
            Self::WriteSocket => Self::WriteSocketSeen,
            Self::WritePipe => Self::WritePipeSeen,
            Self::WriteOther => Self::WriteOtherSeen,
            Self::Recv => Self::RecvSeen,
            Self::Send => Self::SendSeen,
            Self::SendfileFile => Self::SendfileFileSeen,
            Self::SpliceFile => Self::SpliceFileSeen,
            Self::VmspliceOut => Self::VmspliceOutSeen,
            Self::CopyFileRange => Self::CopyFileRangeSeen,
            Self::ProcessVmRead => Self::ProcessVmReadSeen,
            Self::ProcessVmWrite => Self::ProcessVmWriteSeen,
            other => other,
        }
    }

    /// The row of this flow.
    #[must_use]
    pub const fn row(self) -> &'static FlowRow {
        &FLOWS[self as usize]
    }
}
