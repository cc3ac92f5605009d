//! An operation that takes two threads.

use std::{
    io::{Read as _, Write as _, pipe},
    thread,
};

use anyhow::Result;

/// Hands `time` what sends a byte to another thread by a pipe, and awaits it back by another.
pub(super) fn ping_pong(
    time: impl FnOnce(&mut dyn FnMut() -> Result<()>) -> Result<f64>,
) -> Result<f64> {
    let ((mut here, mut answer), (mut there, mut ask)) = (pipe()?, pipe()?);
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut byte = [0];
            while there.read_exact(&mut byte).is_ok() && answer.write_all(&byte).is_ok() {}
        });
        let time = time(&mut || {
            ask.write_all(&[1])?;
            Ok(here.read_exact(&mut [0])?)
        });
        drop(ask);
        time
    })
}
