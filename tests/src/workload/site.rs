//! A copy at a known place: a function that makes its system call itself, so that no
//! library's stands between it and the kernel.

use std::arch::asm;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result};

use super::Params;
use super::processes::hold;
use super::step::{exactly, open_data};
use super::sys::compiled::Compiled;

/// The name of the function, as its symbol ends.
pub const KNOWN_SITE: &str = "site::read_at_a_known_place";
/// The name of one that is made at run time.
pub const KNOWN_COMPILED: &str = "compiled::read_at_a_known_place";

/// Waits as [`hold`] does, then reads the file of a case at a known place, which may be
/// compiled at run time.
///
/// # Errors
///
/// If the file is not prepared, or cannot be read.
pub fn known_site(params: &Params, compiled: bool) -> Result<()> {
    let file = open_data(params)?;
    let mut buffer = params.buffer()?;
    let compiled = compiled.then(|| Compiled::new(KNOWN_COMPILED)).transpose()?;
    hold()?;
    for chunk in params.chunks() {
        let into = &mut buffer[..chunk.len];
        let read = match &compiled {
            Some(compiled) => compiled.read(&file, into),
            None => read_at_a_known_place(&file, into),
        };
        exactly("read", read, chunk.len)?;
    }
    // What is mapped is looked at while the process lives.
    hold().context("cannot wait at the end")
}

/// `read(2)`.
#[inline(never)]
fn read_at_a_known_place(file: &File, into: &mut [u8]) -> io::Result<usize> {
    let result: i64;
    // SAFETY: `into` is writable for its whole length; the kernel changes rcx and r11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") libc::SYS_read => result,
            in("rdi") i64::from(file.as_raw_fd()),
            in("rsi") into.as_mut_ptr(),
            in("rdx") into.len(),
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    let number = i32::try_from(-result).unwrap_or(libc::EIO);
    usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(number))
}
