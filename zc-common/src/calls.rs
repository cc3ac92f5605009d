//! The system calls that are hooked one by one, so that all others cost nothing: those that
//! move bytes, and those whose requests copy by rules of their own.

use crate::syscall::{NUMBERS, SYSCALLS, Syscall};

/// One row a call: `program: "name", "function";`. Calls back `$with!` once with every row,
/// so that both halves derive from one list.
#[macro_export]
macro_rules! hooked_calls {
    ($with:ident) => {
        $with! {
            call_read: "read", "__x64_sys_read";
            call_pread: "pread64", "__x64_sys_pread64";
            call_readv: "readv", "__x64_sys_readv";
            call_preadv: "preadv", "__x64_sys_preadv";
            call_preadv2: "preadv2", "__x64_sys_preadv2";
            call_write: "write", "__x64_sys_write";
            call_pwrite: "pwrite64", "__x64_sys_pwrite64";
            call_writev: "writev", "__x64_sys_writev";
            call_pwritev: "pwritev", "__x64_sys_pwritev";
            call_pwritev2: "pwritev2", "__x64_sys_pwritev2";
            call_recvfrom: "recvfrom", "__x64_sys_recvfrom";
            call_recvmsg: "recvmsg", "__x64_sys_recvmsg";
            call_recvmmsg: "recvmmsg", "__x64_sys_recvmmsg";
            call_sendto: "sendto", "__x64_sys_sendto";
            call_sendmsg: "sendmsg", "__x64_sys_sendmsg";
            call_sendmmsg: "sendmmsg", "__x64_sys_sendmmsg";
            call_sendfile: "sendfile", "__x64_sys_sendfile64";
            call_splice: "splice", "__x64_sys_splice";
            call_tee: "tee", "__x64_sys_tee";
            call_vmsplice: "vmsplice", "__x64_sys_vmsplice";
            call_process_vm_readv: "process_vm_readv", "__x64_sys_process_vm_readv";
            call_process_vm_writev: "process_vm_writev", "__x64_sys_process_vm_writev";
            call_copy_file_range: "copy_file_range", "__x64_sys_copy_file_range";
            call_mmap: "mmap", "__x64_sys_mmap";
            call_ioctl: "ioctl", "__x64_sys_ioctl";
            call_io_uring_enter: "io_uring_enter", "__x64_sys_io_uring_enter";
        }
    };
}

macro_rules! list {
    ($($program:ident: $name:literal, $function:literal;)+) => {
        const NAMES: &[&str] = &[$($name,)+];
    };
}

hooked_calls!(list);

/// Whether each number is of a hooked call: 1 or 0.
pub const IS_HOOKED: [u8; NUMBERS] = {
    let mut hooked = [0; NUMBERS];
    let mut row = 0;
    while row < NAMES.len() {
        hooked[named(NAMES[row]).number] = 1;
        row += 1;
    }
    hooked
};

/// The call of a name.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub const fn named(name: &str) -> &'static Syscall {
    let mut row = 0;
    while row < SYSCALLS.len() {
        if is_same(SYSCALLS[row].name.as_bytes(), name.as_bytes()) {
            return &SYSCALLS[row];
        }
        row += 1;
    }
    panic!("no such system call")
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut byte = 0;
    while byte < one.len() && byte < other.len() && one[byte] == other[byte] {
        byte += 1;
    }
    byte == one.len() && byte == other.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscall::Io;

    #[test]
    fn every_call_that_moves_bytes_is_hooked() {
        for call in SYSCALLS {
            let settles = ["ioctl", "io_uring_enter"].contains(&call.name);
            let moves = !matches!(call.io, Io::None | Io::Fork);
            assert_eq!(IS_HOOKED[call.number] == 1, moves || settles, "{}", call.name);
        }
    }
}
