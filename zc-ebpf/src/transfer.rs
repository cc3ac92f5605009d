//! From a system call that returned to the flow and the bytes it moved.

use aya_ebpf::bindings::pt_regs;
use zc_common::{
    classify::{self, MSG_TRUNC},
    flow::Flow,
    slot::Lost,
    syscall::Io,
};

use crate::{
    charge::lost,
    descriptor::{self, File},
    memory,
    settings::{SENDFILE_LINKS, on},
};

/// The arguments of a system call, as the registers still hold them on return.
pub struct Call {
    /// First to sixth.
    pub arguments: [u64; 6],
    /// What it returned: positive.
    pub returned: u64,
}

impl Call {
    /// Loads the arguments (`arch/x86/entry/entry_64.S`: rdi, rsi, rdx, r10, r8,
    /// r9), none of which the kernel changes on the way.
    #[inline(always)]
    pub fn new(registers: *const pt_regs, returned: u64) -> Self {
        // SAFETY: the verifier knows `registers` as a `pt_regs` and checks each
        // load.
        let arguments = unsafe {
            [
                (&raw const (*registers).rdi).read_volatile(),
                (&raw const (*registers).rsi).read_volatile(),
                (&raw const (*registers).rdx).read_volatile(),
                (&raw const (*registers).r10).read_volatile(),
                (&raw const (*registers).r8).read_volatile(),
                (&raw const (*registers).r9).read_volatile(),
            ]
        };
        Self { arguments, returned }
    }
}

/// `MAP_ANONYMOUS` (`include/uapi/asm-generic/mman-common.h`).
const MAP_ANONYMOUS: u64 = 0x20;

/// Which flow the call was, and its bytes; none if it moved nothing.
#[inline(always)]
pub fn decode(io: u8, call: &Call) -> Option<(Flow, u64)> {
    const READ: u8 = Io::Read as u8;
    const WRITE: u8 = Io::Write as u8;
    let [first, second, third, fourth, ..] = call.arguments;
    let flow = match io {
        READ => classify::read(descriptor::kind_to_move(first)),
        WRITE => classify::write(descriptor::kind_to_move(first)),
        io if io == Io::Recvfrom as u8 => receive(call, fourth, Some(third)),
        io if io == Io::Recvmsg as u8 => receive(call, third, None),
        io if io == Io::Recvmmsg as u8 => return messages(call, Flow::Recv, fourth),
        io if io == Io::Sendto as u8 => classify::send(fourth),
        io if io == Io::Sendmsg as u8 => classify::send(third),
        io if io == Io::Sendmmsg as u8 => return messages(call, classify::send(fourth), 0),
        io if io == Io::Sendfile as u8 => sendfile(second, first),
        io if io == Io::Splice as u8 => {
            classify::splice(descriptor::kind_to_splice(first), descriptor::kind_to_splice(third))
        }
        io if io == Io::CopyFileRange as u8 => {
            classify::copy_file_range(descriptor::kind(first), descriptor::kind(third))
        }
        io if io == Io::Vmsplice as u8 => vmsplice(first),
        io if io == Io::Tee as u8 => Flow::Tee,
        io if io == Io::Mmap as u8 => return mmap(call),
        io if io == Io::ProcessVmRead as u8 => Flow::ProcessVmRead,
        io if io == Io::ProcessVmWrite as u8 => Flow::ProcessVmWrite,
        _ => return None,
    };
    // No such call moves more (`MAX_RW_COUNT`, include/linux/fs.h): a result that a
    // tracer or a seccomp supervisor made up.
    (call.returned <= MOST).then_some((flow, call.returned))
}

/// From one descriptor to another.
#[inline(always)]
fn sendfile(from: u64, to: u64) -> Flow {
    let flow = classify::sendfile(descriptor::kind_to_splice(from), descriptor::kind_to_splice(to));
    let unsure = flow as u8 == Flow::SendfilePipe as u8 && !on(&SENDFILE_LINKS);
    if unsure { Flow::SendfilePipeUnsure } else { flow }
}

/// `MAX_RW_COUNT` with pages of 4 KiB.
const MOST: u64 = 0x7fff_f000;

/// A receive of one message into `room` bytes, where the call says.
#[inline(always)]
fn receive(call: &Call, flags: u64, room: Option<u64>) -> Flow {
    if flags & MSG_TRUNC == 0 {
        return Flow::Recv;
    }
    let fits = match room {
        Some(room) => call.returned <= room,
        None => !was_truncated(call.arguments[1]),
    };
    match descriptor::file(call.arguments[0]) {
        Some(file) => file.truncation().flow(fits),
        None => Flow::RecvUnknown,
    }
}

/// Whether the kernel marked a received `struct user_msghdr` as truncated; so
/// taken if it cannot be read.
#[inline(always)]
fn was_truncated(header: u64) -> bool {
    const MSG_FLAGS: u64 = 48;
    memory::user::<u32>(header + MSG_FLAGS).is_none_or(|flags| u64::from(flags) & MSG_TRUNC != 0)
}

/// Messages of one call (`struct mmsghdr`: 64 bytes, the length at 56).
#[inline(always)]
fn messages(call: &Call, flow: Flow, flags: u64) -> Option<(Flow, u64)> {
    const LIMIT: u64 = 1024; // UIO_MAXIOV (include/uapi/linux/uio.h)
    const SIZE: u64 = 64;
    const LENGTH: u64 = 56;
    let mut bytes = 0;
    for message in 0..LIMIT {
        if message >= call.returned {
            break;
        }
        match memory::user::<u32>(call.arguments[1] + message * SIZE + LENGTH) {
            Some(length) => bytes += u64::from(length),
            None => lost(Lost::UserMemory),
        }
    }
    if call.returned > LIMIT {
        lost(Lost::UserMemory);
    }
    let flow = if flags & MSG_TRUNC == 0 { flow } else { Flow::RecvUnknown };
    (bytes != 0).then_some((flow, bytes))
}

/// Into a pipe through its write end, out of it through its read end.
#[inline(always)]
fn vmsplice(fd: u64) -> Flow {
    match descriptor::file(fd).and_then(File::is_writable) {
        Some(true) => Flow::VmspliceIn,
        Some(false) => Flow::VmspliceOut,
        None => Flow::VmspliceUnknown,
    }
}

/// A mapping of a descriptor: the length asked for.
#[inline(always)]
fn mmap(call: &Call) -> Option<(Flow, u64)> {
    let [_, length, _, flags, fd, _] = call.arguments;
    // No mapping starts within a page: a call that a seccomp filter trapped.
    let trapped = call.returned & 0xfff != 0;
    if flags & MAP_ANONYMOUS != 0 || length == 0 || trapped {
        return None;
    }
    classify::mmap(descriptor::kind(fd)).map(|flow| (flow, length))
}
