//! Mounting.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::value;

/// A file system that is mounted as long as this lives.
pub(in crate::workload) struct Mounted(CString);

/// `mount(2)` of FUSE on a file, by whoever reads `device`.
pub(in crate::workload) fn fuse(at: &Path, device: impl AsFd) -> io::Result<Mounted> {
    let device = device.as_fd().as_raw_fd();
    let options = format!("fd={device},rootmode=100000,user_id=0,group_id=0");
    let (at, options) = (CString::new(at.as_os_str().as_bytes())?, CString::new(options)?);
    let kind = c"fuse".as_ptr();
    // SAFETY: every pointer is to a string that ends in a zero byte.
    value(unsafe { libc::mount(kind, at.as_ptr(), kind, 0, options.as_ptr().cast()) })?;
    Ok(Mounted(at))
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // SAFETY: the path is a string that ends in a zero byte.
        unsafe { libc::umount2(self.0.as_ptr(), libc::MNT_DETACH) };
    }
}
