//! Descriptor numbers, their tables, and the processes that share them.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};

use super::pipes::{pipe_for, write_and_read};
use super::sockets::unix_pair;
use super::step::{done, exactly, input, open_data};
use super::sys::{fd, process};
use super::{Case, Expected, Params, files};

/// A number beyond the first pages of a table of descriptors.
const BIG: i32 = 900;

/// Threads of the case with many.
const THREADS: usize = 8;

/// The environment variable that names the second program of `exec-twice`: a
/// link to this binary, whose name is the second comm.
pub const EXEC_TWICE_SECOND_PROGRAM: &str = "ZC_WORKLOAD_SECOND";

/// The case the second program of `exec-twice` runs once: its rows, and those of
/// a start-up, are what the second comm must show.
pub const EXEC_TWICE_SECOND_CASE: &str = files::READ.name;

/// The input is read through a high number.
pub(super) const BIG_FD: Case = Case::new("big-fd", input, big, expect_read);

/// One number is a file, then a pipe, then a socket: all bytes by each.
pub(super) const FD_REUSE: Case = Case::new("fd-reuse", input, reuse, |params| {
    expect_read(params)
        .writes("pipe", params)
        .reads("pipe", params)
        .writes("socket", params)
        .reads("socket", params)
});

/// Half-way, a child closes the number in its own table and puts a pipe there.
pub(super) const OTHER_TABLE: Case =
    Case::new("close-on-other-table", input, other_table, |params| expect_read(params).forks());

/// Half-way, a child that shares the table replaces the file by a pipe.
pub(super) const SHARED_TABLE: Case =
    Case::new("close-on-shared-table", input, shared_table, |params| {
        let (first, second) = calls_of_halves(params);
        let split = (first * params.chunk).min(params.bytes);
        let rest = params.bytes - split;
        Expected::default()
            .moves_in("read", "file", split, first)
            .moves_in("read", "pipe", rest, second)
            .copies_in("read", "to_user", params.bytes, params.calls())
            .moves_in("write", "pipe", rest, second)
            .copies_in("write", "from_user", rest, second)
            .forks()
    });

/// Eight threads read the chunks in turn.
pub(super) const MANY_THREADS: Case = Case::new("many-threads", input, threads, expect_read);

/// Reads the file, then becomes the program of [`EXEC_TWICE_SECOND_PROGRAM`],
/// which runs [`EXEC_TWICE_SECOND_CASE`]. The rows are those of the first comm.
/// It cannot be repeated: whatever the number, it runs once.
pub(super) const EXEC_TWICE: Case = Case::new("exec-twice", input, exec_twice, expect_read)
    .needs("the environment variable ZC_WORKLOAD_SECOND");

fn expect_read(params: &Params) -> Expected {
    Expected::default().reads("file", params)
}

/// How many calls come before the middle, and how many after it.
fn calls_of_halves(params: &Params) -> (u64, u64) {
    let first = params.calls().div_ceil(2);
    (first, params.calls() - first)
}

fn big(params: &Params) -> Result<()> {
    let file = fd::duplicate(open_data(params)?, BIG).context("cannot use a high descriptor")?;
    if file.as_raw_fd() != BIG {
        bail!("descriptor {BIG} is already in use");
    }
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        exactly("read", fd::read(&file, &mut buffer[..chunk.len]), chunk.len)?;
    }
    Ok(())
}

fn reuse(params: &Params) -> Result<()> {
    let number = fd::duplicate(open_data(params)?, 0).context("cannot copy a descriptor")?;
    let mut buffer = params.buffer()?;
    for chunk in params.chunks() {
        exactly("read", fd::read(&number, &mut buffer[..chunk.len]), chunk.len)?;
    }
    let (read, write) = pipe_for(params)?;
    fd::replace(&number, read).context("cannot replace a file by a pipe")?;
    write_and_read(params, &number, &write)?;
    let (near, far) = unix_pair(params)?;
    fd::replace(&number, far).context("cannot replace a pipe by a socket")?;
    write_and_read(params, &number, &near.into())
}

fn other_table(params: &Params) -> Result<()> {
    let file = open_data(params)?;
    let number = file.as_raw_fd();
    let mut buffer = params.buffer()?;
    let middle = calls_of_halves(params).0 - 1;
    for (chunk, call) in params.chunks().zip(0..) {
        exactly("read", fd::read(&file, &mut buffer[..chunk.len]), chunk.len)?;
        if call == middle {
            let child = process::fork(|| {
                fd::close_number(number)?;
                // Makes the lowest free numbers the ends of a pipe, this one among them.
                let (read, write) = fd::pipe(0)?;
                let taken = [read.as_raw_fd(), write.as_raw_fd()].contains(&number);
                if taken { Ok(()) } else { Err(std::io::ErrorKind::Other.into()) }
            });
            done("fork", child.and_then(process::Child::wait))?;
        }
    }
    Ok(())
}

fn shared_table(params: &Params) -> Result<()> {
    let number = fd::duplicate(open_data(params)?, 0).context("cannot copy a descriptor")?;
    let (read, write) = pipe_for(params)?;
    let mut buffer = params.buffer()?;
    let (first, _) = calls_of_halves(params);
    for (chunk, call) in params.chunks().zip(0..) {
        let buffer = &mut buffer[..chunk.len];
        if call == first {
            let child = process::fork_sharing_descriptors(|| fd::replace(&number, &read));
            done("clone", child.and_then(process::Child::wait))?;
        }
        if call >= first {
            exactly("write", fd::write(&write, buffer), chunk.len)?;
        }
        exactly("read", fd::read(&number, buffer), chunk.len)?;
    }
    Ok(())
}

fn threads(params: &Params) -> Result<()> {
    process::keep_one_arena();
    let file = open_data(params)?;
    thread::scope(|scope| {
        let file = &file;
        let threads: Vec<_> = (0..THREADS)
            .map(|turn| scope.spawn(move || read_in_turn(params, file, turn)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
    })
}

/// Reads every eighth chunk, the first of them being number `turn`.
fn read_in_turn(params: &Params, file: &File, turn: usize) -> Result<()> {
    let mut buffer = params.buffer()?;
    for chunk in params.chunks().skip(turn).step_by(THREADS) {
        exactly("pread", fd::pread(file, &mut buffer[..chunk.len], chunk.at), chunk.len)?;
    }
    Ok(())
}

fn exec_twice(params: &Params) -> Result<()> {
    let program = env::var_os(EXEC_TWICE_SECOND_PROGRAM)
        .with_context(|| format!("{EXEC_TWICE_SECOND_PROGRAM} is not set"))?;
    files::read(params)?;
    let (bytes, chunk) = (params.bytes.to_string(), params.chunk.to_string());
    let [case, run, dir] = [EXEC_TWICE_SECOND_CASE, "run", "--dir"].map(OsStr::new);
    let [bytes, chunk] = [format!("--bytes={bytes}"), format!("--chunk={chunk}")];
    let arguments = [case, run, dir, params.dir.as_os_str(), bytes.as_ref(), chunk.as_ref()];
    let error = process::exec(&program, &arguments);
    Err(error).with_context(|| format!("cannot execute {}", program.display()))
}
