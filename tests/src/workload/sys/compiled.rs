//! A function made at run time, named as compilers name theirs for `perf`.

use std::fs::{self, File};
use std::io;
use std::mem;
use std::os::fd::AsRawFd as _;
use std::process;

use super::mem::Buffer;
use super::value;

/// `read(2)` by the C calling convention, with a frame pointer: `push rbp; mov rbp, rsp;
/// xor eax, eax; syscall; pop rbp; ret`.
const CODE: [u8; 10] = [0x55, 0x48, 0x89, 0xe5, 0x31, 0xc0, 0x0f, 0x05, 0x5d, 0xc3];

/// The function. The file that names it stays, as with other compilers.
pub(in crate::workload) struct Compiled(Buffer);

impl Compiled {
    /// Makes it, and says so in `/tmp/perf-PID.map`
    /// (`tools/perf/Documentation/jit-interface.txt` in Linux 6.18).
    pub(in crate::workload) fn new(name: &str) -> io::Result<Self> {
        let mut code = Buffer::untouched(CODE.len())?;
        code.copy_from_slice(&CODE);
        let executable = libc::PROT_READ | libc::PROT_EXEC;
        // SAFETY: the range is the buffer's, to which nobody writes from here on.
        value(unsafe { libc::mprotect(code.as_mut_ptr().cast(), CODE.len(), executable) })?;
        let names = format!("/tmp/perf-{}.map", process::id());
        let place = code.as_ptr().addr();
        fs::write(names, format!("{place:x} {:x} {name}\n", CODE.len()))?;
        Ok(Self(code))
    }

    /// Calls it.
    pub(in crate::workload) fn read(&self, file: &File, into: &mut [u8]) -> io::Result<usize> {
        type Read = unsafe extern "C" fn(libc::c_int, *mut u8, usize) -> libc::ssize_t;
        // SAFETY: this is what the code is, and it stays for as long as `self`.
        let read = unsafe { mem::transmute::<*const u8, Read>(self.0.as_ptr()) };
        // SAFETY: `into` is writable for its whole length.
        let result = unsafe { read(file.as_raw_fd(), into.as_mut_ptr(), into.len()) };
        let error = i32::try_from(-result).unwrap_or(libc::EIO);
        usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(error))
    }
}
