//! AF_XDP: sockets whose packets lie in memory shared with the kernel
//! (`Documentation/networking/af_xdp.rst`).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

use super::bpf::Redirection;
use super::mem::Mapping;
use super::value;
use crate::workload::size;

/// `include/uapi/linux/if_xdp.h`.
mod option {
    pub(super) const MMAP_OFFSETS: libc::c_int = 1;
    pub(super) const RX_RING: libc::c_int = 2;
    pub(super) const TX_RING: libc::c_int = 3;
    pub(super) const UMEM_REG: libc::c_int = 4;
    pub(super) const UMEM_FILL_RING: libc::c_int = 5;
    pub(super) const UMEM_COMPLETION_RING: libc::c_int = 6;
    pub(super) const COPY: u16 = 2;
}

/// Entries of each ring, and frames.
const ENTRIES: u32 = 8;
/// Bytes of a frame.
const FRAME: usize = 4096;
/// The frame that is sent from; all others are received into.
const SENT: u64 = 0;

/// Where a ring's words are in its mapping.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Offsets {
    producer: u64,
    consumer: u64,
    descriptors: u64,
    flags: u64,
}

/// `struct xdp_mmap_offsets`: received, sent, to be filled, completed.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct AllOffsets {
    rx: Offsets,
    tx: Offsets,
    fill: Offsets,
    completion: Offsets,
}

/// One ring, shared with the kernel.
struct Ring {
    mapping: Mapping,
    offsets: Offsets,
}

impl Ring {
    fn new(socket: &OwnedFd, which: libc::off_t, entry: u64, offsets: Offsets) -> io::Result<Self> {
        let len = offsets.descriptors + u64::from(ENTRIES) * entry;
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        let mapping = Mapping::new_at(size(len), protection, flags, socket.as_raw_fd(), which)?;
        Ok(Self { mapping, offsets })
    }

    fn at(&self, offset: u64) -> NonNull<u8> {
        // SAFETY: the kernel says where the words are, within what was mapped.
        unsafe { self.mapping.start().add(size(offset)) }
    }

    fn word(&self, offset: u64) -> &AtomicU32 {
        // SAFETY: an aligned word within the mapping, which lives as long as `self`.
        unsafe { self.at(offset).cast().as_ref() }
    }

    /// Puts an entry of whole words at the head, for the kernel to take.
    fn produce<const WORDS: usize>(&self, entry: [u64; WORDS]) {
        let head = self.word(self.offsets.producer).load(Ordering::Relaxed);
        let place = self.offsets.descriptors + u64::from(head % ENTRIES) * (8 * WORDS as u64);
        // SAFETY: the entry lies within the mapping, and the kernel reads it only once
        // the producer has moved on.
        unsafe { self.at(place).cast().write(entry) };
        self.word(self.offsets.producer).store(head.wrapping_add(1), Ordering::Release);
    }

    /// Takes the entry at the tail, if the kernel has put one there.
    fn consume<const WORDS: usize>(&self) -> Option<[u64; WORDS]> {
        let head = self.word(self.offsets.producer).load(Ordering::Acquire);
        let tail = self.word(self.offsets.consumer).load(Ordering::Relaxed);
        if head == tail {
            return None;
        }
        let place = self.offsets.descriptors + u64::from(tail % ENTRIES) * (8 * WORDS as u64);
        // SAFETY: as above; the kernel writes it no more until the consumer moves on.
        let entry = unsafe { self.at(place).cast().read() };
        self.word(self.offsets.consumer).store(tail.wrapping_add(1), Ordering::Release);
        Some(entry)
    }
}

/// A socket in copy mode on the first queue of an interface.
pub(in crate::workload) struct Socket {
    fd: OwnedFd,
    /// What the kernel writes packets to: it stays as long as the socket.
    _frames: Mapping,
    rx: Ring,
    tx: Ring,
    fill: Ring,
    completion: Ring,
}

