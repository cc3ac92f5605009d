//! What a connection is at, and until when it may be: whoever is slow is not waited for.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::watch,
    time::{Instant, sleep_until},
};

use super::limits;

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// TLS is being agreed on.
    Handshake,
    /// A request's head is under way.
    Head,
    /// A request is being answered.
    Answer,
    /// Nothing.
    Idle,
}

impl At {
    fn limit(self) -> std::time::Duration {
        match self {
            Self::Handshake => limits::HANDSHAKE,
            Self::Head => limits::HEAD,
            Self::Answer => limits::ANSWER,
            Self::Idle => limits::IDLE,
        }
    }
}

/// What one connection is at, and since when.
pub(super) struct Phase(watch::Sender<(At, Instant)>);

impl Phase {
    /// Of a connection that has just been accepted.
    pub(super) fn new() -> Self {
        Self(watch::Sender::new((At::Handshake, Instant::now())))
    }

    /// It may now send a request.
    pub(super) fn stands(&self) {
        self.enter(At::Head);
    }

    /// A request's head has come.
    pub(super) fn answering(&self) {
        self.enter(At::Answer);
    }

    /// An answer has been handed over.
    pub(super) fn idle(&self) {
        self.enter(At::Idle);
    }

    /// Something was received.
    fn received(&self) {
        if self.0.borrow().0 == At::Idle {
            self.enter(At::Head);
        }
    }

    fn enter(&self, at: At) {
        self.0.send_replace((at, Instant::now()));
    }

    /// Since when nothing is being answered, if that is so.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        let (at, since) = *self.0.borrow();
        (at != At::Answer).then_some(since)
    }

    /// Resolves once it has been at the same thing for too long.
    pub(super) async fn late(&self) {
        let mut changes = self.0.subscribe();
        loop {
            let (at, since) = *changes.borrow_and_update();
            tokio::select! {
                () = sleep_until(since + at.limit()) => return,
                // It cannot fail, as the sender is borrowed.
                _ = changes.changed() => {}
            }
        }
    }
}

/// A stream that tells its phase of what comes.
pub(super) struct Watched<S> {
    stream: S,
    phase: Arc<Phase>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, phase: Arc<Phase>) -> Self {
        Self { stream, phase }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.phase.received();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_own_limit() {
        let phase = Phase::new();
        let took = async |phase: &Phase| {
            let begin = Instant::now();
            phase.late().await;
            begin.elapsed().as_secs()
        };
        assert_eq!(took(&phase).await, limits::HANDSHAKE.as_secs());
        phase.stands();
        phase.received();
        assert_eq!(took(&phase).await, limits::HEAD.as_secs());
        phase.answering();
        assert_eq!(phase.waits_since(), None);
        phase.received();
        assert_eq!(took(&phase).await, limits::ANSWER.as_secs());
        phase.idle();
        assert_eq!(took(&phase).await, limits::IDLE.as_secs());
        phase.idle();
        phase.received();
        assert_eq!(took(&phase).await, limits::HEAD.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_trickle_do_not_put_the_limit_off() {
        let phase = Phase::new();
        phase.idle();
        let begin = Instant::now();
        let trickle = async {
            loop {
                phase.received();
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            () = trickle => {}
            () = phase.late() => {}
        }
        assert_eq!(begin.elapsed().as_secs(), limits::HEAD.as_secs());
    }
}
