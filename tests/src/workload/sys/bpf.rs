//! `bpf(2)`: a program that sends the packets of an interface to an AF_XDP socket.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Commands, types and flags (`include/uapi/linux/bpf.h`, `if_link.h`).
const MAP_CREATE: libc::c_long = 0;
const MAP_UPDATE: libc::c_long = 2;
const PROG_LOAD: libc::c_long = 5;
const LINK_CREATE: libc::c_long = 28;
const XSKMAP: u32 = 17;
const XDP_PROGRAM: u32 = 6;
const ATTACH_XDP: u32 = 37;
const SKB_MODE: u32 = 2;

/// A program at work until it is dropped.
pub(in crate::workload) struct Redirection {
    _map: OwnedFd,
    _link: OwnedFd,
}

/// Sends all packets that `interface` receives to `socket`.
pub(super) fn redirect(socket: &OwnedFd, interface: u32) -> io::Result<Redirection> {
    let map = descriptor(MAP_CREATE, &[XSKMAP, 4, 4, 1])?;
    let (key, value) = (0_u32, socket.as_raw_fd());
    let addresses = [(&raw const key).addr() as u64, (&raw const value).addr() as u64];
    let map_number = map.as_raw_fd() as u64;
    call(MAP_UPDATE, &[map_number, addresses[0], addresses[1], 0])?;
    let program = [
        // r2 = the queue's number; r1 = the map; r3 = XDP_PASS
        instruction(0x61, 2, 1, 16, 0),
        instruction(0x18, 1, 1, 0, map.as_raw_fd()),
        0,
        instruction(0xb7, 3, 0, 0, 2),
        // bpf_redirect_map; return what it returned
        instruction(0x85, 0, 0, 0, 51),
        instruction(0x95, 0, 0, 0, 0),
    ];
    let license = c"GPL";
    let (code, words) = (program.as_ptr().addr() as u64, program.len() as u64);
    let load = [u64::from(XDP_PROGRAM) | words << 32, code, license.as_ptr().addr() as u64];
    let program = descriptor(PROG_LOAD, &load)?;
    let link = [program.as_raw_fd().cast_unsigned(), interface, ATTACH_XDP, SKB_MODE];
    Ok(Redirection { _map: map, _link: descriptor(LINK_CREATE, &link)? })
}

/// One instruction: `struct bpf_insn`.
fn instruction(code: u8, to: u8, from: u8, offset: u16, value: i32) -> u64 {
    u64::from(code)
        | u64::from(to | from << 4) << 8
        | u64::from(offset) << 16
        | u64::from(value.cast_unsigned()) << 32
}

fn descriptor<T>(command: libc::c_long, attributes: &[T]) -> io::Result<OwnedFd> {
    let fd = i32::try_from(call(command, attributes)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor, so nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn call<T>(command: libc::c_long, attributes: &[T]) -> io::Result<libc::c_long> {
    let (from, size) = (attributes.as_ptr(), size_of_val(attributes));
    // SAFETY: the attributes are readable for the size given with them, as is what they
    // point to; the kernel takes what is missing for zero.
    let returned = unsafe { libc::syscall(libc::SYS_bpf, command, from, size) };
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}
