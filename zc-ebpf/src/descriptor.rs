//! What a descriptor of the running process refers to.
//!
//! `files_struct.fdt -> fdtable.fd[n] -> file -> inode`. The first steps are
//! typed loads where the kernel has a typed current task; the table itself is an
//! array of pointers, which only `bpf_probe_read_kernel` can index.

use zc_common::{
    classify::Truncation,
    file::{BLOCK, CHARACTER, Inode, Kind, O_DIRECT, REGULAR, TYPE_MASK},
    settings::ABSENT,
};

use crate::{
    memory,
    settings::{
        FDTABLE_FD, FDTABLE_MAX_FDS, FILE_FLAGS, FILE_INODE, FILE_MODE, FILE_PRIVATE_DATA,
        FILES_FDT, INODE_FLAGS, INODE_MODE, INODE_RDEV, INODE_SB, READ_KERNEL, SOCK_FAMILY,
        SOCKET_SK, SOCKET_TYPE, SUPER_BLOCK_MAGIC, on,
    },
    task::{self, Task},
};

/// `FMODE_WRITE` (`include/linux/fs.h`).
const WRITABLE: u32 = 2;

/// `S_ANON_INODE` (`include/linux/fs.h`, since 6.16, when they became regular files inside).
const ANONYMOUS: u32 = 1 << 19;

/// The address of an open `struct file`.
#[derive(Clone, Copy)]
pub struct File(u64);

/// The file behind descriptor `fd`; none if it was closed meanwhile or the
/// kernel does not let it be read.
#[inline(always)]
pub fn file(fd: u64) -> Option<File> {
    if !on(&READ_KERNEL) {
        return None;
    }
    let (table, size) = match Task::current() {
        Some(task) => typed_table(task),
        None => bare_table()?,
    };
    let fd = fd & 0xffff_ffff;
    if fd >= u64::from(size) {
        return None;
    }
    let file: u64 = memory::kernel(table + 8 * fd)?;
    (file != 0).then_some(File(file))
}

/// The array of files and its size, by typed loads.
#[inline(always)]
fn typed_table(task: Task) -> (u64, u32) {
    let files = task.files();
    // SAFETY: the verifier knows `files` as a `files_struct` and checks each
    // load against its BTF.
    unsafe {
        let fdt = files.wrapping_add(FILES_FDT.load() as usize).cast::<*const u8>().read_volatile();
        let table = fdt.wrapping_add(FDTABLE_FD.load() as usize).cast::<u64>().read_volatile();
        let size = fdt.wrapping_add(FDTABLE_MAX_FDS.load() as usize).cast::<u32>().read_volatile();
        (table, size)
    }
}

/// The array of files and its size, by reads of kernel memory.
#[inline(always)]
fn bare_table() -> Option<(u64, u32)> {
    let files = task::current_files()?;
    let fdt: u64 = memory::kernel(files + u64::from(FILES_FDT.load()))?;
    let table = memory::kernel(fdt + u64::from(FDTABLE_FD.load()))?;
    let size = memory::kernel(fdt + u64::from(FDTABLE_MAX_FDS.load()))?;
    Some((table, size))
}

/// The kind of what `fd` refers to.
#[inline(never)]
#[unsafe(export_name = "descriptor_kind")]
pub fn kind(fd: u64) -> Kind {
    file(fd).map_or(Kind::Unknown, File::kind)
}

/// The same for a read or write: which file it is makes no difference, unless it asks for
/// direct I/O.
#[inline(never)]
#[unsafe(export_name = "descriptor_kind_to_move")]
pub fn kind_to_move(fd: u64) -> Kind {
    file(fd).map_or(Kind::Unknown, |file| file.kind_to_move().unwrap_or(Kind::Unknown))
}

/// The same, with sockets told apart: not all of them link pages.
#[inline(never)]
#[unsafe(export_name = "descriptor_kind_to_splice")]
pub fn kind_to_splice(fd: u64) -> Kind {
    let Some(file) = file(fd) else { return Kind::Unknown };
    match file.kind() {
        Kind::Socket => {
            file.socket().map_or(Kind::Socket, |(kind, family)| Kind::of_socket(kind, family))
        }
        kind => kind,
    }
}

impl File {
    /// Takes the address of a `struct file` found elsewhere.
    #[inline(always)]
    pub fn at(address: u64) -> Self {
        Self(address)
    }

    #[inline(always)]
    pub fn kind(self) -> Kind {
        self.inode().map_or(Kind::Unknown, Inode::kind)
    }

    /// Its kind by no more reads than that takes.
    #[inline(always)]
    fn kind_to_move(self) -> Option<Kind> {
        let (inode, flags): (u64, u32) = memory::two(self.0, [&FILE_INODE, &FILE_FLAGS])?;
        let (mode, inode_flags): (u16, u32) = memory::two(inode, [&INODE_MODE, &INODE_FLAGS])?;
        let mut read = Inode { mode: mode.into(), device: 0, magic: 0, flags };
        Some(match read.mode & TYPE_MASK {
            CHARACTER => {
                read.device = memory::kernel(inode + u64::from(INODE_RDEV.load()))?;
                read.kind()
            }
            REGULAR | BLOCK if flags & O_DIRECT != 0 => self.kind(),
            _ if inode_flags & ANONYMOUS != 0 => Kind::Other,
            REGULAR | BLOCK => Kind::File,
            _ => read.kind(),
        })
    }

    /// Reads no more of the inode than its type asks for.
    #[inline(always)]
    fn inode(self) -> Option<Inode> {
        let inode: u64 = memory::kernel(self.0 + u64::from(FILE_INODE.load()))?;
        let mode: u16 = memory::kernel(inode + u64::from(INODE_MODE.load()))?;
        let mut read = Inode { mode: u32::from(mode), device: 0, magic: 0, flags: 0 };
        match read.mode & TYPE_MASK {
            CHARACTER => read.device = memory::kernel(inode + u64::from(INODE_RDEV.load()))?,
            REGULAR | BLOCK => {
                let sb: u64 = memory::kernel(inode + u64::from(INODE_SB.load()))?;
                read.magic = memory::kernel(sb + u64::from(SUPER_BLOCK_MAGIC.load()))?;
                read.flags = memory::kernel(self.0 + u64::from(FILE_FLAGS.load()))?;
            }
            _ => {}
        }
        Some(read)
    }

    /// Whether it was opened for writing.
    #[inline(always)]
    pub fn is_writable(self) -> Option<bool> {
        let mode: u32 = memory::kernel(self.0 + u64::from(FILE_MODE.load()))?;
        Some(mode & WRITABLE != 0)
    }

    /// How it treats `MSG_TRUNC`, if it is a socket.
    #[inline(always)]
    pub fn truncation(self) -> Truncation {
        self.socket().map_or(Truncation::Unknown, |(socket_type, family)| {
            Truncation::of(socket_type, family)
        })
    }

    /// Type and family of the socket behind it.
    #[inline(always)]
    fn socket(self) -> Option<(u16, u16)> {
        if SOCKET_TYPE.load() == ABSENT || SOCK_FAMILY.load() == ABSENT {
            return None;
        }
        let socket: u64 = memory::kernel(self.0 + u64::from(FILE_PRIVATE_DATA.load()))?;
        let socket_type: u16 = memory::kernel(socket + u64::from(SOCKET_TYPE.load()))?;
        let sk: u64 = memory::kernel(socket + u64::from(SOCKET_SK.load()))?;
        let family: u16 = memory::kernel(sk + u64::from(SOCK_FAMILY.load()))?;
        Some((socket_type, family))
    }
}
