//! Bodies that say when they have been handed over.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::phase::Phase;

/// A page in pieces, so that a slow reader does not have all of it copied at once; who may ask
/// next waits until the last piece is handed over.
pub(super) struct Pieces {
    rest: Bytes,
    _permit: OwnedSemaphorePermit,
}

/// Bytes of a piece.
const PIECE: usize = 32 << 10;

impl Pieces {
    pub(super) fn new(page: Vec<u8>, permit: OwnedSemaphorePermit) -> Self {
        Self { rest: page.into(), _permit: permit }
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let size = self.rest.len().min(PIECE);
        let piece = (size > 0).then(|| Ok(Frame::data(self.rest.split_to(size))));
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// Any body; its connection is idle once it has gone.
pub(super) struct Timed {
    pub(super) body: Body,
    pub(super) phase: Arc<Phase>,
}

impl http_body::Body for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        self.phase.idle();
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn a_page_comes_in_pieces_and_frees_its_permit() {
        let gate = Arc::new(Semaphore::new(1));
        let page: Vec<u8> = (0..=250).cycle().take(PIECE * 2 + 5).collect();
        let permit = Arc::clone(&gate).try_acquire_owned().unwrap();
        let mut pieces = Pieces::new(page.clone(), permit);
        assert_eq!(http_body::Body::size_hint(&pieces).exact(), Some(page.len() as u64));
        let first = pieces.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first.len(), PIECE);
        assert_eq!(gate.available_permits(), 0);
        let rest = pieces.collect().await.unwrap().to_bytes();
        assert_eq!([first, rest].concat(), page);
        assert_eq!(gate.available_permits(), 1);
    }
}
