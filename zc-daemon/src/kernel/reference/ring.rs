//! The reference on an io_uring: one request at a time, on a connected pair of sockets.

use std::os::unix::net::UnixStream;

use anyhow::Result;
use io_uring::opcode::{Recv, Send};

use super::{CHUNK, ROUNDS, whole};
use crate::kernel::ring::{Ring, number};

/// By sockets, whose data is there when it is asked for: no thread of the ring's is needed,
/// which up to 5.11 is none of the process'.
pub(super) fn ring() -> Result<()> {
    let (near, far) = UnixStream::pair()?;
    let mut ring = Ring::new()?;
    let mut chunk = vec![1_u8; CHUNK];
    let length = u32::try_from(CHUNK)?;
    for _ in 0..ROUNDS {
        let send = Send::new(number(&near), chunk.as_ptr(), length).build();
        // SAFETY: the chunk outlives the request, for whose end the call waits.
        whole("IORING_OP_SEND", unsafe { ring.complete(&send) })?;
        let receive = Recv::new(number(&far), chunk.as_mut_ptr(), length).build();
        // SAFETY: as above.
        whole("IORING_OP_RECV", unsafe { ring.complete(&receive) })?;
    }
    Ok(())
}
