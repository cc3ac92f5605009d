//! What stands behind a descriptor, as far as copying is concerned.

use crate::flow::Endpoint;

/// What a descriptor refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A regular file or block device behind the page cache.
    File,
    /// The same on a file system where `copy_file_range(2)` can only copy: no
    /// reflink, no copy on a server.
    PlainFile,
    /// A file or block device opened with `O_DIRECT`, where that means no copy.
    DirectFile,
    /// The same where it need not: the file system may fall back to its cache.
    DirectOpaque,
    /// A regular file that need not lie in the page cache: made up by the kernel
    /// (procfs, sysfs), or on a file system that zc does not know.
    Opaque,
    /// A socket; where bytes are spliced, one that need not link pages.
    Socket,
    /// A TCP socket: links pages both ways.
    TcpSocket,
    /// A unix stream: links pages that are sent, copies the start of what is
    /// received.
    UnixStream,
    /// A pipe or FIFO.
    Pipe,
    /// `/dev/null`, `/dev/zero`, `/dev/full`: nothing is ever copied.
    Null,
    /// Any other character device, directory or anonymous inode.
    Other,
    /// Not resolved.
    Unknown,
}

/// What the kernel says of an open file.
#[derive(Clone, Copy, Debug)]
pub struct Inode {
    /// `inode.i_mode`.
    pub mode: u32,
    /// `inode.i_rdev`, major number from bit 20 (`include/linux/kdev_t.h`).
    pub device: u32,
    /// `super_block.s_magic`.
    pub magic: u64,
    /// `file.f_flags`.
    pub flags: u32,
}

/// The bits of `i_mode` that tell the type (`include/uapi/linux/stat.h`).
pub const TYPE_MASK: u32 = 0o170_000;
/// `S_IFREG`.
pub const REGULAR: u32 = 0o100_000;
/// `S_IFBLK`.
pub const BLOCK: u32 = 0o060_000;
/// `S_IFCHR`.
pub const CHARACTER: u32 = 0o020_000;
/// `S_IFSOCK`.
pub const SOCKET: u32 = 0o140_000;
/// `S_IFIFO`.
pub const FIFO: u32 = 0o010_000;
/// `O_DIRECT` on x86-64 (`include/uapi/asm-generic/fcntl.h`).
pub const O_DIRECT: u32 = 0o40_000;

/// `/dev/null`, `/dev/zero` and `/dev/full` (`drivers/char/mem.c`).
const MEMORY_MAJOR: u32 = 1;
const NULL_MINORS: [u32; 3] = [3, 5, 7];

/// Magic numbers of file systems (`include/uapi/linux/magic.h`).
mod magic {
    /// Regular files inside, but not to the user: anonymous inodes, DMA buffers.
    pub(super) const ANONYMOUS: [u64; 2] = [0x0904_1934, 0x444d_4142];
    /// Memory file systems: `O_DIRECT`, where they take it, is buffered.
    pub(super) const MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6]; // tmpfs, ramfs
    /// Disk file systems without reflink, where `O_DIRECT` does not copy.
    pub(super) const PLAIN: [u64; 1] = [0xef53]; // ext2, ext3, ext4
    /// The same with reflink.
    pub(super) const REFLINK: [u64; 1] = [0x5846_5342]; // xfs
    /// Others behind the page cache, where `O_DIRECT` may fall back to it.
    pub(super) const CACHED: [u64; 9] = [
        0x9123_683e, // btrfs
        0xf2f5_2010, // f2fs
        0x794c_7630, // overlayfs
        0x4d44,      // fat
        0x2011_bab0, // exfat
        0x6969,      // nfs
        0x9660,      // iso9660
        0x7371_7368, // squashfs
        0xe0f5_e1e2, // erofs
    ];
}

/// Whether a file system keeps its files in memory, by its magic number: there is no disk
/// behind them, and `O_DIRECT` copies.
#[must_use]
#[inline(always)]
pub const fn is_in_memory(magic: u64) -> bool {
    among(magic, &magic::MEMORY)
}