impl Socket {
    /// Opens one in this thread's network.
    pub(in crate::workload) fn new(interface: u32) -> io::Result<Self> {
        // SAFETY: no memory is passed.
        let fd = value(unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW, 0) })?;
        // SAFETY: the kernel has just made this descriptor, so nothing else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let frames = Mapping::new(ENTRIES as usize * FRAME, protection, flags, -1)?;
        let memory = frames.start().as_ptr().addr() as u64;
        set(&fd, option::UMEM_REG, [memory, u64::from(ENTRIES) * FRAME as u64, FRAME as u64])?;
        for ring in
            [option::UMEM_FILL_RING, option::UMEM_COMPLETION_RING, option::RX_RING, option::TX_RING]
        {
            set(&fd, ring, ENTRIES)?;
        }
        let offsets = offsets(&fd)?;
        let socket = Self {
            rx: Ring::new(&fd, 0, 16, offsets.rx)?,
            tx: Ring::new(&fd, 0x8000_0000, 16, offsets.tx)?,
            fill: Ring::new(&fd, 0x1_0000_0000, 8, offsets.fill)?,
            completion: Ring::new(&fd, 0x1_8000_0000, 8, offsets.completion)?,
            _frames: frames,
            fd,
        };
        (1..u64::from(ENTRIES)).for_each(|frame| socket.fill.produce([frame * FRAME as u64]));
        socket.bind(interface)?;
        Ok(socket)
    }

    fn bind(&self, interface: u32) -> io::Result<()> {
        let address = libc::sockaddr_xdp {
            sxdp_family: u16::try_from(libc::AF_XDP).map_err(io::Error::other)?,
            sxdp_flags: option::COPY,
            sxdp_ifindex: interface,
            sxdp_queue_id: 0,
            sxdp_shared_umem_fd: 0,
        };
        let size = socket_size(size_of_val(&address))?;
        // SAFETY: the address is readable for the size given with it.
        value(unsafe { libc::bind(self.fd.as_raw_fd(), (&raw const address).cast(), size) })
            .map(drop)
    }

    /// Sends a packet of so many bytes.
    pub(in crate::workload) fn send(&self, len: u32) -> io::Result<()> {
        self.tx.produce([SENT, u64::from(len)]);
        let socket = self.fd.as_raw_fd();
        let flags = libc::MSG_DONTWAIT;
        // SAFETY: no memory is passed: what is sent is named in the ring.
        let sent = unsafe { libc::sendto(socket, ptr::null(), 0, flags, ptr::null(), 0) };
        super::moved(sent).map(drop)
    }

    /// Takes back the frame of a packet that has been sent, if one has.
    pub(in crate::workload) fn sent(&self) -> Option<()> {
        self.completion.consume::<1>().map(drop)
    }

    /// The length of a packet that was received, if one was; its frame is given back.
    pub(in crate::workload) fn receive(&self) -> Option<u32> {
        let [frame, length] = self.rx.consume()?;
        self.fill.produce([frame / FRAME as u64 * FRAME as u64]);
        u32::try_from(length).ok()
    }

    /// Has a driver's packets received by this socket: attaches a program that sends
    /// them there.
    pub(in crate::workload) fn receive_all_of(&self, interface: u32) -> io::Result<Redirection> {
        super::bpf::redirect(&self.fd, interface)
    }
}

fn set<T: Copy>(socket: &OwnedFd, name: libc::c_int, setting: T) -> io::Result<()> {
    let size = socket_size(size_of::<T>())?;
    let setting = (&raw const setting).cast();
    // SAFETY: the setting is readable for the size given with it.
    value(unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_XDP, name, setting, size) })
        .map(drop)
}

fn offsets(socket: &OwnedFd) -> io::Result<AllOffsets> {
    let mut offsets = AllOffsets::default();
    let mut size = socket_size(size_of::<AllOffsets>())?;
    let (name, into) = (option::MMAP_OFFSETS, (&raw mut offsets).cast());
    // SAFETY: the answer has room for the size given with it.
    value(unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_XDP, name, into, &raw mut size)
    })?;
    Ok(offsets)
}

fn socket_size(size: usize) -> io::Result<libc::socklen_t> {
    libc::socklen_t::try_from(size).map_err(io::Error::other)
}
