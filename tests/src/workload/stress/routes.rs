//! What one thread of a stress run does its calls on.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::workload::account::{Account, Way};
use crate::workload::size;
use crate::workload::sys::cliff::Cliff;
use crate::workload::sys::{fd, mem};

/// The memory of a thread, and the most that one call asks for.
const PAGES: usize = 16;

/// One thread's descriptors and memory.
pub(super) struct Routes {
    random: u64,
    data: File,
    size: u64,
    out: File,
    pipe: (OwnedFd, OwnedFd),
    tcp: (TcpStream, TcpStream),
    unix: (UnixStream, UnixStream),
    memory: Cliff,
    source: mem::Buffer,
}

impl Routes {
    pub(super) fn new(dir: &Path, seed: u64) -> Result<Self> {
        let data = File::open(dir.join("data")).context("cannot open the input")?;
        let size = data.metadata()?.len();
        let mut writable = OpenOptions::new();
        writable.read(true).write(true).create(true).truncate(true);
        let out = writable.open(dir.join(format!("out-{seed}"))).context("cannot make a file")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen")?;
        let near = TcpStream::connect(listener.local_addr()?).context("cannot connect")?;
        let (far, _) = listener.accept()?;
        near.set_nonblocking(true)?;
        Ok(Self {
            random: 0x9e37_79b9_7f4a_7c15 ^ (seed + 1),
            data,
            size,
            out,
            pipe: fd::pipe(libc::O_NONBLOCK).context("cannot make a pipe")?,
            tcp: (near, far),
            unix: UnixStream::pair().context("cannot make sockets")?,
            memory: Cliff::new(PAGES).context("no memory")?,
            source: mem::Buffer::new(PAGES * mem::page_size()).context("no memory")?,
        })
    }

    /// A number below `limit` (xorshift: the same run every time).
    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % limit.max(1)
    }

    /// How much to ask for, and how much of it there is memory for: now and then less.
    fn sizes(&mut self) -> (usize, usize) {
        let most = (PAGES * mem::page_size()) as u64;
        let asked = 1 + self.below(most);
        let there = if self.below(8) == 0 { self.below(asked) } else { asked };
        (size(asked), size(there))
    }

    /// A few calls by one route.
    pub(super) fn step(&mut self, account: &Account) {
        match self.below(9) {
            0 => self.file(account),
            1 => self.through_pipe(account),
            2 => self.through_tcp(account),
            3 => self.through_unix(account),
            4 => self.sendfile_to_socket(account),
            5 => self.sendfile_to_file(account),
            6 => self.splice(account),
            7 => self.range(account),
            _ => self.own_memory(account),
        }
    }

    fn file(&mut self, account: &Account) {
        let ((asked, there), at) = (self.sizes(), self.below(self.size));
        let span = self.memory.span(there, asked);
        account.call(Way::Read, asked, there < asked, || span.pread(&self.data, at));
        let ((asked, there), at) = (self.sizes(), self.below(self.size));
        let span = self.memory.span(there, asked);
        account.call(Way::Write, asked, there < asked, || span.pwrite(&self.out, at));
    }

    fn through_pipe(&mut self, account: &Account) {
        let (asked, there) = self.sizes();
        let span = self.memory.span(there, asked);
        account.call(Way::Write, asked, there < asked, || span.write(&self.pipe.1));
        self.drain_pipe(account);
    }

    fn drain_pipe(&mut self, account: &Account) {
        let (asked, there) = self.sizes();
        let span = self.memory.span(there, asked);
        account.call(Way::Read, asked, there < asked, || span.read(&self.pipe.0));
    }

    fn through_tcp(&mut self, account: &Account) {
        let (asked, there) = self.sizes();
        let span = self.memory.span(there, asked);
        account.call(Way::Send, asked, there < asked, || span.send(&self.tcp.0));
        self.drain_tcp(account);
    }

    fn drain_tcp(&mut self, account: &Account) {
        let (asked, there) = self.sizes();
        let span = self.memory.span(there, asked);
        account.call(Way::Recv, asked, there < asked, || span.recv(&self.tcp.1));
    }

    fn through_unix(&mut self, account: &Account) {
        let (asked, there) = self.sizes();
        let span = self.memory.span(there, asked);
        account.call(Way::Send, asked, there < asked, || span.send(&self.unix.0));
        let (asked, there) = self.sizes();
        let span = self.memory.span(there, asked);
        account.call(Way::Recv, asked, there < asked, || span.recv(&self.unix.1));
    }

    fn sendfile_to_socket(&mut self, account: &Account) {
        let (asked, _) = self.sizes();
        self.rewind(asked);
        account.call(Way::SendfileSocket, asked, false, || {
            fd::sendfile(&self.tcp.0, &self.data, asked)
        });
        self.drain_tcp(account);
    }

    fn sendfile_to_file(&mut self, account: &Account) {
        let (asked, _) = self.sizes();
        self.rewind(asked);
        account
            .call(Way::SendfileFile, asked, false, || fd::sendfile(&self.out, &self.data, asked));
    }

    /// Into the pipe, and out of it into a file; what does not go remains for others.
    fn splice(&mut self, account: &Account) {
        let (asked, _) = self.sizes();
        self.rewind(asked);
        let flags = libc::SPLICE_F_NONBLOCK;
        account.call(Way::SplicePipe, asked, false, || {
            fd::splice(&self.data, &self.pipe.1, asked, flags)
        });
        account.call(Way::SpliceFile, asked, false, || {
            fd::splice(&self.pipe.0, &self.out, asked, flags)
        });
        self.drain_pipe(account);
    }

    fn range(&mut self, account: &Account) {
        let (asked, _) = self.sizes();
        self.rewind(asked);
        account.call(Way::CopyFileRange, asked, false, || {
            fd::copy_file_range(&self.data, &self.out, asked)
        });
    }

    fn own_memory(&mut self, account: &Account) {
        let (asked, there) = self.sizes();
        let span = self.memory.span(there, asked);
        let from = &self.source[..asked];
        account.call(Way::ProcessVm, asked, there < asked, || span.copy_from(from));
    }

    /// Goes back to the start of both files where less than `len` bytes are left.
    fn rewind(&mut self, len: usize) {
        let back = |mut file: &File, size: u64| -> io::Result<()> {
            use io::Seek as _;
            if file.stream_position()? + len as u64 > size {
                file.rewind()?;
            }
            Ok(())
        };
        // Of a file that cannot be rewound nothing more is read, which is as well.
        let _ = back(&self.data, self.size);
        let _ = back(&self.out, self.size);
    }
}
