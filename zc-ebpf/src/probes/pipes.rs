//! Reads and writes of pipes, and pipes emptied into user memory.

use crate::{
    call::Return,
    copies::{Way, of_file, of_user},
    iter::Iter,
};

// Functions of prototype `ssize_t (struct kiocb *iocb, struct iov_iter *iter)` (fs/pipe.c),
// renamed in 6.16, where FIFOs got a function around them.
on_return! {
    pipe_read(2) [0, 1] => read;
    pipe_write(2) [0, 1] => write;
    anon_pipe_read(2) [0, 1] => read;
    anon_pipe_write(2) [0, 1] => write;

    /// `int pipe_to_user(struct pipe_inode_info *pipe, struct pipe_buffer *buf,
    /// struct splice_desc *sd)` (fs/splice.c): `vmsplice(2)` out of a pipe.
    pipe_to_user(3) [] => emptied;
}

#[inline(always)]
fn read(call: &impl Return) {
    pipe(call, Way::Read);
}

#[inline(always)]
fn write(call: &impl Return) {
    pipe(call, Way::Write);
}

#[inline(always)]
fn pipe(call: &impl Return, way: Way) {
    let memory = Iter::memory(call, call.argument(1));
    of_file(call, way, call.argument(0), memory, call.returned() as i64);
}

#[inline(always)]
fn emptied(call: &impl Return) {
    of_user(call, Way::Read, i64::from(call.returned() as i32));
}
