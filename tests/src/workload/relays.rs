//! Relays: bytes that are taken in and put out, unchanged or not, as `zc advise` tells apart.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use rustix::net::{RecvFlags, recv};

/// What is done with the bytes in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Treatment {
    /// Nothing.
    Nothing,
    /// Nothing, but they are in two pieces of memory.
    Pieces,
    /// Nothing, but they are put out in three calls, none of a page's size.
    Parts,
    /// Nothing, but another thread puts them out.
    OtherThread,
    /// The first byte of each block is changed.
    FirstByte,
    /// The middle one is.
    MiddleByte,
    /// They are summed up, and nothing is put out.
    ReadOnly,
    /// They are made up, and nothing is taken in.
    WriteOnly,
    /// Others are put out, from another place.
    OtherBuffer,
}

/// A relay.
#[derive(Debug, Args)]
pub struct Relay {
    /// From where: a file, or HOST:PORT of who sends.
    #[arg(long)]
    pub from: Option<String>,
    /// To where: a file, or HOST:PORT of who receives.
    #[arg(long)]
    pub to: Option<String>,
    /// What is done with the bytes.
    #[arg(long, default_value = "nothing")]
    pub treatment: Treatment,
    /// How many bytes.
    #[arg(long)]
    pub bytes: u64,
    /// Bytes of a block.
    #[arg(long, default_value_t = 16384)]
    pub chunk: usize,
}

impl Relay {
    /// Moves the bytes.
    ///
    /// # Errors
    ///
    /// If an end cannot be opened, or ends too early.
    pub fn run(&self) -> Result<()> {
        let from = self.from.as_deref().map(source).transpose()?;
        let to = self.to.as_deref().map(sink).transpose()?;
        match (from, to) {
            (Some(from), None) => self.sum_up(from),
            (None, Some(to)) => self.make_up(to),
            (Some(from), Some(to)) if self.treatment == Treatment::OtherThread => {
                self.by_two(from, to)
            }
            (Some(from), Some(to)) => self.by_one(from, to),
            (None, None) => anyhow::bail!("neither --from nor --to"),
        }
    }

    /// The sizes of all blocks.
    fn blocks(&self) -> impl Iterator<Item = usize> + use<> {
        let (bytes, chunk) = (self.bytes, self.chunk);
        let starts = (0..bytes).step_by(chunk);
        starts.map(move |at| usize::try_from(bytes - at).unwrap_or(chunk).min(chunk))
    }

    fn by_one(&self, mut from: Box<dyn Read + Send>, mut to: Box<dyn Write + Send>) -> Result<()> {
        let (mut buffer, other) = (vec![0; self.chunk], made_up(self.chunk));
        for block in self.blocks() {
            let block = &mut buffer[..block];
            self.take_in(&mut from, block)?;
            self.treat(block);
            if self.treatment == Treatment::Pieces {
                in_pieces(&mut to, block)?;
                continue;
            }
            let others = self.treatment == Treatment::OtherBuffer;
            let block = if others { &other[..block.len()] } else { block };
            let parts = if self.treatment == Treatment::Parts { 3 } else { 1 };
            block.chunks(block.len() / parts + 1).try_for_each(|part| to.write_all(part))?;
        }
        Ok(())
    }

    fn take_in(&self, from: &mut impl Read, block: &mut [u8]) -> Result<()> {
        if self.treatment == Treatment::Pieces {
            let (length, middle) = (block.len(), block.len() / 2);
            let (first, second) = block.split_at_mut(middle);
            let pieces = &mut [IoSliceMut::new(first), IoSliceMut::new(second)];
            let read = from.read_vectored(pieces).context("cannot read pieces")?;
            ensure!(read == length, "{read} bytes of {length}");
            return Ok(());
        }
        from.read_exact(block).context("cannot take a block in")
    }

    fn treat(&self, block: &mut [u8]) {
        if self.treatment == Treatment::FirstByte {
            block[0] ^= 0x55;
        } else if self.treatment == Treatment::MiddleByte {
            block[block.len() / 2] ^= 0x55;
        }
    }

    /// One thread takes blocks in, the other puts them out.
    fn by_two(&self, mut from: Box<dyn Read + Send>, mut to: Box<dyn Write + Send>) -> Result<()> {
        let (full, filled) = mpsc::sync_channel::<Vec<u8>>(1);
        let (spare, empty) = mpsc::sync_channel(4);
        for _ in 0..2 {
            spare.send(vec![0; self.chunk])?;
        }
        let writer = thread::spawn(move || -> io::Result<()> {
            for block in filled {
                to.write_all(&block)?;
                // Nobody wants it after the last block.
                let _ = spare.send(block);
            }
            Ok(())
        });
        for length in self.blocks() {
            let mut block = empty.recv()?;
            block.truncate(length);
            from.read_exact(&mut block).context("cannot take a block in")?;
            full.send(block)?;
        }
        drop(full);
        writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
        Ok(())
    }

    fn sum_up(&self, mut from: Box<dyn Read + Send>) -> Result<()> {
        let (mut buffer, mut sum) = (vec![0; self.chunk], 0_u64);
        for block in self.blocks() {
            from.read_exact(&mut buffer[..block])?;
            sum += buffer[..block].iter().map(|byte| u64::from(*byte)).sum::<u64>();
        }
        ensure!(sum > 0, "nothing but zeroes");
        Ok(())
    }

    fn make_up(&self, mut to: Box<dyn Write + Send>) -> Result<()> {
        let buffer = made_up(self.chunk);
        self.blocks().try_for_each(|block| Ok(to.write_all(&buffer[..block])?))
    }
}

/// Bytes of which few are equal.
#[must_use]
pub fn made_up(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Writes a block as two pieces of memory.
fn in_pieces(to: &mut impl Write, block: &[u8]) -> Result<()> {
    let (first, second) = block.split_at(block.len() / 2);
    let written = to.write_vectored(&[IoSlice::new(first), IoSlice::new(second)])?;
    ensure!(written == block.len(), "{written} bytes of {}", block.len());
    Ok(())
}

/// A connection that gives whole blocks: of two takings in that begin in one page zc remembers
/// the later one alone.
struct Whole(TcpStream);

impl Read for Whole {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (taken, _) = recv(&self.0, buffer, RecvFlags::WAITALL)?;
        Ok(taken)
    }
}

fn source(name: &str) -> Result<Box<dyn Read + Send>> {
    if name.contains(':') {
        return Ok(Box::new(Whole(TcpStream::connect(name).context("nobody sends")?)));
    }
    Ok(Box::new(File::open(PathBuf::from(name)).context("there is no such file")?))
}

fn sink(name: &str) -> Result<Box<dyn Write + Send>> {
    if name.contains(':') {
        return Ok(Box::new(TcpStream::connect(name).context("nobody receives")?));
    }
    Ok(Box::new(File::create(PathBuf::from(name)).context("no such file can be made")?))
}