/// Whether one of a few numbers is the one; a loop with a constant bound, as
/// the verifier likes it.
const fn among(number: u64, list: &[u64]) -> bool {
    let mut position = 0;
    while position < list.len() {
        if list[position] == number {
            return true;
        }
        position += 1;
    }
    false
}

impl Inode {
    /// What this is.
    #[must_use]
    #[inline(always)]
    pub const fn kind(self) -> Kind {
        match self.mode & TYPE_MASK {
            SOCKET => Kind::Socket,
            FIFO => Kind::Pipe,
            CHARACTER => self.character(),
            BLOCK => self.buffered(Kind::File),
            REGULAR => self.regular(),
            _ => Kind::Other,
        }
    }

    const fn character(self) -> Kind {
        let (major, minor) = (self.device >> 20, self.device & 0xf_ffff);
        let null = minor == NULL_MINORS[0] || minor == NULL_MINORS[1] || minor == NULL_MINORS[2];
        if major == MEMORY_MAJOR && null { Kind::Null } else { Kind::Other }
    }

    /// Since 6.16 anonymous inodes are regular files inside (`fs/anon_inodes.c`).
    const fn regular(self) -> Kind {
        let direct = self.flags & O_DIRECT != 0;
        if among(self.magic, &magic::ANONYMOUS) {
            Kind::Other
        } else if among(self.magic, &magic::MEMORY) {
            // Spliced from with O_DIRECT set, it is copied (`do_splice_read`).
            if direct { Kind::Opaque } else { Kind::PlainFile }
        } else if among(self.magic, &magic::PLAIN) {
            self.buffered(Kind::PlainFile)
        } else if among(self.magic, &magic::REFLINK) {
            self.buffered(Kind::File)
        } else if direct {
            Kind::DirectOpaque
        } else if among(self.magic, &magic::CACHED) {
            Kind::File
        } else {
            Kind::Opaque
        }
    }

    const fn buffered(self, kind: Kind) -> Kind {
        if self.flags & O_DIRECT != 0 { Kind::DirectFile } else { kind }
    }
}

/// `SOCK_STREAM` (`include/linux/net.h`).
pub const SOCK_STREAM: u16 = 1;
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

impl Kind {
    /// Every kind, in order of position.
    pub const ALL: &'static [Self] = &[
        Self::File,
        Self::PlainFile,
        Self::DirectFile,
        Self::DirectOpaque,
        Self::Opaque,
        Self::Socket,
        Self::TcpSocket,
        Self::UnixStream,
        Self::Pipe,
        Self::Null,
        Self::Other,
        Self::Unknown,
    ];

    /// What a socket of this type and family is, where bytes are spliced.
    #[must_use]
    #[inline(always)]
    pub const fn of_socket(socket_type: u16, family: u16) -> Self {
        match (socket_type, family) {
            (SOCK_STREAM, AF_INET | AF_INET6) => Self::TcpSocket,
            (SOCK_STREAM, AF_UNIX) => Self::UnixStream,
            _ => Self::Socket,
        }
    }

    /// The endpoint it counts as.
    #[must_use]
    pub const fn endpoint(self) -> Endpoint {
        match self {
            Self::File | Self::PlainFile | Self::DirectFile | Self::DirectOpaque | Self::Opaque => {
                Endpoint::File
            }
            Self::Socket | Self::TcpSocket | Self::UnixStream => Endpoint::Socket,
            Self::Pipe => Endpoint::Pipe,
            Self::Null | Self::Other => Endpoint::Other,
            Self::Unknown => Endpoint::Unknown,
        }
    }

    /// Whether a splice out of it links pages rather than copying them.
    #[must_use]
    #[inline(always)]
    pub const fn links_pages(self) -> bool {
        matches!(self, Self::File | Self::PlainFile | Self::TcpSocket | Self::Pipe)
    }
}
