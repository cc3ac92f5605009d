//! Zero-copy promises that were not kept: by which route, and why.

use crate::flow::Route;

names! {
    /// Why bytes were copied although the interface can do without.
    Reason {
        /// The receiver may hold the sender's pages for long (loopback, a packet tap,
        /// another namespace), so they were copied on the way (`skb_copy_ubufs`).
        Receiver = "receiver",
        /// The send did not take the sender's pages (no `SO_ZEROCOPY`, no
        /// scatter-gather, a socket that cannot).
        NotTaken = "not_taken",
        /// The socket did not take a file's pages (no scatter-gather).
        SocketSink = "socket_sink",
        /// On their way the bytes were gathered into one piece: the device has no
        /// scatter-gather (`skb_segment`, `__skb_linearize`), or packets were joined to be
        /// sent again.
        Gathered = "gathered",
        /// A buffered file always copies what is spliced into it.
        FileSink = "file_sink",
        /// The source does not link its pages (`copy_splice_read`), or does not receive into
        /// those it was given (`io_zcrx_copy_chunk`).
        Source = "source",
        /// A file opened with `O_DIRECT` went through the page cache all the same.
        Buffered = "buffered",
    }
}

/// One block a reason: the routes it can strike.
macro_rules! fallbacks {
    ($($reason:ident: $($variant:ident = $route:ident),+;)+) => {
        /// A promise not kept; the rows are in [`FALLBACKS`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the row is the documentation")]
        pub enum Fallback { $($($variant,)+)+ }

        /// THE table of fallbacks, by [`Fallback`].
        pub const FALLBACKS: &[(Route, Reason)] =
            &[$($((Route::$route, Reason::$reason),)+)+];

        impl Fallback {
            /// Every fallback, in order of position.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)+)+];

            /// The fallback of a route (a position in [`Route::ALL`]) for a reason.
            #[must_use]
            #[inline(always)]
            pub const fn of(route: u8, reason: Reason) -> Option<Self> {
                $($(
                    if matches!(reason, Reason::$reason) && route == Route::$route as u8 {
                        return Some(Self::$variant);
                    }
                )+)+
                None
            }
        }
    };
}

fallbacks! {
    Receiver: ZerocopyReceiver = MsgZerocopy, RingReceiver = IoUring;
    NotTaken: ZerocopyNotTaken = MsgZerocopy;
    SocketSink: SendfileSocketSink = Sendfile, SpliceSocketSink = Splice,
        RingSocketSink = IoUring;
    Gathered: ZerocopyGathered = MsgZerocopy, SendfileGathered = Sendfile,
        SpliceGathered = Splice, RingGathered = IoUring;
    FileSink: SendfileFileSink = Sendfile, SpliceFileSink = Splice,
        CopyRangeFileSink = CopyFileRange, RingFileSink = IoUring;
    Source: SendfileSource = Sendfile, SpliceSource = Splice, CopyRangeSource = CopyFileRange,
        RingSource = IoUring;
    Buffered: DirectBuffered = DirectIo;
}

impl Fallback {
    /// How many there are.
    pub const COUNT: usize = FALLBACKS.len();

    /// The position in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The route and the reason.
    #[must_use]
    pub const fn row(self) -> (Route, Reason) {
        FALLBACKS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_by_its_route_and_reason() {
        for fallback in Fallback::ALL.iter().copied() {
            let (route, reason) = fallback.row();
            assert_eq!(Fallback::of(route as u8, reason), Some(fallback));
        }
        assert_eq!(Fallback::of(Route::Read as u8, Reason::Source), None);
    }
}
