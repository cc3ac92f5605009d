//! Reads and writes of pipes, and pipes emptied into user memory.

use aya_ebpf::{macros::fexit, programs::FExitContext};

use crate::{
    copies::{Way, of_file, of_user},
    iter::Iter,
};

/// A function of prototype
/// `ssize_t (struct kiocb *iocb, struct iov_iter *iter)` (fs/pipe.c).
macro_rules! pipe_function {
    ($($name:ident, $way:ident;)+) => {
        $(
            #[fexit]
            pub fn $name(ctx: FExitContext) -> i32 {
                // SAFETY: a typed `iov_iter` pointer: the loader checks the prototype.
                let memory = unsafe { Iter::new(ctx.arg(1)) }.memory();
                of_file(Way::$way, ctx.arg(0), memory, ctx.arg(2));
                0
            }
        )+
    };
}

// Renamed in 6.16, where FIFOs got a function around them.
pipe_function! {
    pipe_read, Read;
    pipe_write, Write;
    anon_pipe_read, Read;
    anon_pipe_write, Write;
}

/// `int pipe_to_user(struct pipe_inode_info *pipe, struct pipe_buffer *buf,
/// struct splice_desc *sd)` (fs/splice.c): `vmsplice(2)` out of a pipe.
#[fexit(function = "pipe_to_user")]
pub fn pipe_to_user(ctx: FExitContext) -> i32 {
    of_user(Way::Read, i64::from(ctx.arg::<i32>(3)));
    0
}
